"""What R-CNN and Fast R-CNN found out about crops, negatives and the machines on top."""

from ..question import Arm, Question

RCNN = {
    "model.system": "rcnn",
    "train.train_scenes": 60,
    "train.eval_scenes": 50,
    "model.proposals.most": 64,
    "model.rcnn.warp_size": 32,
    "model.rcnn.context": 3,
}
FAST = {"model.system": "fast_rcnn", "train.train_scenes": 100, "model.proposals.most": 64}

QUESTIONS = (
    Question(
        name="rcnn_classifier",
        title="Support vector machines, or the softmax that the network learned by?",
        settings=RCNN,
        arms=(
            Arm("SVMs"),
            Arm(
                "softmax", test={"model.rcnn.classifier": "softmax"}, expect="lower", published="50.9 against 54.2 mAP"
            ),
        ),
        measure="bbox.AP",
        effect=0.03,
        published="R-CNN, appendix B: 50.9 mAP with the softmax, 54.2 with SVMs (VOC 2007); Fast R-CNN, table 8: the "
        "softmax is 0.1 to 0.8 better.",
        why="The network is the same. R-CNN's explanation is the definition of positives and negatives, not the "
        "machine.",
    ),
    Question(
        name="rcnn_negatives",
        title="Which boxes are negatives of a machine?",
        settings=RCNN,
        arms=(
            Arm("IoU below 0.3"),
            Arm("IoU below 0.5", {"model.rcnn.svm_negative_iou": 0.5}, expect="lower", published="5 mAP lower"),
            Arm("IoU of 0", {"model.rcnn.svm_negative_iou": 1e-3}, expect="lower", published="4 mAP lower"),
        ),
        measure="bbox.AP",
        effect=0.03,
        published="R-CNN, section 2.3: an IoU of 0.5 costs 5 mAP, one of 0 costs 4.",
        why="Positives are the objects alone; what lies between does not count.",
    ),
    Question(
        name="rcnn_context",
        title="Should a crop show what surrounds the box?",
        settings=RCNN,
        arms=(
            Arm("3 of 32 pixels on each side", {"model.rcnn.context": 3}),
            Arm("nothing around", {"model.rcnn.context": 0}, expect="lower", published="3 to 5 mAP lower"),
        ),
        measure="bbox.AP",
        effect=0.03,
        published="R-CNN, appendix A: 16 of 227 pixels of context are worth 3 to 5 mAP.",
        why="Without it a box that cuts a digit and one that fits it may look alike.",
    ),
    Question(
        name="rcnn_regression",
        title="Does it pay to move the boxes at last?",
        settings=RCNN,
        arms=(
            Arm("moved"),
            Arm("as proposed", test={"model.rcnn.regress": False}, expect="lower", published="54.2 against 58.5 mAP"),
        ),
        measure="bbox.AP75",
        effect=0.03,
        published="R-CNN, appendix C: a ridge for each class lifts 54.2 to 58.5 mAP (VOC 2007).",
        why="Regions of digits on black have true edges already, so there is less to gain than in photographs.",
    ),
    Question(
        name="fast_negatives",
        title="Should background overlap an object a little?",
        settings=FAST,
        arms=(
            Arm("IoU of 0.1 to 0.5", {"model.roi.negative_low": 0.1}),
            Arm(
                "IoU of 0 to 0.5",
                {"model.roi.negative_low": 0.0},
                expect="null",
                published="no figure; Faster R-CNN took 0",
            ),
        ),
        measure="bbox.AP",
        effect=0.03,
        published="Fast R-CNN, section 2.3, takes background from 0.1 on, as a kind of hard mining; Faster R-CNN's "
        "code goes back to 0.",
        why="With 64 proposals a picture most background is near an object anyhow.",
    ),
)
