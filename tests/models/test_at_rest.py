"""models/at_rest.py: which models have a plan, and what one has to notice before it is played again."""

import gc
import weakref

import numpy as np
import pytest
from tiny_model import tiny_model

from tinymaskrcnn.errors import DtypeError
from tinymaskrcnn.kernels.c import library
from tinymaskrcnn.models import at_rest
from tinymaskrcnn.models.mask_rcnn import MaskRCNN
from tinymaskrcnn.nn.layers import Conv2d
from tinymaskrcnn.nn.module import Parameter

X = np.random.default_rng(0).random((1, 64, 64, 1), dtype=np.float32)


@pytest.fixture(autouse=True)
def lane():
    if not library.supported():
        pytest.skip("no library of kernels in C")
    library.use(library.supported()[0])
    yield
    library.use(None)


def model_at_rest(**config):
    return tiny_model(**config).eval()


def looked(model, x=X):
    pyramid, said = model.look(x)
    return [*pyramid, *said]


def the_plan(model, x=X):
    """The plan that was played for pictures of a shape, or None."""
    looking = at_rest._plans.get(model, {}).get((library.lane(), x.shape))
    return looking and looking.plan


def is_as_the_text(model, x=X):
    pyramid, said = MaskRCNN.look.readable(model, x)
    for a, b in zip(looked(model, x), [*pyramid, *said], strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-5 * abs(b).max())


def test_a_plan_is_made_when_pictures_of_a_shape_come_again():
    model = model_at_rest()
    for wanted in (False, True, True):
        is_as_the_text(model)
        assert bool(the_plan(model)) == wanted
    is_as_the_text(model, X[:, :32])
    assert the_plan(model) and not the_plan(model, X[:, :32])


@pytest.mark.parametrize(
    "config",
    [
        dict(norm="group"),
        dict(objectness="softmax"),
        dict(stem="7x7"),
        dict(fpn="c5"),
        dict(fpn="p2"),
        dict(kind="vgg"),
    ],
    ids=str,
)
def test_a_network_with_a_part_that_no_plan_knows_has_none(config):
    model = model_at_rest(**config)
    for _ in range(3):
        is_as_the_text(model)
    assert the_plan(model) is None


def test_too_many_pixels_are_left_to_the_text(monkeypatch):
    monkeypatch.setattr(at_rest, "MOST", X.size - 1)
    model = model_at_rest()
    for _ in range(3):
        looked(model)
    assert model not in at_rest._plans


def test_float64_is_left_to_the_text():
    model = model_at_rest().astype(np.float64)
    assert all(y.dtype == np.float64 for _ in range(3) for y in looked(model, X.astype(np.float64)))
    model = model_at_rest()
    model.rpn.head.bbox_pred.bias.value = model.rpn.head.bbox_pred.bias.value.astype(np.float64)
    for _ in range(3):
        with pytest.raises(DtypeError):
            looked(model)
    assert the_plan(model) is None


def test_somebody_who_watches_a_layer_is_told_of_every_call():
    model = model_at_rest()
    for _ in range(2):
        looked(model)
    layer, seen = model.backbone.body.stages[1].layers[0].branch.layers[0], []
    layer.forward = lambda x, before=layer.forward: seen.append(x.shape) or before(x)
    for count in (1, 2):
        is_as_the_text(model)
        assert len(seen) == 2 * count
    del layer.forward
    looked(model)
    assert len(seen) == 4 and the_plan(model)


def replace_a_layer(model):
    model.backbone.fpn.layer_blocks[1] = Conv2d(4, 4, 3, padding=1, rng=np.random.default_rng(7)).eval()


def replace_an_array(model):
    conv = model.rpn.head.cls_logits
    conv.weight.value = conv.weight.value + 1


def replace_a_parameter(model):
    norm = model.backbone.body.stem.layers[1]
    norm.bias = Parameter(norm.bias.value + 1, decay=False)


def replace_the_proposer(model):
    model.rpn = model_at_rest().rpn
    model.rpn.head.cls_logits.bias.value += 3


def change_a_setting(model):
    model.backbone.body.stem.layers[1].eps = 3.0


def let_a_part_learn(model):
    model.backbone.body.stem.layers[1].training = True


CHANGES = (
    replace_a_layer,
    replace_an_array,
    replace_a_parameter,
    replace_the_proposer,
    change_a_setting,
    let_a_part_learn,
)


@pytest.mark.parametrize("change", CHANGES)
def test_a_plan_follows_what_becomes_of_its_model(change):
    model = model_at_rest()
    for _ in range(2):
        before = looked(model)
    assert the_plan(model)
    change(model)
    norm = model.backbone.body.stem.layers[1]
    statistics = norm.running_mean.value.copy(), norm.running_var.value.copy()
    after = looked(model)
    assert any(not np.array_equal(a, b) for a, b in zip(before, after))
    norm.running_mean.value[...], norm.running_var.value[...] = statistics
    is_as_the_text(model)


def test_a_second_thread_that_looks_meanwhile_takes_the_text():
    model = model_at_rest()
    for _ in range(2):
        looked(model)
    looking = at_rest._plans[model][library.lane(), X.shape]
    with looking.free:
        is_as_the_text(model)
    assert looking.free.acquire(blocking=False)


def test_few_shapes_are_remembered_and_none_longer_than_the_model():
    model = model_at_rest()
    for side in (32, 64, 96, 128, 160, 192):
        looked(model, np.zeros((1, side, 32, 1), np.float32))
        assert len(at_rest._plans[model]) <= at_rest.REMEMBERED
    for _ in range(2):
        looked(model)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
