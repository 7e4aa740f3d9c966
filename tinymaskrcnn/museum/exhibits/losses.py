"""Losses, and the ways gradients take."""

from ..exhibit import Exhibit

LOSSES = "ops/losses.py"

EXHIBITS = (
    Exhibit(
        name="misprinted-smooth-l1",
        title="Smooth L1 that jumps where it bends",
        edits=(
            (
                LOSSES,
                "element = bend * bend / (2 * beta) + (size - bend)",
                "element = xp.where(size < beta, bend * bend / (2 * beta), size)",
            ),
        ),
        origin="G. Schwalbe's handout on Mask R-CNN (2018): 0.5 d² below 1 and |d| above it. Fast R-CNN, equation "
        "3, says |d| - 0.5.",
        seen="The curve of the loss is a little too high. The gradient is right on both sides of the jump, so "
        "that training and gradient checks notice nothing.",
        view="smooth_l1",
    ),
    Exhibit(
        name="zero-times-nan",
        title="Both branches of a piecewise loss are computed, and multiplied by 0 or 1",
        edits=(
            (
                LOSSES,
                "slope = xp.sign(difference) if beta == 0 else xp.clip(difference, -beta, beta) / beta",
                "size = xp.abs(difference)\n"
                "    inside = (size < beta).astype(difference.dtype)\n"
                "    slope = inside * difference / max(beta, 1e-30) + (1 - inside) * (difference / size)",
            ),
        ),
        origin="The README of trzy's Faster R-CNN in TensorFlow, whose author saw NaN, clipped the gradients, "
        "reached a plateau near 50 mAP and never found the cause: 0 * NaN is NaN.",
        seen="NaN as soon as one prediction is exactly right, as on every row that is only padding.",
        view="slope",
    ),
    Exhibit(
        name="no-object-no-number",
        title="A mean over nothing",
        edits=(
            (
                LOSSES,
                "return array_module(weight).maximum(add(own) if add else own, 1)",
                "return add(own) if add else own",
            ),
            (LOSSES, "elif isinstance(normalizer, numbers.Real) and not normalizer > 0:", "elif False:"),
        ),
        origin="Pictures without objects, among the first issues of most implementations: the mean over no "
        "positive box is 0 / 0. (Here a guard at the door would say so; the patch takes it out as well.)",
        seen="Training runs for hours, until the first picture without an object makes every weight NaN.",
        view="empty_picture",
    ),
    Exhibit(
        name="mean-of-means",
        title="Every machine divides by its own count",
        edits=(
            (
                LOSSES,
                "return array_module(weight).maximum(add(own) if add else own, 1)",
                "return array_module(weight).maximum(own, 1)",
            ),
        ),
        origin="LibreYOLO, pull request 567: the mean over machines of means over their positives is not the "
        "mean over all positives, unless each has as many.",
        seen="Two machines learn another curve than one. Each of them for itself is right.",
        view="two_machines",
    ),
    Exhibit(
        name="equals-in-max-pooling",
        title="Overlapping windows overwrite each other's gradient",
        edits=(("ops/pool.py", "dpadded[:, rows, columns] += dy * winner", "dpadded[:, rows, columns] = dy * winner"),),
        origin="The usual homework on max pooling has windows that do not overlap, and passes it.",
        seen="With stride equal to the kernel: nothing. With the 3x3, stride 2 of a ResNet's stem, pixels "
        "lose all but their last gradient.",
        view="pool_gradient",
    ),
    Exhibit(
        name="gather-without-gradient",
        title="Crops send no gradient to the pyramid",
        edits=(
            (
                "models/roi_heads.py",
                "dpyramid = roi_align.pyramid_roi_align_backward(dcrops, c_align)",
                "dpyramid = [0 * d for d in roi_align.pyramid_roi_align_backward(dcrops, c_align)]",
            ),
        ),
        origin="tinygrad's mask_rcnn.py gathers pixels by an operation that has no gradient.",
        seen="All losses fall. The heads learn on features that only the RPN shapes, and stay worse than they "
        "could be.",
        view="pyramid_gradient",
    ),
    Exhibit(
        name="way-down-forgotten",
        title="The pyramid's backward forgets its way from top to bottom",
        edits=(
            (
                "models/backbones/fpn.py",
                "dlateral.append(dlevel + resize.upsample_nearest2d_backward(dlateral[-1], c))",
                "dlateral.append(dlevel)",
            ),
        ),
        origin="An array that goes to two users collects two gradients: the most frequent omission in backwards "
        "written by hand, and the `detach` too many in those that are not.",
        seen="Training works. Coarse levels learn only from the few large objects.",
        view="lateral_gradient",
    ),
    Exhibit(
        name="masks-compete",
        title="A softmax over classes where every class should have a mask of its own",
        edits=(("models/heads/mask_variants.py", '"per_class": MaskHead,', '"per_class": SoftmaxMaskHead,'),),
        origin="Semantic segmentation's habit. Mask R-CNN, table 2b: a sigmoid for each class is worth 5.5 "
        "points of mask AP, because the box head already says which class it is.",
        seen="Masks have holes where another class might be.",
        view="competing_masks",
    ),
    Exhibit(
        name="keypoint-between-cells",
        title="The cell of a keypoint is rounded, not cut off",
        edits=(
            (
                "targets/keypoint.py",
                "cell = xp.floor((place - low) * (1 / (high - low) * size))",
                "cell = xp.round((place - low) * (1 / (high - low) * size))",
            ),
        ),
        origin="Detectron's keypoints_to_heatmap_labels and Heckbert's `What are the coordinates of a pixel?` "
        "(1990): a place is turned into a cell by floor, and back by + 0.5. matterport's issue 2 is a "
        "cousin: a resized one-hot mask has two ones or none.",
        seen="All keypoints are found half a cell too far to the lower right.",
        view="keypoint_cell",
    ),
)
