"""Work that ranks divide among themselves, and what they have found out put together again."""

import numpy as np


def own_part(numbers, ranks):
    """Of a range of numbers those of this rank: a piece without gaps, so that all pieces in a row are the whole."""
    return numbers if ranks is None else np.array_split(np.array(numbers, np.int64), ranks.size)[ranks.rank].tolist()


def put_together(evaluators, ranks):
    """Let each evaluator hold what those of all ranks have collected, in the order of the ranks, on all of them."""
    for evaluator in evaluators if ranks is not None else ():
        with ranks.patiently(10):  # a rank's pictures may have more to find
            evaluator.gather(ranks.arrays_of_all(evaluator.collected()))
