"""What a mask is, how it is learned, and how it is ranked."""

from ..question import Arm, Question

OVERLAPPING = {"scenes.max_overlap": 0.6, "scenes.digits_per_image": (3, 6), "scenes.min_visible": 0.3}
SCORED = {"model.system": "mask_scoring_rcnn", "model.roi.mask_iou_widths": (16, 16, 16, 16)}

QUESTIONS = (
    Question(
        name="mask_loss",
        title="Should the classes of a mask compete for its pixels?",
        # After 300 steps no class of a softmax has more than a half of any pixel: masks that are empty answer nothing.
        settings=OVERLAPPING | {"train.steps": 900},
        arms=(
            Arm("sigmoid for each class", {"model.roi.mask_kind": "per_class"}),
            Arm(
                "softmax over classes",
                {"model.roi.mask_kind": "softmax"},
                expect="lower",
                published="24.8 against 30.3",
            ),
        ),
        measure="segm.AP",
        effect=0.02,
        published="Mask R-CNN, table 2b: 24.8 mask AP with a softmax over classes, 30.3 with a sigmoid for each (C4).",
        why="Digits of different classes lie on each other, up to 60 % of a box: there a softmax has to say whose "
        "pixel it is.",
        after="After three times the steps of other questions the softmax still has no mask that counts. Its mask loss "
        "stands at 1.32. Who tells ink from paper, and no digit from another, pays 0.52 ln 10 = 1.20 for that alone, "
        "since 0.52 of the pixels of a box are ink: so it has learned where ink is, and next to nothing of whose. A "
        "sigmoid leaves whose it is to the box head, which knows it by then, and its mask loss is 0.28.",
    ),
    Question(
        name="mask_head",
        title="Does a mask need convolutions to the end?",
        arms=(
            Arm("convolutions", {"model.roi.mask_kind": "per_class"}),
            Arm(
                "fully connected",
                {"model.roi.mask_kind": "fc", "model.roi.mask_widths": (64, 64)},
                expect="lower",
                published="31.5 against 33.6",
            ),
        ),
        measure="segm.AP",
        effect=0.02,
        published="Mask R-CNN, table 2e: 31.5 mask AP with two fully connected layers, 33.6 with convolutions (FPN).",
        why="A vector of 64 numbers has to hold a whole mask of 28 x 28.",
    ),
    Question(
        name="mask_agnostic",
        title="One mask for each class, or one for all?",
        arms=(
            Arm("for each class", {"model.roi.mask_kind": "per_class"}),
            Arm("for all", {"model.roi.mask_kind": "agnostic"}, expect="null", published="29.7 against 30.3"),
        ),
        measure="segm.AP",
        effect=0.02,
        published="Mask R-CNN, section 4.2: class-agnostic masks have 29.7 mask AP, masks for each class 30.3: "
        "nearly as effective.",
        why="Ink is ink, whichever digit it is. One mask sees ten times the examples, so it may even learn faster.",
    ),
    Question(
        name="mask_resolution",
        title="Are crops of 14 x 14, and masks of 28 x 28, needed?",
        arms=(
            Arm("28 x 28", {"model.roi.mask_size": 14}),
            Arm("14 x 14", {"model.roi.mask_size": 7}, expect="lower", published="not in the paper"),
        ),
        measure="segm.AP75",
        effect=0.03,
        published="Mask R-CNN, figure 4, chose 28 x 28 for the pyramid and 14 x 14 for C4; users of matterport's "
        "code found 56 x 56 no better.",
        why="A stroke of a digit is then two cells of a mask wide instead of four.",
    ),
    Question(
        name="mask_scoring",
        title="Should masks be ranked by how well they fit?",
        settings=SCORED | OVERLAPPING,
        arms=(
            Arm("ranked by the class", measure="segm_by_class.APhigh"),
            Arm(
                "ranked by predicted IoU",
                measure="segm.APhigh",
                expect="higher",
                published="mask AP 1.5 higher, AP75 2",
            ),
            Arm(
                "ranked by true IoU", measure="segm_by_truth.APhigh", expect="higher", published="the ceiling: 2.2 more"
            ),
        ),
        measure="segm.APhigh",
        effect=0.01,
        seeds=5,
        published="Mask Scoring R-CNN, tables 1 and 6: 34.2 to 35.6 mask AP (R50-FPN), 2.2 more if the IoU were "
        "known (R18-FPN).",
        why="Overlap makes masks that differ in quality where the class is equally sure. The same masks are ranked "
        "three times; "
        "the measure is the mean of AP75 to AP90. Where the ceiling is not above the first arm, no ranking can help.",
    ),
    Question(
        name="mask_scores_agree",
        title="Do the scores of masks know how good the masks are?",
        settings=SCORED | OVERLAPPING,
        arms=(
            Arm("the class's score", measure="mask_scores.class_score"),
            Arm("the mask's score", measure="mask_scores.mask_score", expect="higher", published="correlation 0.74"),
        ),
        measure="mask_scores.mask_score",
        effect=0.1,
        seeds=5,
        published="Mask Scoring R-CNN, figure 2 and section 4: predicted and true IoU correlate by 0.74; class "
        "scores hardly do.",
        why="The measure is Spearman's rank correlation of a score with the IoU of its mask, over all digits that "
        "were found.",
    ),
)
