"""Where to look: how proposals are made, thinned out and ordered."""

from ..question import Arm, Question

BOXES_ONLY = {"model.system": "faster_rcnn"}
FEW = {"model.rpn.post_nms_top_n": (128, 10)}  # so few that their order matters

QUESTIONS = (
    Question(
        name="proposal_method",
        title="Who says where to look?",
        settings={"train.train_scenes": 100, "model.proposals.most": 64},
        arms=(
            Arm("a network", BOXES_ONLY | {"model.roi.pooling": "pool"}),
            Arm("selective search", {"model.system": "fast_rcnn"}, expect="null", published="58.7 against 59.9 mAP"),
            Arm(
                "sliding windows",
                {"model.system": "fast_rcnn", "model.proposals.method": "sliding_window"},
                expect="lower",
                published="53.9 against 58.7 mAP",
                against="selective search",
            ),
        ),
        measure="bbox.AP",
        effect=0.05,
        published="Faster R-CNN, table 2 (ZF, VOC 2007): 59.9 mAP with an RPN that shares layers, 58.7 with "
        "selective search; "
        "table 10: dense windows 53.8 and 53.9 on one and five scales.",
        why="The same heads, at most 64 boxes a picture. Digits on black are easy to propose without a network.",
    ),
    Question(
        name="proposal_scores",
        title="Does it matter that proposals have scores?",
        settings=BOXES_ONLY,
        arms=(
            Arm("learned scores", test=FEW),
            Arm(
                "scores from before training",
                test=FEW,
                untrained=("rpn.head.cls_logits",),
                expect="lower",
                published="44.6 against 55.1",
            ),
        ),
        measure="bbox.AP",
        effect=0.05,
        published="Faster R-CNN, table 2: with 100 proposals 55.1 mAP, and 44.6 without scores; with 1,000 hardly a "
        "difference.",
        why="10 proposals a picture are used, as the order of scores that know nothing has them. The detector is the "
        "same.",
        after="The scores did know something: the layer below them, which has learned where digits are, stayed as it "
        "was. On black it says next to nothing, and of three random sums a cell, one an anchor, some are large where "
        "it speaks: 10 proposals still cover 85 to 95 % of the digits by half. The paper drew by lot; ours is not.",
    ),
    Question(
        name="proposal_boxes",
        title="Does it matter that proposals are moved?",
        settings=BOXES_ONLY,
        arms=(
            Arm("moved anchors", test=FEW),
            Arm(
                "anchors where they were",
                test=FEW,
                untrained=("rpn.head.bbox_pred",),
                expect="lower",
                published="52.1 against 56.8",
            ),
        ),
        measure="bbox.AP75",
        effect=0.05,
        published="Faster R-CNN, table 2: 52.1 mAP without the regression of boxes, 56.8 with it (300 proposals).",
        why="The boxes of the RPN are set back to what they said before training: next to nothing. The detector is "
        "the same.",
    ),
    Question(
        name="proposal_nms",
        title="Do proposals have to be thinned out?",
        settings=BOXES_ONLY,
        arms=(
            Arm("NMS at 0.7", test=FEW),
            Arm(
                "no NMS",
                test=FEW | {"model.rpn.nms_iou": 1.0},
                expect="lower",
                published="55.2 (6,000 boxes) against 56.8",
            ),
        ),
        measure="bbox.AP",
        effect=0.03,
        published="Faster R-CNN, table 2: 6,000 proposals without NMS 55.2 mAP, 300 with it 56.8: it does no harm.",
        why="10 proposals a picture are used: without NMS many of them are one digit's. The detector is the same.",
    ),
    Question(
        name="proposal_count",
        title="How many proposals does a test need?",
        settings=BOXES_ONLY,
        arms=(
            Arm("64"),
            Arm(
                "20",
                test={"model.rpn.post_nms_top_n": (128, 20)},
                expect="null",
                published="55.1 (100) against 56.8 (300)",
            ),
            Arm("5", test={"model.rpn.post_nms_top_n": (128, 5)}, expect="lower", published=""),
        ),
        measure="bbox.AP",
        effect=0.03,
        published="Faster R-CNN, table 2: 55.1 mAP with 100 proposals, 56.8 with 300, 56.3 with 1,000.",
        why="Scenes hold one to four digits. The detector is the same.",
    ),
    Question(
        name="anchors",
        title="How many shapes of anchors?",
        settings=BOXES_ONLY,
        arms=(
            Arm("ratios 1, 1.5, 2", {"model.rpn.anchor_ratios": (1.0, 1.5, 2.0)}),
            Arm("ratio 1.5", {"model.rpn.anchor_ratios": (1.5,)}, expect="null", published="69.8 against 69.9 mAP"),
            Arm(
                "ratios 0.5, 1, 2",
                {"model.rpn.anchor_ratios": (0.5, 1.0, 2.0)},
                expect="lower",
                published="the papers' ratios",
            ),
        ),
        measure="bbox.AP",
        effect=0.03,
        published="Faster R-CNN, table 8 (VGG-16), at three scales: 69.8 mAP with one ratio, 69.9 with three; with "
        "one scale and ratio 65.8.",
        why="Digits are tall: the papers' ratios fit a fifth of them, where those of the first arm fit three quarters.",
    ),
)
