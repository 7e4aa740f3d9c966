"""How a box becomes a crop: the operator, the map that it reads, where its samples lie."""

from ..question import Arm, Question

ONE_MAP = {  # as it was before the pyramid: one map at stride 16, and the last stage of the ResNet on every crop
    "model.backbone.fpn": "c4",
    "model.rpn.anchor_sizes": ((24, 36, 54),),
    "model.roi.box_norm": "batch",
    "model.roi.samples_per_image": 16,
    "scenes.image_size": 128,
    "scenes.digit_size": (32, 56),
    "scenes.digits_per_image": (1, 3),
    "train.steps": 900,  # before it finds anything
}

QUESTIONS = (
    Question(
        name="roi_operator",
        title="Does it matter how a crop is cut from a coarse map?",
        settings=ONE_MAP,
        arms=(
            Arm("RoIAlign", {"model.roi.pooling": "align"}),
            Arm("RoIPool", {"model.roi.pooling": "pool"}, expect="lower", published="mask AP75 26.4 against 31.5"),
            Arm("RoIWarp", {"model.roi.pooling": "warp"}, expect="null", published="mask AP 27.2 against 30.2"),
            Arm("PrRoIPool", {"model.roi.pooling": "prroi"}, expect="null", published="a little above RoIAlign"),
        ),
        measure="segm.AP75",
        effect=0.03,
        published="Mask R-CNN, table 2c (stride 16): RoIPool 26.9 mask AP, RoIWarp 27.2, RoIAlign 30.2; IoU-Net for "
        "PrRoIPool.",
        why="One map at stride 16, digits of 32 to 56 pixels: a rounded edge is off by up to 8 pixels, a fifth of one. "
        "RoIWarp here does not round its corners, as its published code did, so it should do as well as RoIAlign.",
    ),
    Question(
        name="roi_operator_pyramid",
        title="And on a pyramid, whose finest map has stride 4?",
        arms=(
            Arm("RoIAlign", {"model.roi.pooling": "align"}),
            Arm("RoIPool", {"model.roi.pooling": "pool"}, expect="lower", published="mask AP 1.5 lower, box AP 0.5"),
        ),
        measure="segm.AP75",
        effect=0.03,
        published="Mask R-CNN, section 4.2: with a pyramid RoIAlign gains 1.5 mask AP and 0.5 box AP, a third of "
        "what it gains at stride 16.",
        why="A rounded edge is off by 2 pixels where strokes are four wide: less than at stride 16, and still half a "
        "stroke.",
    ),
    Question(
        name="roi_aligned",
        title="Half a pixel: does RoIAlign have to be aligned with the pixels' centres?",
        arms=(
            Arm("aligned", {"model.roi.aligned": True}),
            Arm(
                "not aligned", {"model.roi.aligned": False}, expect="lower", published="kept for old models; no figure"
            ),
        ),
        measure="segm.AP75",
        effect=0.05,
        published="detectron2 added `aligned`, and says that it hardly changes COCO's AP; torchvision's models go "
        "without.",
        why="Half a cell of a map of stride 4 is 2 pixels of a digit of 28, and 2 of COCO's are little. Expected is "
        "a loss.",
    ),
    Question(
        name="roi_samples",
        title="How many points does a bin of RoIAlign need?",
        arms=(
            Arm("2 x 2", {"model.roi.sampling_ratio": 2}),
            Arm("1 x 1", {"model.roi.sampling_ratio": 1}, expect="null", published="nearly as effective"),
        ),
        measure="segm.AP75",
        effect=0.03,
        published="Mask R-CNN, section 3: results are not sensitive to how many points are sampled, as long as "
        "nothing is rounded.",
        why="Bins of these crops are about a cell wide.",
    ),
)
