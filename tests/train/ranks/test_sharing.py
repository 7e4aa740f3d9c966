"""Work in pieces, and its results together again: what one process would have found, to the bit."""

import numpy as np
import pytest
from coco_cases import draw_image

from tinymaskrcnn.evaluation import Evaluator
from tinymaskrcnn.evaluation.mask_quality import MaskQuality
from tinymaskrcnn.train.ranks.communicator import Communicator
from tinymaskrcnn.train.ranks.sharing import own_part, put_together


@pytest.mark.parametrize("count", [0, 1, 5, 6])
def test_pieces_in_a_row_are_the_whole(threads, count):
    numbers = range(0, 4 * count, 4)
    pieces = threads.on_ranks(3, lambda ranks: own_part(numbers, ranks))
    assert sum(pieces, []) == list(numbers) and own_part(numbers, None) == numbers
    assert max(map(len, pieces)) - min(map(len, pieces)) <= 1


@pytest.mark.parametrize("size", [2, 5])
def test_figures_of_all_pictures_are_known_to_all_ranks(threads, size):
    """Four pictures: of five ranks one has seen none."""
    rng = np.random.default_rng(3)
    pictures = [draw_image(rng, classes=2) for _ in range(4)]
    kinds = {kind: lambda kind=kind: Evaluator(iou_type=kind) for kind in ("bbox", "segm", "keypoints")}
    kinds |= {"quality": MaskQuality}

    def judged(ranks):
        evaluators = {name: make() for name, make in kinds.items()}
        for i in own_part(range(4), ranks):
            for evaluator in evaluators.values():
                evaluator.add(*pictures[i])
        put_together(evaluators.values(), ranks)
        return {name: evaluator.summarize() for name, evaluator in evaluators.items()}

    one = judged(None)
    assert one["bbox"]["AP"] > 0 and judged(Communicator()) == one
    assert threads.on_ranks(size, judged) == [one] * size
