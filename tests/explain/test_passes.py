"""What the parts of a network hand on, and what comes back: held against a step that is made by hand."""

import numpy as np
import pytest
from tiny_model import tiny_model, tiny_scene

from tinymaskrcnn.explain.passes import watch_step
from tinymaskrcnn.kernel_lookup import without_kernels
from tinymaskrcnn.structures import ImageBatch
from tinymaskrcnn.testing.trees import same_bits

NAMES = ("normalize", "backbone", "rpn", "roi_heads.box_roi_pool", "roi_heads.mask_roi_pool", "no.such.module")


@pytest.fixture(scope="module")
def watched():
    images, targets = tiny_scene(objects=(2,))
    model = tiny_model(seed=3)
    return model, watch_step(model, ImageBatch(images, np.array([[64, 64]]), targets), NAMES)


def test_what_one_part_hands_on_is_what_the_next_one_took(watched):
    model, passes = watched
    of = passes.of
    assert set(of) == set(NAMES[:-1])
    other = tiny_model(seed=3)
    with without_kernels():
        x, cache = other.train().normalize.forward(passes.image[None], sizes=np.array([[64, 64]]))
        assert same_bits(of["normalize"].y, x)
        assert same_bits(of["backbone"].y, other.backbone.forward(x)[0])
        assert same_bits(of["backbone"].dx, of["normalize"].dy) and same_bits(of["normalize"].dx, passes.dimages)
        assert same_bits(passes.dimages, other.normalize.backward(of["normalize"].dy, cache))


def test_the_pyramid_hears_from_all_who_used_it(watched):
    _, passes = watched
    of = passes.of
    users = [of[name].dx for name in ("roi_heads.box_roi_pool", "roi_heads.mask_roi_pool", "rpn")]
    for level, total in enumerate(of["backbone"].dy):
        np.testing.assert_allclose(total, sum(user[level] for user in users), rtol=1e-4, atol=1e-7)


def test_proposals_and_rois_are_those_of_the_step(watched):
    _, passes = watched
    assert passes.proposals.shape[1] == 4 and len(passes.rois) == len(passes.of["roi_heads.box_roi_pool"].y)
    assert set(passes.losses) == {"rpn_objectness", "rpn_box", "box_class", "box_delta", "mask"}


def test_the_model_is_left_without_a_trace(watched):
    model, _ = watched
    for name, module in model.named_modules():
        assert not {"forward", "backward", "choose_samples"} & set(vars(module)), name
