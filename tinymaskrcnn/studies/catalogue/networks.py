"""What looks at the picture: the parts of the pyramid, the depth of the network, what it knew before."""

from ..question import Arm, Question

SIZES = {"scenes.image_size": 128, "scenes.digit_size": (12, 80), "scenes.max_overlap": 0.3}
MANY_SIZES = SIZES | {
    "model.rpn.anchor_sizes": ((12,), (20,), (32,), (52,), (80,)),
    "model.roi.canonical_size": 28.0,
}
ALL_ON_ONE = {"model.rpn.anchor_sizes": ((12, 20, 32, 52, 80),)}
START = 150  # steps in which the backbone names single digits


def _steps(count):
    """Random, pretrained and frozen, after a training of so many steps."""
    steps = {"train.steps": count, "train.warmup_steps": 30}
    frozen = steps | {"train.frozen_stages": 4}
    random = f"random, {count} steps"
    return (
        Arm(random, steps),
        Arm(f"pretrained, {count} steps", steps, pretrained=START, expect="higher", against=random, published="faster"),
        Arm(
            f"frozen, {count} steps",
            frozen,
            pretrained=START,
            expect="lower",
            against=random,
            published="lower in the end",
        ),
    )


QUESTIONS = (
    Question(
        name="fpn_parts",
        title="What does each part of the pyramid do?",
        settings=MANY_SIZES,
        arms=(
            Arm("whole pyramid", {"model.backbone.fpn": "full"}),
            Arm(
                "nothing comes down",
                {"model.backbone.fpn": "no_top_down"},
                expect="lower",
                published="24.9 against 33.9 AP",
            ),
            Arm(
                "nothing goes across",
                {"model.backbone.fpn": "no_lateral"},
                expect="lower",
                published="31.3 against 33.9 AP",
            ),
            Arm("P2 alone", {"model.backbone.fpn": "p2"} | ALL_ON_ONE, expect="null", published="33.4 against 33.9 AP"),
        ),
        measure="bbox.AP",
        effect=0.03,
        published="FPN, table 2 (Fast R-CNN on fixed proposals): 33.9 AP; bottom-up alone 24.9; no lateral 31.3; P2 "
        "alone 33.4.",
        why="Digits of 12 to 80 pixels in one scene, so that every level has something to find. With 20 to 36 pixels "
        "all tie.",
    ),
    Question(
        name="fpn_small",
        title="Who needs the pyramid most: the small ones?",
        settings=MANY_SIZES,
        arms=(
            Arm("whole pyramid", {"model.backbone.fpn": "full"}),
            Arm(
                "nothing comes down",
                {"model.backbone.fpn": "no_top_down"},
                expect="lower",
                published="30.5 against 44.9",
            ),
            Arm(
                "nothing goes across",
                {"model.backbone.fpn": "no_lateral"},
                expect="lower",
                published="26.5 against 44.9",
            ),
            Arm("P2 alone", {"model.backbone.fpn": "p2"} | ALL_ON_ONE, expect="lower", published="35.1 against 44.9"),
        ),
        measure="bbox.ARsmall",
        effect=0.05,
        published="FPN, table 1: AR1k of small objects 44.9; bottom-up alone 30.5; no lateral 26.5; P2 alone 35.1.",
        why="The same trainings; the measure is the recall of digits whose mask is below 24 x 24 pixels.",
    ),
    Question(
        name="depth",
        title="Is a deeper backbone better where there is little to learn from?",
        settings={"train.train_scenes": 200},
        arms=(
            Arm("one block a stage", {"model.backbone.depths": (1, 1, 1, 1)}),
            Arm("two blocks a stage", {"model.backbone.depths": (2, 2, 2, 2)}, expect="null", published="about equal"),
        ),
        measure="bbox.AP",
        effect=0.03,
        published="Mask R-CNN, section 5 (Cityscapes, 2,975 pictures): ResNet-101 is about as good as ResNet-50.",
        why="200 scenes again and again. A digit is a simple thing, and the deeper network has as many steps only.",
    ),
    Question(
        name="pretraining",
        title="Does the detector learn with a random, a pretrained, a frozen backbone, and how fast?",
        arms=(*_steps(75), *_steps(150), *_steps(300)),
        measure="bbox.AP",
        effect=0.03,
        published="R-CNN and all its heirs start from ImageNet; He et al. 2019 (Rethinking ImageNet pre-training): "
        "random catches up.",
        why=f"The backbone has named cut-out digits, and windows without one, for {START} steps. Each length is a "
        "training of its own, with its own schedule.",
    ),
)
