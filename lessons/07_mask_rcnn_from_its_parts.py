# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 07. Mask R-CNN from its parts
#
# You know the parts: convolution, residual blocks, boxes, anchors, labels, RoIAlign. Now they become one network.
# You will put it together, follow a single training step number by number, check the gradient of the whole, and then
# train it for about a minute and watch losses, proposals and masks get better.
#
# You need lessons 01 to 06. Reading takes about 50 minutes; the training takes about one of them, on two CPU cores.

# %%
import inspect
import os
from dataclasses import replace

import numpy as np

from tinymaskrcnn import visualize as show
from tinymaskrcnn.config import (
    BackboneConfig,
    ModelConfig,
    RoIConfig,
    RPNConfig,
    SceneConfig,
    TrainConfig,
)
from tinymaskrcnn.data.loader import SceneStream
from tinymaskrcnn.evaluation.evaluator import Evaluator
from tinymaskrcnn.experiment import Detector
from tinymaskrcnn.explain import loss_gradients
from tinymaskrcnn.models.backbones.fpn import FPN, BackboneWithFPN
from tinymaskrcnn.models.backbones.resnet import ResNet
from tinymaskrcnn.models.build import build_model
from tinymaskrcnn.models.heads.box import BoxHead
from tinymaskrcnn.models.heads.mask import MaskHead
from tinymaskrcnn.models.mask_rcnn import MaskRCNN
from tinymaskrcnn.models.roi_heads import RoIHeads
from tinymaskrcnn.models.rpn import RPN
from tinymaskrcnn.nn import spend
from tinymaskrcnn.nn.module import sum_grads
from tinymaskrcnn.ops import losses as loss_ops
from tinymaskrcnn.ops import naive, roi_align
from tinymaskrcnn.ops.boxes import decode, iou_matrix
from tinymaskrcnn.testing import cache_bytes, check_layer, check_pair
from tinymaskrcnn.train.optimizer import AdamW, global_norm
from tinymaskrcnn.train.trainer import Trainer, computing
from tinymaskrcnn.visualize import style

rng = np.random.default_rng(0)
# 1 in tests: the training is cut short
FAST = os.environ.get("TINYMASKRCNN_FAST", "0") not in ("", "0")

# %% [markdown]
# ## 1. The parts
#
# Every size of the network stands in one place, a `ModelConfig`. We take a small one, so that a step takes a fraction
# of a second: one residual block per stage instead of two, and 32 channels in the pyramid instead of the papers' 256.
# There are 11 classes, ten digits and background.

# %%
widths = (16, 24, 32, 48)
backbone_config = BackboneConfig(depths=(1, 1, 1, 1), widths=widths, fpn_channels=32)
roi_config = RoIConfig(
    head_width=128, mask_widths=(32, 32), mask_deconv_width=32, samples_per_image=32
)
config = ModelConfig(backbone=backbone_config, rpn=RPNConfig(), roi=roi_config)
names = config.class_names

# %% [markdown]
# Five parts, bottom up. Each of them is a `Module` with a `forward` and a `backward`, and you know what it is made of:
# the residual blocks of lesson 03, a pyramid of convolutions on them, the RPN that answers for the anchors of 05, the
# heads that look at the crops of 06, and the network that holds them all.

# %%
sizes_of_body = {"depths": (1, 1, 1, 1), "widths": widths, "stem_width": 16}
body = ResNet(
    block="basic", stem="3x3", norm="batch", in_channels=1, **sizes_of_body, rng=rng
)
backbone = BackboneWithFPN(body, FPN(widths, 32, rng=rng))
rpn = RPN(32, config.rpn, rng=rng)
box_head, mask_head = (
    head(32, config.num_classes, config.roi, rng=rng) for head in (BoxHead, MaskHead)
)
roi_heads = RoIHeads([box_head, mask_head], config.roi)
model = MaskRCNN(backbone, rpn, roi_heads, config)

# %% [markdown]
# `build_model(config, rng=rng)` does the same in one line. From now on we say *backbone* for the ResNet and its
# pyramid, and *heads* for all that looks at a crop.
#
# **Predict.** Which part has the most parameters: the residual network with its thirteen convolutions, the pyramid,
# the RPN, the box head with its fully connected layers, or the mask head?

# %%
parts = {"ResNet": body, "FPN": backbone.fpn, "RPN": rpn, "box head": box_head.body}
parts |= {"box predictor": box_head.predictor, "mask head": mask_head.body}
parts |= {"mask predictor": mask_head.predictor}
counts = {
    name: sum(p.value.size for p in part.parameters()) for name, part in parts.items()
}
title = f"{sum(counts.values()):,} parameters"
show.bars_figure(counts, title=title, label="numbers that are trained", fmt="{:,.0f}")

# %% [markdown]
# More than half of them sit in the box head, nearly all in its first layer: it flattens a crop of $7 \times 7$ cells
# and 32 channels, and $7 \cdot 7 \cdot 32 \cdot 128 = 200\,704$. A convolution uses its few numbers at every place;
# a fully connected layer has one of its own for every place.

# %% [markdown]
# ## 2. The forward, and its mirror
#
# This is the heart of the project. First as a picture: two users of one pyramid, and one place where decisions are
# made.

# %%
places = {
    "images": (0, 1), "backbone": (1, 1), "RPN": (2, 0), "choose": (3, 1),
    "heads": (4, 2),
}
places |= {"RPN loss": (5, 0), "head loss": (5, 2)}
learns = [("images", "backbone"), ("backbone", "RPN"), ("RPN", "RPN loss")]
learns += [("backbone", "heads"), ("heads", "head loss")]
decides = [("RPN", "choose"), ("choose", "RPN loss"), ("choose", "heads")]

# %%
made = {"backbone": "pyramid", "RPN": "logits, deltas", "choose": "samples"}
ax = style.new_axes(width=9.2, height=3.2)
show.draw_graph(
    places, learns + decides, values=made, ax=ax, title="the forward"
).figure

# %% [markdown]
# Now read it, slowly. Everything it computes ends in one of two places: in the losses, or in `choose_samples`, which
# decides what this step learns from.

# %%
print(inspect.getsource(MaskRCNN.forward))

# %% [markdown]
# - `pyramid` is used twice: by the RPN, and by the heads. Remember that.
# - `choose_samples` reads what the RPN `said` (logits and deltas) and the targets, and returns plain data: *which
#   anchors* are asked, *which RoIs* are cut, and *what the right answers are*. No gradient passes through it.
# - Each part returns a cache, and `self.keep` ties the five caches together.
#
# Now the mirror. It takes the caches apart and walks the same picture from right to left.
#
# **Predict.** Along which of the arrows of the picture does a gradient flow back?

# %%
print(inspect.getsource(MaskRCNN.backward))

# %% [markdown]
# Every part of the forward has its backward here, in the opposite order. One function is new, `sum_grads`: where the
# forward used `pyramid` twice, the backward adds what the two users send back. That is the chain rule of lesson 01
# for a value with two users, no more.

# %%
silent = {arrow: "no gradient" for arrow in decides}
look = {"backward": learns, "notes": silent, "active": ["backbone"]}
ax = style.new_axes(width=9.2, height=3.2)
show.draw_graph(
    places, learns + decides, **look, ax=ax, title="the backward: two gradients meet"
).figure

# %% [markdown]
# Through the decisions nothing flows back. One of those lines could have been there, and is **absent**. The heads
# were trained on boxes $p$ that the RPN moved with its deltas, so the loss $L$ of the heads depends on the RPN's
# weights $\theta$ in two ways:
#
# $$\frac{dL}{d\theta} = \frac{\partial L}{\partial \theta}\Big|_{p\ \text{fixed}}
#   + \frac{\partial L}{\partial p}\,\frac{\partial p}{\partial \theta}.$$
#
# The backward above computes the first term and leaves the second one out: proposals are data. Faster R-CNN calls
# this *approximate joint training*. You met $\partial L / \partial p$, the gradient of RoIAlign for its box, in
# lesson 06; here nobody asks for it. Section 4 shows that the missing term is really there.

# %% [markdown]
# ## 3. One training step in slow motion
#
# A batch of eight scenes, 96 pixels wide, with one to three digits each. Scene $i$ is a function of the seed and of
# $i$, so you see what we saw.

# %%
kind = {"digits_per_image": (1, 3), "digit_size": (24, 36), "noise": 0.05}
scene_config = SceneConfig(image_size=96, **kind)
stream = SceneStream(scene_config, split="train", seed=0, batch_size=8)
batch = stream.batch(0)
images, targets, sizes = batch.images, batch.targets, batch.sizes
print(
    "images", images.shape, " boxes", targets.boxes.shape, " masks", targets.masks.shape
)
show.draw_truth(
    *stream.scene(0), names, title="scene 0 of the batch, and its truth"
).figure

# %% [markdown]
# Images have different numbers of objects, but arrays are rectangular. So the objects of every image are padded to
# the same number, and `targets.valid` says which rows are real.

# %%
print(targets.valid.astype(int))
print("objects per image:", targets.valid.sum(axis=1))

# %% [markdown]
# **The pyramid.** Normalise, then one call. Five levels, each half as wide as the one before, all with 32 channels.
# A cell of P2 stands for $4 \times 4$ pixels, a cell of P5 for $32 \times 32$; P6 is every second cell of P5, so that
# of three cells two remain, and the second of them reaches beyond the image. (Its anchors stand elsewhere: lesson 05,
# "A level that does not divide".)

# %%
x, _ = model.normalize.forward(images, sizes=sizes)
pyramid, _ = model.backbone.forward(x)
for k, level in enumerate(pyramid, start=2):
    print(f"P{k}: {level.shape}")
show.pyramid_figure([level[0] for level in pyramid], images[0])

# %% [markdown]
# Nothing has been learned yet, and still you can guess where the digits are: random filters answer to edges.
#
# **The RPN.** One small head runs over all five levels. For each of the three anchors of a cell it says one logit
# ("object?") and four deltas ("where exactly?").

# %%
(logits, deltas), _ = model.rpn.forward(pyramid)
anchors = model.rpn.anchors(pyramid, images.shape[1:3])
print(
    "anchors per level", [len(level) for level in anchors], "sum",
    sum(map(len, anchors)),
)
print("logits", logits.shape, " deltas", deltas.shape)

# %% [markdown]
# **The decisions.** 2,307 anchors per image are far too many to ask, and nearly all of them are background. So 64 are
# drawn per image, at most half of them positive; from the proposals 32 RoIs are drawn, at most a quarter positive.

# %%
given = {"image_size": (96, 96), "sizes": sizes}
samples = model.choose_samples(
    pyramid, (logits, deltas), targets, **given, rng=np.random.default_rng(0)
)
asked = samples.rpn.weight > 0
print("anchors asked per image  ", asked.sum(axis=1))
print("of these positive        ", (asked & (samples.rpn.positive > 0)).sum(axis=1))

# %%
chosen, answers = asked[0], np.where(samples.rpn.positive[0] > 0, 1, -1)
every_anchor, objects = np.concatenate(anchors), targets.boxes[0][targets.valid[0]]
ax = show.draw_anchor_labels(
    images[0], every_anchor[chosen], answers[chosen], objects=objects
)
ax.set_title("the anchors that scene 0 asks in this step", fontsize=style.TITLE)
ax.figure

# %% [markdown]
# Half of the 64 *may* be positive, but there are not enough good anchors: the rest is filled with negatives.
#
# **The RoIs** come from the RPN's proposals.
#
# **Predict.** The RPN has random weights. How many of the digits does one of its 128 proposals per image hit, with an
# IoU of 0.5 or more?

# %%
proposals, valid = model.rpn.propose(pyramid, logits, deltas, **given)
overlap = iou_matrix(targets.boxes, proposals).max(axis=2)[targets.valid]
print("proposals", proposals.shape)
print(f"{(overlap >= 0.5).sum()} of {len(overlap)} digits are hit")
print("best IoU of each digit, sorted:", np.sort(overlap).round(2))

# %% [markdown]
# More than one would think: the anchors have the sizes of the digits (lesson 05), the deltas are still nearly 0, and
# 128 boxes cover a lot of a small picture. But look at the lower end of the list: one digit is hit by nobody, and
# in a large picture that would be most of them. So the true boxes themselves are appended to the proposals before
# RoIs are drawn, and every digit has a RoI to learn from, from the very first step.

# %%
rois = samples.rois
in_first = rois.image_index == 0
print("RoIs per image    ", np.bincount(rois.image_index))
print("of these positive ", np.bincount(rois.image_index[rois.labels > 0], minlength=8))
print("labels in scene 0 ", rois.labels[in_first])

# %% [markdown]
# Label 0 is background, so the digit $d$ has the label $d + 1$: `names[8]` is "7".

# %%
positive = rois.labels[in_first] > 0
ax = show.draw_image(images[0], title="orange: positive RoIs, blue dots: background")
show.draw_boxes(
    rois.rois[in_first][~positive], ax=ax, colors=style.BLUE, linestyles=":",
    linewidth=1.0,
)
show.draw_boxes(
    rois.rois[in_first][positive], ax=ax, colors=style.ORANGE, linewidth=2.0
)
ax.figure

# %% [markdown]
# **The right answers of the mask head.** Each positive RoI should predict the mask of its digit *as seen through the
# RoI*, on a grid of $28 \times 28$: the mask is cut out by the same RoIAlign that cuts out the features. Above each
# answer, the picture itself through the same RoI. Where a neighbour looks in, its ink is not part of the answer.

# %%
rows = rois.mask_rows[::10][:6]
window = {
    "image_index": rois.image_index[rows], "output_size": 28, "scale": 1.0,
    "samples": 2,
}
crops, _ = roi_align.roi_align_forward(images, rois.rois[rows], **window)
figure = style.new_figure(9.2, 3.6)
for k, (above, below) in enumerate(figure.subplots(2, 6).T):
    show.draw_image(
        crops[k], ax=above, title=f"RoI {rows[k]}: a {names[rois.labels[rows[k]]]}"
    )
    show.draw_image(samples.answers["mask"][10 * k], ax=below, title="its answer")
figure.tight_layout()
figure

# %% [markdown]
# **The losses.** There are five: two for the RPN, two for the box head, one for the mask head.
#
# **Predict.** The network knows nothing. What should each loss be, roughly? (A classifier that gives each of $C$
# classes the same probability pays $-\ln \frac1C = \ln C$.)

# %%
losses, cache = model.forward(images, targets=targets, sizes=sizes, samples=samples)
guesses = {"rpn_objectness": np.log(2), "box_class": np.log(11), "mask": np.log(2)}
for name, loss in losses.items():
    guess = f"knowing nothing: {guesses[name]:.3f}" if name in guesses else ""
    print(f"{name:15} {float(loss):6.3f}   {guess}")

# %% [markdown]
# Objectness and class loss are what they should be: $\ln 2$ and $\ln 11$. If your own implementation starts anywhere
# else, stop and look for the bug.
#
# The mask loss is above $\ln 2 = 0.693$. Its last layer does not start at nearly zero, so it has opinions, and
# opinions about nothing cost. One pixel with logit $z$ and answer $t$ pays $\ln(1 + e^z) - tz$. Where $z$ has nothing
# to do with $t$, the mean is $\overline{\ln(1 + e^z)} - \bar t\,\bar z$, about $\ln 2 + \overline{z^2}/8$ for small
# logits:

# %%
seen, t = rois.positives(), samples.answers["mask"]
z, _ = mask_head.forward(
    pyramid, rois=seen.rois, image_index=seen.image_index, channel=seen.labels
)
blind = np.logaddexp(0, z).mean() - t.mean() * z.mean()
print(
    f"{z.shape} logits: not to look costs {blind:.3f}, "
    f"this network pays {losses['mask']:.3f}"
)

# %% [markdown]
# The two box losses have no such number: they say how far the boxes are off, in the units of the deltas. `rpn_box`
# looks small because its sum over the few positive anchors is divided by all sampled anchors.
#
# **The mask loss, exactly.** Every pixel is a yes-or-no question of its own, with a sigmoid $\sigma$ and no softmax
# over classes: the box head alone says which class it is.
#
# $$L = \frac1n \sum_i w_i\,\bigl[-t_i \ln \sigma(z_i) - (1 - t_i) \ln(1 - \sigma(z_i))\bigr]$$
#
# The weight $w_i$ is 0 for padding. As plain loops:

# %%
print(inspect.getsource(naive.sigmoid_cross_entropy))

# %%
by_loops = naive.sigmoid_cross_entropy(
    z, targets=t, weight=np.ones_like(z), normalizer=z.size
)
np.testing.assert_allclose(losses["mask"], by_loops, rtol=1e-5)
print(
    f"{z.size:,} pixels in a loop: {by_loops:.6f}, the array version: "
    f"{losses['mask']:.6f}"
)

# %% [markdown]
# Its gradient is one of the most pleasant there are. With $-\ln\sigma(z) = \ln(1 + e^z) - z$ one pixel pays
# $\ln(1 + e^z) - tz$, and
#
# $$\frac{\partial}{\partial z}\bigl[\ln(1 + e^z) - tz\bigr] = \frac{e^z}{1 + e^z} - t = \sigma(z) - t.$$
#
# What was said minus what is right, never larger than 1. The harness agrees, and logits, answers and weights are all
# that has to be kept:

# %%
pair = loss_ops.sigmoid_cross_entropy_forward, loss_ops.sigmoid_cross_entropy_backward
report = check_pair(*pair, [z[:2]], targets=t[:2], weight=np.ones_like(z[:2]))
_, kept = loss_ops.sigmoid_cross_entropy_forward(z, targets=t, weight=np.ones_like(z))
print(f"relative error {report.gradient:.0e}")
print(f"kept {cache_bytes(kept):,} bytes for {z.nbytes:,} bytes of logits")

# %% [markdown]
# ## 4. The way back
#
# The gradient of a sum of losses has the seed 1 for each of them. One call fills every `parameter.grad`. How long is
# the gradient of each part, taken as one vector?

# %%
seeds = {name: 1.0 for name in losses}
dimages = model.backward(seeds, cache)
print("gradient for the images:", dimages.shape)
norms = {name: float(global_norm(part.parameters())) for name, part in parts.items()}
show.bars_figure(
    norms, title="length of the gradient by part, all five losses", label="norm"
)

# %% [markdown]
# Every part learns something in this one step. The box predictor's gradient is the longest: the gradient of a weight
# is its input times what comes back (lesson 01), and its inputs, the 128 numbers that the box head says about a crop,
# are large.
#
# **The backward, drawn.** `dimages` says how each pixel would have to change to please the network. Nobody trains
# pixels, but it is the end of the way, and worth a look. `loss_gradients` makes one backward for each loss alone, and
# keeps what reaches the levels of the pyramid and the pixels. The cache may be used again.
#
# **Predict.** Which losses reach all levels, which only some? Which are heard far from any digit?

# %%
sent = loss_gradients(model, losses, cache)
title, boxes_of_0 = "What each loss sends back, scene 0", targets.boxes[0]
show.gradients_figure(sent, images[0], boxes=boxes_of_0, title=title)

# %% [markdown]
# - **Objectness** asks anchors everywhere, on background too, so it speaks nearly everywhere, on every level of which
# it drew an anchor. (Of the twelve of P6 it drew none for this scene.) Each anchor is read off a 3 x 3 window of cells:
# these are the small squares. The other loss of the RPN is asked of positive anchors alone, so only where digits are,
# and only on levels whose anchors fit them.
# - **The heads** speak where their crops were cut, from the levels from which they were cut. The class loss is heard in
#   every sampled RoI, the box and mask losses in positive ones only.
# - **The pixels** hear all of it through the same ResNet, smeared over its receptive field.
#
# A gradient is linear in what is sent in, so the last row is the sum of the others: it is what `backward` computes in
# one go.

# %%
together = sum(one.dimages for one in sent.values())
np.testing.assert_allclose(together, dimages, rtol=1e-3, atol=1e-6)

# %% [markdown]
# **Where gradients meet.** Let us do the middle of `MaskRCNN.backward` by hand.

# %%
c_normalize, c_backbone, c_rpn, c_rpn_loss, c_roi = cache
from_heads = model.roi_heads.backward(seeds, c_roi)
from_rpn = model.rpn.backward(model.rpn.loss_backward(seeds, c_rpn_loss), c_rpn)
dpyramid = sum_grads(from_heads, from_rpn)
for k, (total, first, second) in enumerate(
    zip(dpyramid, from_heads, from_rpn), start=2
):
    np.testing.assert_array_equal(total, first + second)
    print(f"P{k} {total.shape}: sum of two arrays")

# %%
levels = [f"P{k}" for k in range(2, 7)]
users = {"from the heads": from_heads, "from the RPN": from_rpn}
lengths = {
    user: {k: float(np.linalg.norm(g)) for k, g in zip(levels, sent)}
    for user, sent in users.items()
}
title = "what the two users of the pyramid send back"
show.bars_figure(lengths, title=title, label="norm of the gradient", log=True)

# %% [markdown]
# Mind the logarithmic axis. The heads send back nothing at all from P4 upwards: digits of 24 to 36 pixels are cut
# from P2 and P3, and no RoI of this step has the 56 pixels with which P4 begins. The RPN asks anchors on all levels,
# P6 included.

# %% [markdown]
# **Predict.** Now only the mask loss gets the seed 1, all others get 0. Which parts have a gradient?

# %%
model.zero_grad()
model.backward({name: float(name == "mask") for name in losses}, cache)
norms = {name: float(global_norm(part.parameters())) for name, part in parts.items()}
show.bars_figure(
    norms, title="length of the gradient by part, mask loss alone", label="norm"
)

# %% [markdown]
# The mask head and what lies under it: pyramid and residual network. The box head is decoupled from the mask head,
# that is no surprise. But the RPN gets exactly 0, although it chose the boxes. **There is the missing line.** Is
# there anything to be missed? Hold all decisions and answers fixed and push the RoIs to the right by a small share of
# their width, as a larger first delta of the RPN would:

# %%
settings = {"targets": targets, "sizes": sizes}
to_the_right = np.zeros_like(rois.rois)
to_the_right[:, 0] = 1
for push in (0.001, 0.01):
    pushed = replace(rois, rois=decode(push * to_the_right, rois.rois))
    found, _ = model.forward(images, samples=replace(samples, rois=pushed), **settings)
    print(
        f"pushed by {push}: mask loss {found['mask']:.5f}, "
        f"changed by {found['mask'] - losses['mask']:+.5f}"
    )

# %% [markdown]
# Ten times the push, some ten times the change: the loss has a slope along the boxes, and through the boxes it depends
# on the RPN's weights. Our backward takes boxes as given, and for *that* function its 0 is right. Approximate joint
# training drops the rest on purpose: it works well, and the RPN has losses of its own that tell it where boxes should
# be.

# %% [markdown]
# ## 5. The gradient of the whole network, checked
#
# Every part passed the harness on its own. Does the composition? With `samples` held fixed the five losses are an
# ordinary differentiable function of images and parameters, and `check_layer` can compare `backward` with differences
# of `forward`. We take the same architecture in miniature, with four channels everywhere.

# %%
tiny_backbone = BackboneConfig(
    depths=(1, 1, 1, 1), widths=(4, 4, 4, 4), stem_width=4, fpn_channels=4
)
tiny_rpn = RPNConfig(samples_per_image=8, post_nms_top_n=(8, 8))
tiny_heads = {
    "box_size": 3, "mask_size": 4, "head_width": 6, "mask_widths": (4,),
    "mask_deconv_width": 4,
}
tiny_roi = RoIConfig(**tiny_heads, samples_per_image=6)
tiny = build_model(
    ModelConfig(backbone=tiny_backbone, rpn=tiny_rpn, roi=tiny_roi), rng=rng
)
for p in tiny.parameters():  # no bias stays 0, so that no ReLU sits exactly on its kink
    p.value += rng.normal(0, 0.1, p.value.shape).astype(np.float32)

# %%
small_scenes = SceneConfig(image_size=64, digits_per_image=(1, 2), digit_size=(20, 30))
small = SceneStream(small_scenes, split="train", seed=1, batch_size=2).batch(0)
p_tiny, _ = tiny.backbone.forward(
    tiny.normalize.forward(small.images, sizes=small.sizes)[0]
)
said, _ = tiny.rpn.forward(p_tiny)
given = {"image_size": (64, 64), "sizes": small.sizes}
decided = tiny.choose_samples(
    p_tiny, said, small.targets, **given, rng=np.random.default_rng(2)
)

# %%
report = check_layer(
    tiny, small.images, targets=None, samples=decided, directions=1,
    skip={"zero_rows": "the samples belong to these two images"},
)
print(
    f"{len(tiny.parameters())} parameters, and the images: "
    f"relative error {report.gradient:.0e} at most"
)

# %% [markdown]
# One formula wrong anywhere between the pixels and the five losses, and this number would not be there: the harness
# would have stopped with the name of the parameter.

# %% [markdown]
# ## 6. What a step keeps in memory
#
# **Predict.** For these eight small pictures, what does the network keep for its backward: about as much as the
# pictures themselves, ten times as much, or a hundred times? And which part keeps most?

# %%
kept = dict(
    zip(["normalize", "backbone", "RPN", "RPN losses", "RoI heads and losses"], cache)
)
kept = {name: cache_bytes(part, without=model) / 1e6 for name, part in kept.items()}
print(
    f"pictures {images.nbytes / 1e6:.2f} MB, "
    f"parameters {4 * sum(counts.values()) / 1e6:.2f} MB"
)
times = sum(kept.values()) / (images.nbytes / 1e6)
title = (
    f"kept for backward: {sum(kept.values()):.0f} MB, {times:.0f} times the pictures"
)
show.bars_figure(kept, title=title, label="megabytes", fmt="{:.1f}")

# %% [markdown]
# Nearer to a hundred times than to ten, and the weights are small beside it. The heads keep most of it: some sixty
# masks, each of them $28 \times 28$ with 32 channels before the last layer, are 6 MB alone. The number grows with the
# batch: this, not the weights, decides how many pictures fit into memory.
#
# In eval mode nothing is kept at all. It is one code path: `self.keep(cache)` returns None.

# %%
model.eval()
_, nothing = model.forward(images, samples=samples, **settings)
model.train()
print("kept in eval mode:", nothing)

# %% [markdown]
# ## 7. One update by hand
#
# Forward, backward, step. The optimizer is AdamW; `clip` shrinks a gradient that is too long. `spend(cache)` lets the
# backward free each array as soon as it has been read.
#
# On a GPU everything runs as it is: change one line.

# %%
device = "cpu"  # "cuda" with CuPy and a GPU
model.to_device(device)
here = batch.to_device(device)
settings = {"targets": here.targets, "sizes": here.sizes}

# %%
optimizer = AdamW(model.named_parameters(), weight_decay=1e-4)
before, cache = model.forward(here.images, rng=np.random.default_rng(0), **settings)
optimizer.zero_grad()
model.backward({name: 1.0 for name in before}, spend(cache))
optimizer.clip(10.0)
optimizer.step(0.001)

# %%
after, _ = model.forward(here.images, rng=np.random.default_rng(0), **settings)
for name in before:
    print(f"{name:15} {float(before[name]):.3f} -> {float(after[name]):.3f}")

# %% [markdown]
# One step, and on the same batch the sum of the losses is lower. Training is this, again and again, on new scenes.

# %% [markdown]
# ## 8. A minute of updates, live
#
# `Trainer` does exactly this, with a learning rate that warms up and then falls along a cosine, and
# makes the next batch while the network computes. The film takes a picture of the network now and then, on one scene
# that it never trains on. First the network as it is, and its average precision on 40 held-out scenes (no
# digit of theirs appears in a training scene).

# %%
held_out = SceneStream(scene_config, split="test", seed=0, batch_size=8)
test_images, truths = zip(*(held_out.scene(i) for i in range(8 if FAST else 40)))
WATCHED = 1  # the film is about this scene

def measure(model):
    scores = {"boxes": Evaluator(iou_type="bbox"), "masks": Evaluator(iou_type="segm")}
    for truth, found in zip(truths, Detector(model, device=device).detect(test_images)):
        for evaluator in scores.values():
            evaluator.add(truth, found)
    return {kind: evaluator.summarize() for kind, evaluator in scores.items()}

# %%
model = build_model(config, rng=np.random.default_rng(0)).to_device(device)
scores = {0: measure(model)}
film = show.TrainingFilm(test_images[WATCHED], truths[WATCHED], names).shoot(model, 0)
print({kind: f"AP {figures['AP']:.3f}" for kind, figures in scores[0].items()})

# %% [markdown]
# **Predict.** Which of the five losses falls first? Which one will still be high after 500 steps? Look at what each
# of them has to learn from: 512 sampled anchors per step, 256 RoIs, 64 or fewer masks with 784 pixels each.

# %%
steps, looks = 500, (4, 10, 20, 35, 55, 80, 115, 155, 200, 250, 310, 400, 500)
if FAST:
    steps, looks = 12, range(1, 13)
settings = {"optimizer": "adamw", "learning_rate": 0.004, "warmup_steps": 20}
trainer = Trainer(model, stream, TrainConfig(steps=steps, **settings), device=device)
with computing():
    for row in trainer.rows():
        film.note(row)
        if row["step"] in looks:
            film.shoot(model, row["step"])
            scores[row["step"]] = measure(model)
            print(f"step {row['step']:3}: loss {row['loss']:.2f}")

# %%
film.steps(title="Mask R-CNN learns: step through the training")

# %% [markdown]
# Step through it and watch three things.
#
# - **Left** (mind the logarithmic axis; faint is what is still to come): objectness falls first and deepest. "Ink or no
# ink" is an easy question, asked 512 times per step. The class loss comes from $\ln 11$ to about 1 at once, because
# "background" is the right answer for three RoIs of four, and then it falls slowly: to tell a 3 from an 8 takes more
# than a minute.
# - **Middle:** at step 0 the proposals are anywhere. Soon they sit on the digits, then around them.
# - **Right:** for a long time next to nothing: the network has learned that most RoIs are
#   background, and a detection needs a class with a score of at least 0.5. The class head is the last to learn. When
#   the first digits appear, their masks come with them, full of gaps: every class has a last layer of its own for
#   masks, and it learns from the digits of its class alone, a tenth of all. Watch the gaps close.

# %% [markdown]
# The losses above are those of training scenes. What counts is the scenes, and the digits, that it never saw. At each
# picture of the film we have measured the average precision there: the **validation curve**.
#
# **Predict.** Boxes or masks: which come first? Has the training come to an end after 500 steps?

# %%
curves = {
    f"{kind}, {name}": (list(scores), [score[kind][name] for score in scores.values()])
    for kind in ("boxes", "masks") for name in ("AP50", "AP")
}
ax = show.style.new_figure(8, 3.8).add_axes((0.09, 0.14, 0.88, 0.76))
title = f"{len(truths)} scenes that it has never seen"
look = {"xlabel": "step", "ylabel": "average precision", "markers": True}
show.draw_lines(curves, ax=ax, title=title, **look).figure

# %%
for kind in ("boxes", "masks"):
    old, new = scores[0][kind], scores[steps][kind]
    print(
        f"{kind}: AP {old['AP']:.2f} -> {new['AP']:.2f}, "
        f"AP50 {old['AP50']:.2f} -> {new['AP50']:.2f}"
    )

# %%
found = Detector(model, device=device).detect(test_images[:2])
show.detections_figure(test_images[:2], truths[:2], found, names)

# %% [markdown]
# An honest result of little more than a minute: nearly all digits are found, named and cut out (AP50 is near 0.95), and
# boxes are not yet tight: AP averages over IoU thresholds from 0.5 to 0.95, so loose boxes cost a lot. Masks and boxes
# rise together, the steep part is over, and the last hundred steps change little: the learning rate has fallen to zero.
# (Your numbers may differ from another machine's by a few hundredths: sums are rounded differently, and a training
# makes much of little.) `tinymaskrcnn train` trains a larger network for a few minutes on larger scenes, and reaches a
# box AP of 0.82 and a mask AP of 0.77.
#
# And what does a trained network send back? The same batch once more, now that it knows something:

# %%
settings = {"targets": here.targets, "sizes": here.sizes}
losses, cache = model.forward(here.images, rng=np.random.default_rng(0), **settings)
sent = loss_gradients(model, losses, cache)
title = "What each loss sends back, scene 0, after the training"
show.gradients_figure(sent, images[0], boxes=boxes_of_0, title=title)

# %% [markdown]
# Objectness, which spoke everywhere, has fallen silent where nothing is, and what is left of all losses gathers at the
# digits. And the numbers below the panels say who is still learning: objectness asks for little any more, the class and
# the boxes for most.

# %% [markdown]
# ## What can go wrong
#
# **A loss of 0 that is no success.** People show beautiful curves in which the box and mask losses of the heads are
# near 0 from the start. Here is such a step: a batch of scenes without a single digit.

# %%
no_digits = SceneConfig(image_size=96, digits_per_image=(0, 0))
empty = SceneStream(no_digits, split="train", seed=0, batch_size=8).batch(0)
empty = empty.to_device(device)
fresh = build_model(config, rng=np.random.default_rng(0)).to_device(device)
blank, cache = fresh.forward(
    empty.images, targets=empty.targets, sizes=empty.sizes, rng=rng
)
fresh.backward({name: 1.0 for name in blank}, cache)
print({name: round(float(loss), 3) for name, loss in blank.items()})
print(
    "gradient of the mask head:",
    float(global_norm(fresh.roi_heads.heads["mask"].body.parameters())),
)

# %% [markdown]
# Three losses are exactly 0: there was no positive anchor and no positive RoI, so nothing was asked, and **boxes and
# masks learned nothing**. An image without objects is fine now and then; it still teaches what background is. But
# when *every* step looks like this, the anchors do not fit the objects, or the first class was given the label 0 of
# the background, or the true boxes are not appended to the proposals. Count the positives before you believe a curve,
# as we did in section 3.
#
# **Padding that counts.** On a GPU shapes must not depend on the data, so an image with 3 positive RoIs still has 8
# rows for masks; the 5 others have weight 0. The loss must not see them. This variant forgets the weights:

# %%
def wrong_loss(logits, targets, weight):
    return loss_ops.sigmoid_cross_entropy_forward(logits, targets=targets)[0]

# %%
z3, t3 = rng.normal(size=(3, 28, 28)), rng.integers(0, 2, (3, 28, 28)).astype(float)
for padding in (0, 5, 29):
    z, t = (np.concatenate([part, np.zeros((padding, 28, 28))]) for part in (z3, t3))
    weight = (np.arange(3 + padding) < 3).astype(float)[:, None, None]
    weight = weight * np.ones((1, 28, 28))
    right, _ = loss_ops.sigmoid_cross_entropy_forward(
        z, targets=t, weight=weight, normalizer=weight.sum()
    )
    print(
        f"{padding:2} rows of padding: weights {right:.4f}, "
        f"no weights {wrong_loss(z, t, weight):.4f}"
    )

# %% [markdown]
# With weights the padding changes nothing, to the last digit. Without them the loss drifts to the $\ln 2$ of the
# padding, and the gradient of the three real masks is divided by the number of all rows. Nothing crashes. The masks
# only learn more slowly, the more so the fewer digits a picture has.
#
# **A gradient that was not reset.** `backward` adds, and that is what makes shared heads and accumulation simple. The
# price is one line that must not be forgotten.

# %%
once = float(global_norm(fresh.parameters()))
fresh.backward({name: 1.0 for name in blank}, cache)
twice = float(global_norm(fresh.parameters()))
print(
    f"norm after one backward {once:.4f}, "
    f"after another one without zero_grad {twice:.4f}"
)

# %% [markdown]
# ## Exercises
#
# The mask loss and its answers, from homework 04 (`tinymaskrcnn homework release hw04 --out mine`).
#
# 1. `hw04.sigmoid_cross_entropy_forward`: the loss of section 3. The RPN uses it for anchors, the mask head for pixels.
#    The loops above fail for logits of $\pm 1000$; your function must not. Rewrite the formula until no large number is
#    exponentiated.
#    `tinymaskrcnn homework check mine/hw04.py --only hw04.sigmoid_cross_entropy_forward`
# 2. `hw04.sigmoid_cross_entropy_backward`: $\sigma(z) - t$, and then mind the weights, the normalizer, `dloss`, and
#    large logits of both signs.
#    `tinymaskrcnn homework check mine/hw04.py --only hw04.sigmoid_cross_entropy_backward`
# 3. `hw04.mask_targets`: the answers that section 3 drew. A bin's value is the share of it that the mask covers, so
#    along each axis it is a weighted sum of pixels, and the whole is two matrix products.
#    `tinymaskrcnn homework check mine/hw04.py --only hw04.mask_targets`

# %% [markdown]
# ## What you have seen
#
# - Mask R-CNN is five parts, a forward of a dozen lines and a mirror of half as many. Its heart is `sum_grads`, where
#   the gradients of the RPN and of the heads meet.
# - A training step *decides* (which anchors, which RoIs, which answers) and then *differentiates*. Decisions have no
#   backward; proposals are data, and that is one absent line.
# - A network that knows nothing pays $\ln 2$, $\ln 11$ and $\ln 2$. The gradient of the whole agrees with differences
#   to many digits.
# - A step keeps more than seventy times the memory of its pictures; inference keeps nothing.
# - Objectness is learned in seconds, boxes and masks in a minute, names last. Losses of 0 want to be looked at.
#
# This was the last step from a single pair of functions to a detector that learns. From here: change a part and train
# again. Take the pyramid away, let the RPN ask one anchor instead of three, make the digits overlap, and predict what
# the film will show.
