"""models/heads_at_rest.py: the mask head's plan gives what its parts give, for as many RoIs as were found."""

import numpy as np
import pytest
from kernels.conftest import identical, on_threads
from tiny_model import tiny_model

from tinymaskrcnn.config import ModelConfig
from tinymaskrcnn.errors import TinyMaskRCNNError
from tinymaskrcnn.kernels.c import library
from tinymaskrcnn.models import heads_at_rest
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.models.roi_heads import Head

HEADS = {
    "default": lambda: build_model(ModelConfig(), rng=np.random.default_rng(0)),
    "norms": lambda: tiny_model(version="v2"),
    "agnostic": lambda: tiny_model(mask_kind="agnostic"),
}


def mask_head(kind="default"):
    """A mask head at rest whose norms have statistics far from their beginnings."""
    head, rng = HEADS[kind]().eval().roi_heads.heads["mask"], np.random.default_rng(1)
    for name, buffer in head.named_buffers():
        low = 0.5 if name.endswith(("var", "weight")) else -0.5
        buffer.value[...] = rng.uniform(low, low + 1, buffer.value.shape)
    return head


def seen(head, count, seed=0):
    """A pyramid, and what the head is asked about so many RoIs."""
    rng = np.random.default_rng(seed)
    channels = next(head.named_parameters())[1].value.shape[2]
    pyramid = [rng.standard_normal((2, side, side, channels), dtype=np.float32) for side in (32, 16, 8, 4)]
    corners = rng.uniform(0, 60, (count, 2))
    rois = np.concatenate([corners, corners + rng.uniform(5, 60, (count, 2))], axis=1).astype(np.float32)
    classes = head.predictor.mask_fcn_logits.weight.value.shape[3]
    return pyramid, dict(rois=rois, image_index=rng.integers(0, 2, count), channel=rng.integers(0, classes, count))


def said(head, count, **changed):
    pyramid, question = seen(head, count)
    return head.forward(pyramid, **question | changed)[0]


def planned(head, count):
    """What the plan gives, which is made when as many RoIs, nearly, come again."""
    said(head, count)
    result = said(head, count)
    assert the_plans(head)
    return result


def the_plans(head):
    return [one.plan for one in heads_at_rest._plans.get(head, {}).values() if one and one.plan]


def by_the_text(head, count):
    """The same by the readable text in float64."""
    pyramid, question = seen(head, count)
    arrays = {name: array.astype(np.float64) for name, array in head.state_dict().items()}
    head.astype(np.float64)
    question["rois"] = question["rois"].astype(np.float64)
    try:
        return Head.forward.readable(head, [p.astype(np.float64) for p in pyramid], **question)[0]
    finally:
        head.astype(np.float32)
        assert all(np.array_equal(arrays[name], array) for name, array in head.state_dict().items())


def is_as_the_text(head, count):
    wanted = by_the_text(head, count)
    np.testing.assert_allclose(planned(head, count), wanted, rtol=0, atol=2e-5 * abs(wanted).max())


@pytest.fixture(autouse=True, params=library.VARIANTS)
def variant(request):
    if request.param not in library.supported():
        pytest.skip(f"no {request.param} here")
    library.use(request.param)
    yield request.param
    library.use(None)


@pytest.mark.parametrize("kind", HEADS)
def test_a_plan_gives_what_the_text_gives_for_any_number_of_rois(kind):
    head = mask_head(kind)
    for count in (1, 5, 16, 17):
        is_as_the_text(head, count)
    assert len(the_plans(head)) == 2  # for up to 16 and for up to 32


def test_the_number_of_threads_changes_nothing():
    head = mask_head()
    identical(on_threads(lambda: planned(head, 9)))


def test_what_a_roi_is_told_does_not_depend_on_how_many_there_are():
    head = mask_head()
    pyramid, question = seen(head, 12)
    for _ in range(2):
        many = head.forward(pyramid, **question)[0]
    few = head.forward(pyramid, **{name: values[:7] for name, values in question.items()})[0]
    identical([(many[:7],), (few,)])


def test_a_plan_reads_the_numbers_that_weights_have_by_now():
    head = mask_head("norms")
    before = planned(head, 3)
    for _, owner in head.named_state():
        owner.value *= np.float32(1.25)
    assert not np.array_equal(before, said(head, 3))
    is_as_the_text(head, 3)


def replace_an_array(head):
    head.predictor.mask_fcn_logits.bias.value = head.predictor.mask_fcn_logits.bias.value + 1


def replace_the_body(head):
    head.body = mask_head("default").body
    for p in head.body.named_parameters():
        p[1].value *= np.float32(0.5)


@pytest.mark.parametrize("change", [replace_an_array, replace_the_body])
def test_a_plan_follows_what_becomes_of_its_head(change):
    head = mask_head()
    before = planned(head, 3)
    change(head)
    assert not np.array_equal(before, said(head, 3))
    is_as_the_text(head, 3)


@pytest.mark.parametrize("part", ["body", "predictor"])
def test_somebody_who_watches_a_part_is_told_of_every_call(part):
    head, calls = mask_head(), []
    planned(head, 3)
    watched = getattr(head, part)
    watched.forward = lambda x, before=watched.forward, **data: calls.append(len(x)) or before(x, **data)
    for _ in range(2):
        said(head, 3)
    assert calls == [3, 3] and len(the_plans(head)) == 0


def test_what_a_plan_does_not_know_is_left_to_the_text(monkeypatch):
    head = mask_head()
    head.predictor.conv5_mask.options["stride"] = 1
    for _ in range(2):
        said(head, 3)
    assert not the_plans(head)

    head = mask_head()
    monkeypatch.setattr(heads_at_rest, "MOST", 3 * 14 * 14 * 64)
    for count in (4, 3):
        for _ in range(2):
            said(head, count)
        assert bool(the_plans(head)) == (count == 3)

    head = mask_head().train()
    for _ in range(2):
        said(head, 3)
    assert not the_plans(head)


@pytest.mark.parametrize("channel", [[0, 1, 99], [-1, 0, 1], [0, 1], [0.0, 1.0, 2.0]])
def test_channels_that_do_not_fit_get_the_texts_answer(channel):
    head = mask_head()
    planned(head, 3)
    pyramid, question = seen(head, 3)
    question["channel"] = np.array(channel)
    answers = []
    for forward in (Head.forward, Head.forward.readable):
        try:
            answers.append(forward(head, pyramid, **question)[0])
        except (TinyMaskRCNNError, ValueError, IndexError, TypeError) as error:
            answers.append(str(error))
    assert type(answers[0]) is type(answers[1]) and np.array_equal(*answers)


def test_a_second_thread_takes_the_text_meanwhile():
    head = mask_head()
    planned(head, 3)
    [answering] = heads_at_rest._plans[head].values()
    with answering.free:
        assert said(head, 3).shape == (3, 28, 28)
    assert answering.free.acquire(blocking=False)
