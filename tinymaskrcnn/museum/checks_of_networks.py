"""Checks that build something: a block, a head, a small network and, at the end, a short training."""

import numpy as np

from . import subjects


def every_pixel_counts(package):
    """No pixel is without influence on what a block of stride 2 says."""
    rng = np.random.default_rng(0)
    options = {"stride": 2, "norm": "group", "norm_eps": 1e-5, "rng": rng}
    branch = package.models.backbones.bottleneck.bottleneck_branch(4, 16, **options).astype(np.float64)
    y, cache = branch.forward(rng.normal(size=(1, 8, 8, 4)))
    read = np.abs(branch.backward(rng.normal(size=y.shape), cache)).sum(axis=(0, 3)) > 0
    assert read.all(), f"a bottleneck of stride 2 reads {read.sum()} of {read.size} pixels"


def heads_say_anything(package):
    """A new head says negative numbers and positive ones: nothing cuts its outputs off."""
    rng = np.random.default_rng(0)
    rpn = package.models.rpn.RPNHead(8, 3, rng=rng).astype(np.float64)
    predictor = package.models.heads.box.BoxPredictor(8, 3, rng=rng).astype(np.float64)
    said, _ = rpn.forward(rng.normal(size=(1, 8, 8, 8)))
    both, _ = predictor.forward(rng.normal(size=(40, 8)))
    for name, values in zip(("RPN logits", "RPN deltas", "class scores", "box deltas"), (*said, *both)):
        below = float((values < 0).mean())
        assert 0.02 < below < 0.98, f"{name}: {below:.0%} are negative"


def detections_by_hand(package):
    """Three sure boxes: their labels begin at 1, two classes on one place both stay, two boxes of one class do not."""
    proposals = np.array([[[10.0, 10, 40, 30], [12, 11, 41, 31], [11, 10, 41, 30]]])
    logits = np.log(np.array([[0.05, 0.9, 0.05], [0.1, 0.1, 0.8], [0.1, 0.2, 0.7]]))
    config = package.config.RoIConfig(score_threshold=0.3, nms_iou=0.5, detections_per_image=5)
    found = package.models.postprocess.detections_from_boxes(
        logits, np.zeros((3, 3, 4)), proposals, np.ones((1, 3), bool), config, sizes=np.array([[64, 64]])
    )
    boxes, labels, _, valid = (array[0] for array in found)
    said = labels[valid].tolist()
    assert said == [1, 2], f"a sure 1 and two sure 2s on one place became {said}"
    assert np.abs(boxes[valid] - proposals[0, :2]).max() < 1e-6, "deltas of 0 moved a box"


def masks_lie_in_their_boxes(package):
    """A mask that fills its crop fills its box, also in a picture twice as large as the network saw."""
    model = subjects.small_network(package)
    box, said = np.array([[6.0, 8, 20, 24]], np.float32), {"mask": np.ones((1, 8, 8), np.float32)}
    found = package.models.found.Found(box, np.array([1]), np.array([0.9], np.float32), None, said)
    where = {"old": (32, 32), "new": (64, 64), "paste": package.models.postprocess.paste_masks}
    report = {}
    for head in model.roi_heads.heads.values():
        report |= head.report(found, **where)
    rows, columns = np.nonzero(report["masks"][0])
    covered = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] if len(rows) else []
    wanted = (2 * box[0]).tolist()
    near = len(covered) == 4 and np.abs(np.array(covered) - wanted).max() <= 1
    assert near, f"the mask of the box {wanted} covers {[int(v) for v in covered]}"


def masks_stand_alone(package):
    """What a mask head says of class 1 does not change with what it would say of class 2."""
    model, (images, _) = subjects.small_network(package), subjects.scene(package, (1,))
    head = model.eval().roi_heads.heads["mask"]
    pyramid, _ = model.backbone.forward(images - 0.5)
    before = subjects.mask_of_first_class(package, model, pyramid)
    head.predictor.mask_fcn_logits.bias.value[2] += 3
    after = subjects.mask_of_first_class(package, model, pyramid)
    off = float(np.abs(after - before).max())
    assert off == 0, f"a mask of class 1 changes by {off:.2g} when class 2 is surer"


def proposals_fill_their_number(package):
    """An RPN ranks: it hands on as many boxes as it is asked for, however unsure it is of all of them."""
    model, (images, _) = subjects.small_network(package), subjects.scene(package, (1,))
    model.eval().rpn.head.cls_logits.bias.value[...] = -8
    _, unsure = subjects.proposals_of(package, model, images)
    model.rpn.head.cls_logits.bias.value[...] = 8
    _, sure = subjects.proposals_of(package, model, images)
    assert sure.sum() == unsure.sum() > 0, f"{unsure.sum()} proposals when unsure, {sure.sum()} when sure"


def proposals_are_data(package):
    """What the heads lose says nothing to the RPN: it learns from its own losses."""
    said = subjects.said_to_rpn(package)
    heads = {name: said[name] for name in said if not name.startswith("rpn_")}
    assert said["rpn_box"] > 0, "the RPN's box loss says nothing to its deltas"
    moving = [f"{name} ({size:.2g})" for name, size in heads.items() if size != 0]
    assert not moving, f"these losses of the heads move the RPN's boxes: {', '.join(moving)}"


def pictures_stand_alone(package):
    """Proposals and detections of a picture are the same alone and beside another one."""
    model, (images, _) = subjects.small_network(package), subjects.scene(package, (2, 1))
    model.eval()
    images[1] *= 3
    alone = subjects.proposals_of(package, model, images[:1])
    beside = subjects.proposals_of(package, model, images)
    assert alone[1].sum() == beside[1][0].sum(), "another picture changes how many proposals there are"
    assert np.abs(alone[0][0] - beside[0][0])[alone[1][0]].max(initial=0) < 1e-3, "another picture changes proposals"
    (one,), (other, _) = model.detect(images[:1]), model.detect(images)
    same = one.scores.shape == other.scores.shape and np.abs(one.scores - other.scores).max(initial=0) < 1e-4
    assert same, "another picture changes what is detected"


def pictures_without_objects(package):
    """A step on pictures without an object has finite losses and gradients, and none for boxes and masks."""
    model, (images, targets) = subjects.small_network(package), subjects.scene(package, (0, 0))
    with np.errstate(all="ignore"):
        losses, cache = model.forward(images, targets=targets, rng=np.random.default_rng(0))
        model.backward({name: 1.0 for name in losses}, cache)
    wrong = [name for name, loss in losses.items() if not np.isfinite(loss)]
    assert not wrong, f"without an object {', '.join(wrong)} is no number"
    grads = [name for name, p in model.named_parameters() if not np.isfinite(p.grad).all()]
    assert not grads, f"without an object {len(grads)} gradients are no numbers, {grads[0]} first"
    off = sum(float(losses[name]) for name in ("rpn_box", "box_delta", "mask"))
    assert off == 0, f"without an object boxes and masks lose {off:.2g}"


def gradient_harness(package):
    """Every backward against differences of its forward, by the package's own harness: nine pairs and layers."""
    from_harness = package.testing.gradients.check_gradients
    for name, case in subjects.gradient_cases(package).items():
        try:
            from_harness(case)
        except AssertionError as error:
            raise AssertionError(f"{name}: {str(error).splitlines()[0]}") from None


def overfits_two_pictures(package):
    """Twenty-four steps on two pictures bring the sum of the losses to a quarter."""
    told = subjects.losses_of(package)
    assert np.isfinite(told).all(), f"a loss is no number from step {int(np.argmin(np.isfinite(told)))} on"
    assert np.mean(told[-3:]) < 0.25 * told[0], f"from {told[0]:.2f} to {np.mean(told[-3:]):.2f} in {len(told)} steps"


CHECKS = (
    *(every_pixel_counts, heads_say_anything, detections_by_hand, masks_lie_in_their_boxes, masks_stand_alone),
    *(proposals_fill_their_number, proposals_are_data, pictures_stand_alone, pictures_without_objects),
    *(overfits_two_pictures, gradient_harness),
)
