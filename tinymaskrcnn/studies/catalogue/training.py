"""How the parts learn: at once or in turns, with which gradients, and which tasks."""

from ..question import Arm, Question

QUESTIONS = (
    Question(
        name="procedure",
        title="Learn all at once, or in four steps that take turns?",
        settings={"model.system": "faster_rcnn"},
        arms=(
            Arm("at once", {"train.procedure": "joint"}),
            Arm("in turns", {"train.procedure": "alternating"}, expect="lower", published="69.9 against 70.0 mAP"),
        ),
        measure="bbox.AP",
        effect=0.03,
        published="Faster R-CNN (PAMI), section 3.2: 70.0 mAP jointly, 69.9 in turns (VGG-16); Mask R-CNN, appendix "
        "B: jointly 1.2 box AP more.",
        why="At an equal number of steps each part learns in two of four steps only, from a random start: expected "
        "is less.",
    ),
    Question(
        name="exact_joint",
        title="Should the heads move the proposals? Exact joint training",
        arms=(
            Arm("approximate", {"model.box_gradient": "none"}),
            Arm("features", {"model.box_gradient": "features"}, expect="null", published="nobody has separated it"),
            Arm(
                "features and targets",
                {"model.box_gradient": "features+targets"},
                expect="null",
                published="nobody has",
            ),
        ),
        measure="bbox.AP",
        effect=0.02,
        seeds=5,
        published="MNC (table 1) mixes it with joint training; Faster R-CNN leaves it out; detectors that cut every "
        "such gradient do well.",
        why="What a head says of a box in its first hundred steps is noise, and the gradient polishes only. Five "
        "seeds.",
        after="Looked at with the weights of the approximate training after 100, 200 and 300 steps of three seeds "
        "(explain's GradientFlow): at the RPN's weights the gradient that comes through the boxes is 8 to 24 times as "
        "long as that of the RPN's own box loss from the classes, 3 to 42 times from the boxes, 3 to 11 times from the "
        "masks. And it asks for something else: cosines with it from -0.57 to 0.39, -0.07 in the mean. In a batch it "
        "moves some 250 boxes, of which about 20 have a box loss of the RPN that holds them in place. MNC clips this "
        "gradient, and takes that of the foreground alone for Faster R-CNN; here nothing holds it back.",
    ),
    Question(
        name="multi_task",
        title="Do masks help the boxes?",
        arms=(
            Arm("boxes and masks", {"model.system": "mask_rcnn"}),
            Arm("boxes alone", {"model.system": "faster_rcnn"}, expect="null", published="37.3 against 38.2 box AP"),
        ),
        measure="bbox.AP",
        effect=0.02,
        seeds=5,
        published="Mask R-CNN, table 3: 38.2 box AP with masks, 37.3 without (ResNet-101-FPN).",
        why="Nine tenths of an AP in a hundred: noise at this scale, unless there are many seeds.",
    ),
    Question(
        name="first_weights",
        title="From which first weights?",
        arms=(
            Arm("the papers'", {"model.roi.box_init": "gaussian", "model.backbone.init": "fan_in"}),
            Arm("torchvision's box head", {"model.roi.box_init": "uniform"}, expect="higher", published="not said"),
            Arm(
                "and backbone",
                {"model.roi.box_init": "uniform", "model.backbone.init": "fan_out"},
                expect="higher",
                published="not said",
            ),
        ),
        measure="bbox.AP",
        effect=0.02,
        seeds=5,
        published="Fast R-CNN, section 2.3, draws scores with a deviation of 0.01 and box deltas of 0.001; He et al. "
        "2015 hidden layers with 2 / fan-in. torchvision gives every layer of the box head PyTorch's own, 1 / (3 "
        "fan-in), and convolutions 2 / fan-out. No comparison of them is known here.",
        why="Deltas of a thousandth let the box loss move the layers below them only when they have grown. The "
        "default training, five times as long and with a larger network, gains from both (docs/training.md).",
        after="The small network does not decide it after 300 steps: what a seed draws moves its AP by a tenth, five "
        "times as far as the effect that was looked for.",
    ),
    Question(
        name="objectness",
        title="One logit for an anchor, or two?",
        settings={"model.system": "faster_rcnn"},
        arms=(
            Arm("sigmoid", {"model.rpn.objectness": "sigmoid"}),
            Arm("softmax of two", {"model.rpn.objectness": "softmax"}, expect="null", published="a matter of writing"),
        ),
        measure="bbox.AP",
        effect=0.02,
        published="Faster R-CNN, section 3.1: two for simplicity; one with a logistic regression does as well.",
        why="Both say the same thing.",
    ),
)
