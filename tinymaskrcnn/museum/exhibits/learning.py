"""Networks, their training, and regions that are found without one."""

from ..exhibit import Exhibit

JOINT = "models/build.py"
MOVING = "models/moving_targets.py"
REGIONS = "data/proposals/regions.py"

EXHIBITS = (
    Exhibit(
        name="stride-in-the-1x1",
        title="A bottleneck halves the picture in its 1x1 instead of its 3x3",
        edits=(
            (
                "models/backbones/bottleneck.py",
                "conv1=Conv2d(in_channels, width, 1, bias=False, rng=rng),",
                "conv1=Conv2d(in_channels, width, 1, stride=stride, bias=False, rng=rng),",
            ),
            (
                "models/backbones/bottleneck.py",
                "conv2=Conv2d(width, width, 3, stride=stride, padding=1,",
                "conv2=Conv2d(width, width, 3, padding=1,",
            ),
        ),
        origin="tinygrad, pull request 884. The first ResNets (in Caffe) had it in the 1x1, torchvision has it "
        "in the 3x3: weights load, all shapes fit.",
        seen="Pretrained weights work a little worse. Three of four pixels are never read.",
        view="pixels_read",
    ),
    Exhibit(
        name="answers-that-pull",
        title="A gradient reaches the proposals through the answers that are asked about them",
        edits=(
            (JOINT, 'if config.box_gradient != "none":', "if config.system not in OUTSIDE:"),
            (
                JOINT,
                'change = {"change": moving} if config.box_gradient == "features+targets" else {}',
                'change = {"change": moving}',
            ),
            (
                MOVING,
                "return dpyramid, drois + box_gradients.encode_backward(dtarget, c_encode)[1]",
                "return dpyramid, box_gradients.encode_backward(dtarget, c_encode)[1]",
            ),
            (
                MOVING,
                "drois = self.backward(dlogits, c_head)\n        return dpyramid, drois + moving_mask_backward",
                "drois = self.backward(dlogits, c_head)\n        return dpyramid, moving_mask_backward",
            ),
        ),
        origin="A forgotten `detach`: the deltas that a RoI should have are computed from the RoI, and a library "
        "that records everything follows them back, though its RoIAlign has no gradient for boxes. mmdetection, "
        "issue 5235, found that only its NMS happens to cut this way; detectron2 asserts that proposals need no "
        "gradient.",
        seen="All losses fall, and each gradient fits its forward. The heads move the RPN's boxes to where what is "
        "asked of them is what they say already.",
        view="said_to_the_rpn",
    ),
    Exhibit(
        name="statistics-of-the-batch-for-ever",
        title="Batch normalisation does not hear of eval mode",
        edits=(
            (
                "nn/layers.py",
                "        if not self.training:\n            y, _ =",
                "        if False:\n            y, _ =",
            ),
        ),
        origin="A forgotten `model.eval()`: likely the most frequent mistake of all with batch normalisation.",
        seen="What is found in a picture depends on the pictures beside it, and changes when it is asked again.",
        view="beside_others",
    ),
    Exhibit(
        name="momentum-with-an-old-rate",
        title="The velocity remembers the learning rate it was gathered with",
        edits=(
            (
                "train/optimizer.py",
                "    velocity *= momentum\n    velocity += grad\n    if decay:\n        velocity += decay * value\n"
                "    value -= rate * velocity",
                "    velocity *= momentum\n    velocity += rate * (grad + decay * value)\n    value -= velocity",
            ),
        ),
        origin="Caffe's SGD, against PyTorch's; Detectron therefore rescales momentum whenever the rate changes "
        "(SCALE_MOMENTUM). trzy's Faster R-CNN met its relative: a restored optimizer brought an old "
        "rate with it.",
        seen="With a constant rate: nothing. Where the rate falls to a tenth, ten steps go on as before; "
        "where it warms up, it is behind.",
        view="falling_rate",
    ),
    Exhibit(
        name="frozen-and-fading",
        title="Weight decay reaches layers that are frozen",
        edits=(
            (
                "train/optimizer.py",
                "trainable = {name: p for name, p in self.parameters.items() if p.trainable}",
                "trainable = dict(self.parameters)",
            ),
        ),
        origin="A gradient of zero is not `no update`: freezing by zeroing gradients leaves decay and momentum "
        "at work, as PyTorch's users learn who do not take the parameters out of the optimizer.",
        seen="A pretrained backbone, frozen for fine-tuning, becomes worse with every epoch.",
        view="frozen_weight",
    ),
    Exhibit(
        name="summed-twice",
        title="Scale and shift of a batch norm are added up over all machines, twice",
        edits=(
            (
                "nn/sync_norm.py",
                "        self.bias.grad += own[0]\n        self.weight.grad += own[1] * inv_std\n"
                "        sums = xp.stack(self.ranks.everybody(own.astype(np.float64))).sum(axis=0)\n",
                "        sums = xp.stack(self.ranks.everybody(own.astype(np.float64))).sum(axis=0)\n"
                "        self.bias.grad += sums[0].astype(dtype)\n"
                "        self.weight.grad += (sums[1] * inv_std).astype(dtype)\n",
            ),
        ),
        origin="nnabla, pull request 1120: once in the layer and once with all other gradients, so that their "
        "rate grows with the number of machines.",
        seen="On one machine nothing; on eight, the norms learn eight times as fast as the rest.",
        view="norm_gradient",
    ),
    Exhibit(
        name="steepness-to-one",
        title="Texture histograms for slopes that no picture has",
        edits=(
            (
                REGIONS,
                "_places(_slopes(image), high=STEEPEST, bins=TEXTURE_BINS)",
                "_places(_slopes(image), high=1.0, bins=TEXTURE_BINS)",
            ),
        ),
        origin="AlpacaDB/selectivesearch, issues 21 and 30: a range of 0..1 for filtered values that lie far below 1.",
        seen="Proposals on toys are fine; recall on photographs is low, because most bins stay empty and all "
        "textures look alike.",
        view="texture_bins",
    ),
    Exhibit(
        name="colours-to-255",
        title="Colour histograms up to 255 for colours up to 1",
        edits=(
            (
                REGIONS,
                "color = _places(image, high=1.0, bins=COLOR_BINS)",
                "color = _places(image, high=255.0, bins=COLOR_BINS)",
            ),
        ),
        origin="AlpacaDB/selectivesearch: histograms with the range of 8-bit colours, of pictures in HSV from 0 to 1.",
        seen="Every region has the same colour histogram: likeness is decided by size and texture alone.",
        view="colour_bins",
    ),
)
