"""Gradients of the losses one by one: their lengths, their angles, and what they leave untouched."""

import dataclasses

import numpy as np
import pytest
from tiny_model import tiny_model, tiny_scene

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.explain.gradient_flow import PLACES, GradientFlow, place_of, stage_of
from tinymaskrcnn.structures import ImageBatch


def batch_of(seed=0, keypoints=0):
    images, targets = tiny_scene(objects=(2, 1), seed=seed, keypoints=keypoints)
    return ImageBatch(images, np.array([[64, 64], [64, 64]]), targets, ("a", "b"))


@pytest.fixture(scope="module")
def looked():
    model, flow = tiny_model(seed=3, positive_iou=0.15), GradientFlow()
    shots = [flow.look(model, batch_of(seed), step=10 * seed, seed=seed) for seed in range(3)]
    return model, flow, shots


def gradients_of(model, batch, seeds, seed=0):
    model.zero_grad()
    data = {"targets": batch.targets, "sizes": batch.sizes, "rng": np.random.default_rng(seed)}
    losses, cache = model.train().forward(batch.images, **data)
    model.backward({name: seeds.get(name, 0.0) for name in losses}, cache)
    return {name: p.grad.astype(np.float64).copy() for name, p in model.named_parameters()}, losses


def vector(gradients, place):
    return np.concatenate([g.ravel() for name, g in gradients.items() if place_of(name) == place])


def test_products_and_lengths_are_those_of_gradients_one_by_one(looked):
    model, _, [shot, *_] = looked
    names = list(shot.losses)
    each = {name: gradients_of(model, batch_of(0), {name: 1.0})[0] for name in names}
    for place in PLACES:
        for i, one in enumerate(names):
            for j, other in enumerate(names):
                wanted = vector(each[one], place) @ vector(each[other], place)
                assert shot.products[place][i, j] == pytest.approx(wanted, rel=1e-4, abs=1e-9)
    whole, losses = gradients_of(model, batch_of(0), dict.fromkeys(names, 1.0))
    for stage, norms in shot.norms.items():
        parts = [g for name, g in whole.items() if stage_of(name) == stage]
        assert norms["all"] == pytest.approx(np.sqrt(sum((g**2).sum() for g in parts)), rel=1e-4)
    assert shot.losses == pytest.approx({name: float(loss) for name, loss in losses.items()}, rel=1e-5)


def test_where_losses_meet_and_where_not(looked):
    _, flow, shots = looked
    rpn, heads = flow.losses[:2], flow.losses[2:]
    for shot in shots:
        cosines = shot.cosines("RPN")
        assert np.isfinite(cosines[:2, :2]).all() and np.isnan(cosines[2:]).all(), (rpn, heads)
        for place in ("backbone", "pyramid"):
            cosines = shot.cosines(place)
            known = ~np.isnan(cosines)
            np.testing.assert_allclose(cosines, cosines.T)
            np.testing.assert_allclose(np.diag(cosines)[np.diag(known)], 1)
            assert (abs(cosines[known]) <= 1 + 1e-9).all() and known.sum() > 4
            gains = shot.gains(place)
            assert gains[0] == pytest.approx(shot.products[place][0].sum() / shot.products[place][0, 0])
    assert flow.mean_cosines("pyramid")[0, 1] == pytest.approx(np.mean([s.cosines("pyramid")[0, 1] for s in shots]))


def test_exact_joint_training_lets_the_heads_meet_the_rpn():
    flow = GradientFlow()
    model = tiny_model(norm="group", positive_iou=0.15, box_gradient="features")
    shot = flow.look(model, batch_of(), step=0)
    assert np.isfinite(shot.cosines("RPN")[2]).all()


def test_a_training_goes_on_as_if_nobody_had_looked():
    one, other = tiny_model(seed=3), tiny_model(seed=3)
    for model in (one, other):
        gradients_of(model, batch_of(), {"rpn_objectness": 1.0})
    grads = [p.grad.copy() for p in one.parameters()]
    arrays = [p.grad for p in one.parameters()]
    one.eval()
    GradientFlow().look(one, batch_of(1), step=0)
    assert all(np.array_equal(p.grad, g) and p.grad is a for p, g, a in zip(one.parameters(), grads, arrays))
    assert all(np.array_equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())
    assert not any(module.training for _, module in one.named_modules())


def test_every_parameter_has_a_stage():
    stages = {stage_of(name) for name, _ in tiny_model(heads=("box", "mask", "keypoint")).named_parameters()}
    assert stages == {
        *("stem", "stage 1", "stage 2", "stage 3", "stage 4", "pyramid", "RPN"),
        *("box head", "mask head", "keypoint head"),
    }
    assert {stage_of(name) for name, _ in tiny_model(kind="vgg", fpn="c4").named_parameters()} >= {"stem", "RPN"}


def test_in_words_and_as_series(looked):
    _, flow, shots = looked
    words = " ".join(str(flow).split())
    assert words.startswith("gradients of 5 losses, 3 looks, after steps 0 to 20 backbone: cosine")
    pairs = np.array([s.cosines("RPN")[0, 1] for s in shots])
    assert f"RPN: cosine {pairs.mean():+.2f} in the mean" in words
    assert f"{np.mean(pairs < -0.05):.0%} of all pairs" in words.split("RPN: ")[1]
    steps, lengths = flow.series("mask")["stage 2"]
    assert steps == [0, 10, 20] and lengths == [s.norms["stage 2"]["mask"] for s in shots]
    with pytest.raises(ArgumentError, match="loss must be one that was looked at; got 'odd'"):
        flow.series("odd")
    assert str(GradientFlow()) == "no gradient was looked at"


def test_a_batch_without_truth_is_refused():
    with pytest.raises(ArgumentError, match="batch must have targets"):
        GradientFlow().look(tiny_model(), dataclasses.replace(batch_of(), targets=None), step=0)
