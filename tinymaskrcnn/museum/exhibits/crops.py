"""Boxes, and how crops are cut out of feature maps."""

from ..exhibit import Exhibit

POINTS = "ops/roi_samples.py"

EXHIBITS = (
    Exhibit(
        name="rounded-roi",
        title="RoIAlign rounds the box to whole pixels before it reads",
        edits=(
            (
                POINTS,
                "start, end = start[:, None, None] * scale, end[:, None, None] * scale",
                "start, end = xp.round(start[:, None, None] * scale), xp.round(end[:, None, None] * scale)",
            ),
        ),
        origin="The first of RoIPool's two roundings (Fast R-CNN, section 2.1). Mask R-CNN (section 3 and table "
        "2c) found that taking it away is worth 3 points of mask AP at stride 16, and more at AP75.",
        seen="Training works, boxes are good; masks are a little beside their objects, the more the larger the stride.",
        view="crop",
    ),
    Exhibit(
        name="half-a-pixel",
        title="RoIAlign forgets that the centre of a pixel lies at one half",
        edits=(
            (POINTS, "position = (start - (0.5 if aligned else 0)) + along * size", "position = start + along * size"),
        ),
        origin="The RoIAlign of Detectron and of torchvision's default, aligned=False. Detectron2 made "
        "aligned=True its own and tells the story in the docstring of its ROIAlign layer.",
        seen="Every crop is moved half a pixel of the map to the lower right: 8 pixels of the picture at stride 16.",
        view="crop",
    ),
    Exhibit(
        name="corners-of-crop-and-resize",
        title="Samples lie at the corners of the crop instead of inside its bins",
        edits=(
            (
                POINTS,
                "along = (bin_start + (point + 0.5) / xp.maximum(count, 1)) / bins  # (K, S, n)",
                "along = (bin_start * count + point) / xp.maximum(bins * count - 1, 1)",
            ),
        ),
        origin="TensorFlow's crop_and_resize, which matterport's Mask R-CNN uses for RoIAlign: the outermost "
        "samples sit on the edges of the box. tensorpack's FasterRCNN corrects for it and explains why "
        "in its crop_and_resize.",
        seen="Crops are stretched by one sample: nothing at the centre, half a bin at the rim.",
        view="crop",
    ),
    Exhibit(
        name="x-and-y-swapped",
        title="Rows are read where columns are meant",
        edits=(
            (
                POINTS,
                "x1, y1, x2, y2 = rois[:, 0], rois[:, 1], rois[:, 2], rois[:, 3]",
                "y1, x1, y2, x2 = rois[:, 0], rois[:, 1], rois[:, 2], rois[:, 3]",
            ),
        ),
        origin="The note in DenseCap's BoxToAffine.lua on (x, y) against (y, x) in the affine grid; the same in "
        "every port between a library that says x, y and one that says y, x (crop_and_resize again).",
        seen="Nothing, on boxes whose corners lie on the diagonal: all tests with square boxes there pass.",
        view="crop",
    ),
    Exhibit(
        name="one-cell-too-short",
        title="RoIPool leaves the last cell of every box out",
        edits=(
            (
                "ops/roi_pool.py",
                "size = xp.maximum(_nearest(end * float(scale))[:, None] - start + 1, 1)",
                "size = xp.maximum(_nearest(end * float(scale))[:, None] - start, 1)",
            ),
        ),
        origin="szagoruyko/imagine-nn, pull request 17: at stride 16 every box was read 16 pixels too small.",
        seen="AP is a little lower than published, and only at the end of a long training.",
        view="roi_pool",
    ),
    Exhibit(
        name="rounded-forward-smooth-backward",
        title="RoIWarp rounds its box forward, and backward knows nothing of it",
        edits=(
            (
                "ops/roi_warp.py",
                "start, end = (edge[:, None, None] * scale - (0.5 if aligned else 0) for edge in (start, end))",
                "start, end = (xp.round(edge[:, None, None] * scale) for edge in (start, end))",
            ),
        ),
        origin="roi_warping_layer.cu of caffe-mnc (Dai, He and Sun 2016), against the formula of its own paper.",
        seen="Training works. The gradient for the box is that of a function which was never computed.",
        view="moving_edge",
    ),
    Exhibit(
        name="plus-one",
        title="A box from 3 to 5 is 3 pixels wide",
        edits=(
            (
                "ops/boxes.py",
                "return xp.maximum(x2 - x1, 0) * xp.maximum(y2 - y1, 0)",
                "return xp.maximum(x2 - x1 + 1, 0) * xp.maximum(y2 - y1 + 1, 0)",
            ),
        ),
        origin="The `+ 1` of py-faster-rcnn's boxes, in which corners are pixels and not edges. Mixed with "
        "continuous coordinates it gives areas that do not fit the intersections; Detectron2 took every "
        "one of them out.",
        seen="IoUs of small boxes are too small, so that small objects have fewer positive anchors. A box's "
        "IoU with itself is below 1.",
        view="iou",
    ),
    Exhibit(
        name="growth-without-a-limit",
        title="decode lets exp grow as it likes",
        edits=(
            ("ops/boxes.py", "w = aw * xp.exp(xp.minimum(dw / ww, clamp))", "w = aw * xp.exp(dw / ww)"),
            ("ops/boxes.py", "h = ah * xp.exp(xp.minimum(dh / wh, clamp))", "h = ah * xp.exp(dh / wh)"),
        ),
        origin="The reason for BBOX_XFORM_CLIP = log(1000 / 16) in Detectron; a frequent question of users "
        "whose loss became NaN early in training.",
        seen="Nothing in a healthy network. After a learning rate that is too high: inf, then NaN, and no "
        "message where.",
        view="growth",
    ),
    Exhibit(
        name="level-by-rounding",
        title="RoIs go to the nearest level of the pyramid instead of the one below",
        edits=(
            (
                "models/roi_heads.py",
                "level = xp.floor(canonical_level + xp.log2(side / canonical_size) + 1e-6)",
                "level = xp.round(canonical_level + xp.log2(side / canonical_size) + 1e-6)",
            ),
        ),
        origin="matterport's PyramidROIAlign rounds; the paper (FPN, equation 1) and torchvision take the "
        "floor. With a canonical size of 224 a RoI of 160 pixels goes to P4 instead of P3.",
        seen="Own training works as well. Weights from elsewhere lose a little: a third of all RoIs is read "
        "one level too coarse.",
        view="levels",
    ),
    Exhibit(
        name="ratio-upside-down",
        title="Wide anchors where tall ones are meant",
        edits=(
            ("ops/anchors.py", "widths = (1 / stretch * sizes).reshape(-1)", "widths = (stretch * sizes).reshape(-1)"),
            (
                "ops/anchors.py",
                "heights = (stretch * sizes).reshape(-1)",
                "heights = (1 / stretch * sizes).reshape(-1)",
            ),
        ),
        origin="torchvision's ratio is height / width, that of most other libraries width / height. With ratios "
        "1/2, 1, 2 the set of anchors is the same, and only their order is wrong.",
        seen="Own training works. Weights from elsewhere find nothing but squares: every delta belongs to "
        "another anchor.",
        view="anchors",
    ),
)
