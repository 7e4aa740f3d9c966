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
# # 00. A tour of a trained detector
#
# A Mask R-CNN gets a picture and says: there is a 4, here is its box, and these pixels are it. How does it know? You
# will open a small trained one and look at every stage on the way, with nothing hidden; then you will find out exactly
# where a digit that it missed was lost.
#
# You need nothing: no earlier lesson, no GPU, no mathematics. About 20 minutes. Each stage names the lesson in which
# you will build it.

# %% tags=["hide-input"]
from tinymaskrcnn import visualize as show
from tinymaskrcnn.config import SceneConfig
from tinymaskrcnn.data import SceneStream
from tinymaskrcnn.zoo import load_tour_detector

model = load_tour_detector()
names = model.config.class_names
scenes = SceneStream(SceneConfig(), split="test", seed=0, batch_size=8)
image, truth = scenes.scene(20)
[found] = model.detect(image[None])
show.draw_judged(image, truth, found, names).figure

# %% [markdown]
# This is what it says of a *scene*: handwritten digits at random places, and some noise. It has never seen these
# digits; it was trained on others. Green is right: the box fits, the name is true, and the tint covers the ink. The
# number behind a name is the *score*, how sure the network is.
#
# ## What it was given, and what it answers
#
# Here is the rest of what this tour uses. To the network the picture is an array of numbers between 0 (black) and 1
# (white), nothing else.

# %%
from collections import Counter
from textwrap import fill

import numpy as np

from tinymaskrcnn.evaluation.evaluator import Evaluator
from tinymaskrcnn.explain import STAGES, loss_gradients, trace_detection, why_missed
from tinymaskrcnn.ops.boxes import iou_matrix
from tinymaskrcnn.structures import collate

rng = np.random.default_rng(0)
print("image", image.shape, image.dtype, "from", image.min(), "to", image.max())

# %% [markdown]
# **Predict.** Detections with a score below 0.5 are not drawn above. Are there any, and of what?

# %%
rows = zip(found.boxes, found.labels, found.scores, found.masks)
for box, label, score, mask in rows:
    corners = np.round(box).astype(int).tolist()
    print(f"a {names[label]}, score {score:.2f}, box {corners}, {mask.sum()} pixels")

# %% [markdown]
# The first four are right. The others are second thoughts: the same ink, read in another way, with low scores.
#
# All that took a fraction of a second. What happened in it?

# %% [markdown]
# ## What is inside
#
# `model.detect` keeps nothing of what it computes on the way. `trace_detection` does the same with the model's own
# methods and keeps all of it. At the end it has the same answer, to the last bit.

# %%
trace = trace_detection(model, image)
np.testing.assert_array_equal(trace.detections.boxes, found.boxes)
np.testing.assert_array_equal(trace.detections.masks, found.masks)

numbers = sum(p.value.size for p in model.parameters())
print(f"{numbers:,} trained numbers make this network")

# %% [markdown]
# All that the network knows about digits lies in these numbers. `tinymaskrcnn train --preset tour` found them, in 3,000
# steps and less than an hour on one CPU core, and the package ships them in a file of less than a megabyte.
#
# Seven stages follow each other. Here is the map of the tour: above each stage stands the lesson that builds it, below
# it what it makes of our picture.

# %%
places = {
    "image": (0, 1), "pyramid": (1, 1), "anchors": (1, 0), "objects?": (2, 0),
    "proposals": (3, 0),
}
places |= {"RoIAlign": (4, 1), "classes": (5, 0), "masks": (5, 1)}
ways = "image-pyramid pyramid-objects? anchors-objects? objects?-proposals "
ways += "pyramid-RoIAlign proposals-RoIAlign RoIAlign-classes RoIAlign-masks"
ways = [tuple(way.split("-")) for way in ways.split()]

# %%
lessons = dict(zip(places, ["", "02, 03", "05", "05", "04", "06", "01", "07"]))
values = {stage: f"lesson {number}" for stage, number in lessons.items() if number}
labels = {stage: f"{k}\n{stage}" if k else stage for k, stage in enumerate(places)}
ax = show.style.new_axes(width=9.2, height=5.2)
title = "from an image to its digits"
show.draw_graph(places, ways, labels=labels, values=values, ax=ax, title=title)


# %%
ax.set_ylim(1.75, -0.45)  # room for a picture below each stage


def inset(stage):
    """The image, small, below a stage of the map."""
    column, row = places[stage]
    low = ax.transLimits.transform((column - 0.26, row + 0.62))
    place = (*low, 0.52 / 6, 0.4 / 2.2)
    return show.draw_image(image, ax=ax.inset_axes(place))


# %%
laid = trace.anchors.boxes
some = laid[3072:3840].reshape(16, 16, 3, 4)[2::4, 2::4, 1]
near = laid[(iou_matrix(laid, truth.boxes) > 0.6).any(axis=1)]
drawn = {"image": (), "anchors": some, "objects?": near}
drawn |= {"proposals": trace.proposals.boxes[:12], "classes": found.boxes[:4]}
for stage, boxes in drawn.items():
    show.draw_boxes(boxes, ax=inset(stage), linewidth=0.8)
show.draw_feature_map(trace.pyramid[0], ax=inset("pyramid"), extent=(0, 128, 128, 0))
show.draw_boxes(trace.proposals.boxes[:1], ax=inset("RoIAlign"), linewidth=0.8)
show.draw_masks(found.masks[:4], ax=inset("masks"))
ax.figure

# %% [markdown]
# ## 1. The pyramid: from pixels to features
#
# A stack of *convolutions*, small filters that slide over the image, turns it into *feature maps*: grids of cells, each
# with 32 numbers that describe what is around it. Five maps make a pyramid, each half as fine as the one before: P2
# sees small things sharply, P6 sees the whole scene in four cells.

# %%
for level, features in enumerate(trace.pyramid, start=2):
    print(
        f"P{level} {features.shape}: {features.size:,} numbers, "
        f"a cell covers {2**level} x {2**level} pixels"
    )

show.pyramid_figure(trace.pyramid, image)

# %% [markdown]
# Yellow cells are those with the largest numbers, whatever their sign. On P2 you can still make out where the digits
# are. From P4 on a digit is a cell or two, and the picture says nothing to us any more. It does to the layers that read
# it.
#
# **Predict.** The 32 numbers of a cell are called *channels*. Do they all show the same thing?

# %%
title = "P2: the 8 channels that vary most"
show.feature_maps_figure(trace.pyramid[0], channels=8, cmap="PuOr", title=title)

# %% [markdown]
# No. Some are negative (orange) on the empty ground and near 0 on the digits, others positive (violet) on the ground
# and negative on the digits. Channel 26 is largest along the left side of the 0 and the 4. Nobody told them to:
# training found what is useful. *You build it in lessons 02 (convolution) and 03 (batch norm and residual blocks).*

# %% [markdown]
# ## 2. Anchors: where could something be?
#
# The network does not search. It starts from a fixed list of boxes, the *anchors*: three shapes around every cell of
# every level, larger ones on the coarser levels.

# %%
anchors = trace.anchors
for level in range(2, 7):
    print(f"P{level}: {np.sum(anchors.level == level)} anchors")
print(f"all together: {len(anchors.boxes)}, the same for every image of this size")

title = "P3: the anchors of one cell"
show.draw_anchor_grid(
    image, anchors.boxes[anchors.level == 3], 8, cell=(6, 8), title=title
).figure

# %% [markdown]
# How well two boxes fit is measured by the *IoU*, the area they share divided by the area they cover together: 1 for
# equal boxes, 0 for boxes that do not touch.
#
# **Predict.** No anchor was made for these digits. What IoU does the best of them have with each digit: about 0.3, 0.5
# or 0.7?

# %%
iou = iou_matrix(anchors.boxes, truth.boxes)  # every anchor with every digit
best = iou.argmax(axis=0)
labels = [f"P{anchors.level[row]}  IoU {iou[row, k]:.2f}" for k, row in enumerate(best)]
ax = show.draw_image(image, title="the best anchor for each digit")
show.draw_boxes(anchors.boxes[best], ax=ax, labels=labels).figure

# %% [markdown]
# More than 0.7. Anchors lie so densely that one nearly always fits tolerably, and the rest of the work is to choose and
# to adjust. *You build anchors in lesson 05, and the IoU in lesson 04.*

# %% [markdown]
# ## 3. Objectness: is something there?
#
# A small network, the *RPN* (region proposal network), slides over every level. For each anchor it says how likely it
# holds an object, of whatever kind: the *objectness*. It also says how the box should be moved and stretched to fit.

# %%
show.objectness_figure(trace)

# %% [markdown]
# **Predict.** Why do P4, P5 and P6 see nothing, although the digits are there too?
#
# <details><summary>Answer</summary>Their anchors are too large: the next cell prints their sizes, and these digits are
# 26 to 34 pixels high. The levels with anchors of the right size answer, the others keep silent. That is how the
# pyramid divides the work.</details>

# %%
for level in range(2, 7):
    of_level = anchors.boxes[anchors.level == level]
    width, height = np.median(of_level[:, 2:] - of_level[:, :2], axis=0)
    sure = np.sum(anchors.objectness[anchors.level == level] > 0.5)
    print(
        f"P{level}: anchors of about {width:.0f} x {height:.0f} pixels, "
        f"{sure} see an object"
    )

# %% [markdown]
# *The right answers, with which the RPN is trained, you build in lesson 05.*

# %% [markdown]
# ## 4. Proposals: one box for one object, more or less
#
# The best boxes of each level go on. Many of them mean the same digit, so *NMS* (non-maximum suppression) goes from the
# surest box down and deletes every box that overlaps it too much; the 64 best of what is left are the *proposals*.
#
# **Predict.** How many of the boxes does NMS delete: a tenth, a half, or most of them?

# %%
candidates = trace.candidates
print(f"{len(candidates.boxes)} boxes before NMS, {candidates.kept.sum()} after it")
show.proposals_figure(trace)

# %% [markdown]
# Most of them. The faint net in the background is made of boxes that the RPN does not believe in; they go on because
# each level sends its best 256, good or not. Several proposals are left on each digit: NMS deletes only what overlaps
# by an IoU of more than 0.7, because a box too many costs little, and a digit without a box is lost. *You build NMS in
# lesson 04.*

# %% [markdown]
# ## 5. RoIAlign: a crop of one size for every box
#
# What comes next wants arrays of one size, and proposals have any size. RoIAlign lays 7 x 7 *bins* over each proposal
# (a *region of interest*, RoI) and reads the features *between* the cells, so that nothing is rounded. The first row
# shows the image under the bins, the second one channel of the features, the third what RoIAlign makes of that channel.

# %%
show.roi_grids_figure(trace)

# %% [markdown]
# The bins do not line up with the cells, and that is the point: a bin takes its colour from the cells around it.
# Every crop is a square, however long its box is. (Grey is outside the image.) Small boxes are cut from P2, larger
# ones from P3: the size of a box decides. *You build it in lesson 06.*

# %% [markdown]
# ## 6. Class scores: what is it?
#
# Two fully connected layers look at each crop and give eleven numbers that sum to 1: one for each digit, and one for
# "none of them". For each digit they also say how the box should be adjusted once more.

# %%
show.class_scores_figure(trace)

# %% [markdown]
# The last two proposals lie on the same 4. The tight one is read at once. The loose one has a piece of the 0 in it, and
# the network wavers between 4 and 6.
#
# **Predict.** There are 64 proposals and only four digits. What does the network say about the others?

# %%
winners = trace.proposals.probabilities.argmax(axis=1)
counted = {names[label]: int(np.sum(winners == label)) for label in np.unique(winners)}
title = "what the 64 proposals are taken for"
show.bars_figure(counted, title=title, label="proposals", fmt="{:.0f}")

# %% [markdown]
# Half of them are nothing ("background"). The others nearly all agree: many boxes say the same of the same digit. A
# second NMS, now for each class on its own, leaves one. *You build these layers in lesson 01: they are the first that
# you will write.*

# %% [markdown]
# ## 7. Masks: which pixels?
#
# For each final box one more crop is cut, 14 x 14 cells this time, and a few convolutions paint a picture of 28 x 28
# probabilities: is this place part of the digit? It is stretched over the box, and what lies above 0.5 is the mask.

# %%
show.masks_figure(trace)

# %% [markdown]
# Look at the 0: where its ink is thin, on the right, the mask has a gap. And at the 4, whose mask is softer than the
# others: green and blue are places where the network is not sure. *You build the crops in lesson 06, the masks in
# lesson 07.*

# %% [markdown]
# ## Back from a detection to where it began
#
# Point at a detection, tap it, or move to its name with the Tab key: its proposal, its anchor, the level of the pyramid
# and the pixels that the anchor's cell heeds light up. (Those are the gradient of the anchor's objectness by the
# picture: the network's own backward says what it looked at.) Dashed names have scores below 0.5.
#
# **Predict.** The 4 and the 0 touch each other. Does the anchor of the 4 heed only the 4?

# %%
show.touch.trace(model, trace)

# %% [markdown]
# It heeds most of the picture, faintly, and the place around it clearly, ink of the 0 included. And look at the dashed
# ones: the second thoughts about the 4 come from other proposals, some of them read from another level.

# %% [markdown]
# ## The whole way in one picture
#
# Thousands of boxes go in, a handful come out. Twice a box is adjusted, by the RPN and by the box head. All the rest is
# deciding what to drop.

# %%
left = {"anchors": len(anchors.boxes), "best of each level": len(candidates.boxes)}
left |= {
    "after the RPN's NMS": int(candidates.kept.sum()),
    "proposals": len(trace.proposals.boxes),
}
left["pairs of box and digit above 0.05"] = int(trace.proposals.likely.sum())
left["after the NMS of each digit"] = int(trace.proposals.kept.sum())
left["score of 0.5 or more"] = shown = int(np.sum(found.scores >= 0.5))
title = f"from {len(anchors.boxes)} anchors to {shown} digits"
show.bars_figure(left, title=title, label="boxes", fmt="{:.0f}", log=True)

# %% [markdown]
# ## Where a missed digit died
#
# So far all went well. Here is a scene that is crowded: digits may cover more than half of each other. The network was
# trained on scenes where they overlap by a fifth at most.

# %%
crowd = SceneConfig(max_overlap=0.6, digits_per_image=(4, 8))
crowded = SceneStream(crowd, split="test", seed=0, batch_size=8)
image, truth = crowded.scene(126)
trace = trace_detection(model, image)
show.detections_figure([image], [truth], [trace.detections], names)

# %% [markdown]
# Two 7s lie on top of each other, and only the lower one was found. Where the upper one is, the network sees an 8.
#
# **Predict.** At which stage was the upper 7 lost? Did no anchor fit it, did the RPN overlook it, did another box
# suppress it, or did the box head misread it?
#
# `why_missed` follows one object through the trace. After each stage it counts the boxes that still fit the object with
# an IoU of 0.5 or more. The stage after which there is none is where it died. It looks a little closer than we did and
# tells eleven stages apart:

# %%
for name, what_is_left in STAGES:
    print(f"{name:12s} {what_is_left}")

# %%
fates = [
    why_missed(trace, box, label=label, mask=mask, min_score=0.5)
    for box, label, mask in zip(truth.boxes, truth.labels, truth.masks)
]
for label, fate in zip(truth.labels, fates):
    said = f"the {names[label]}: {fate.stage}: {fate.reason}"
    print(fill(said, 88, subsequent_indent="       "))

# %% [markdown]
# The first line is our 7. Look at the numbers of boxes that fit it, stage by stage, beside those of the lower 7:

# %%
assert any(fate.stage != "found" for fate in fates), "nothing was missed: try another"
lost = next(i for i, fate in enumerate(fates) if fate.stage != "found")
well = [i for i, fate in enumerate(fates) if fate.stage == "found"][-1]  # the lower 7
titles = [
    f"the {names[truth.labels[well]]}, found",
    f"the {names[truth.labels[lost]]}, missed",
]
show.fate_figure([fates[well], fates[lost]], titles)

# %% [markdown]
# Both had anchors enough, and both got past the RPN. Step through the life of the second one:

# %%
show.fate_steps(trace, fates[lost], truth.boxes[lost], title=titles[1])

# %% [markdown]
# This digit was seen, boxed and read as a 7, in spite of all. But its neighbour is a 7, too, and looks more like one.
# The last NMS compares all boxes that were read as a 7 and believes that two of them that overlap so much must be the
# same digit. That is a rule, not something that was learned, and for two 7s on top of each other it is wrong. The 8
# stayed, because NMS never compares an 8 with a 7.
#
# The other loss, the 8 at the lower left, is a different story: the box with the high score spans both digits and so
# fits neither; the box that fits got a low score and is not shown.
#
# Is that what usually happens? Here are the ends of all digits that were missed in 40 such scenes:

# %%
ends = Counter()
for i in range(40):
    picture, objects = crowded.scene(i)
    seen = trace_detection(model, picture)
    for box, label in zip(objects.boxes, objects.labels):
        ends[why_missed(seen, box, label=label, min_score=0.5).stage] += 1
print(f"{ends['found']} of {ends.total()} digits were found")

# %%
missed = {name: ends[name] for name, _ in STAGES if ends[name]}
title = f"where the {sum(missed.values())} missed digits of 40 crowded scenes died"
show.bars_figure(missed, title=title, label="digits", fmt="{:.0f}")

# %% [markdown]
# No, that was a rare one. Nearly all of the others had good boxes, too, but the box head was not sure enough of what it
# saw, or took it for another digit. If you wanted to improve this detector, you now know where to begin: with what the
# box head learns, for example by showing it crowded scenes in training. Better anchors would hardly help.

# %% [markdown]
# ## How good is it?
#
# One picture proves nothing. Here are 40 scenes of the kind it was trained for, with digits it has never seen.

# %%
images, truths = zip(*(scenes.scene(i) for i in range(40)))
answers = []
for first in range(0, 40, 8):  # eight pictures at a time
    answers += model.detect(np.stack(images[first : first + 8]))
counts = show.confusion_matrix(truths, answers, num_classes=len(names))
show.confusion_figure(counts, names)

# %% [markdown]
# Rows are the truth, columns what the network said. The diagonal is right. The column on the left holds the digits that
# were missed, the row on top what was invented, or found twice.
#
# A score of 0.5 was our choice. With a lower limit more of the digits are found (the *recall* rises), and fewer of the
# answers are right (the *precision* falls). A curve shows all limits at once, and the area under it is the *average
# precision*, AP.

# %%
boxes, masks = Evaluator(iou_type="bbox"), Evaluator(iou_type="segm")
for objects, answer in zip(truths, answers):
    boxes.add(objects, answer)
    masks.add(objects, answer)
for what, figures in (("boxes", boxes.summarize()), ("masks", masks.summarize())):
    print(what, {name: round(figures[name], 3) for name in ("AP50", "AP75", "AP")})

# %%
show.precision_recall_figure(boxes.accumulate(), names)

# %% [markdown]
# AP50 asks for an IoU of 0.5, and is nearly 1. AP is the mean over ten limits from 0.5 to 0.95, and the last ones ask
# for boxes that fit to half a pixel: for a box of 20 x 30 pixels, an IoU of 0.95 is a shift of 0.5 pixels.

# %% [markdown]
# ## And the way back: how it came to know all this
#
# In training, five *losses* say how wrong the network is: the RPN's two, about objects and their boxes, the box head's
# two, about names and boxes, and one about masks. Then all stages run backwards, and tell every number of the network
# in which direction it should move: its *gradient*. The gradient even goes back to the pixels. Here it is for our first
# scene, drawn for each loss by itself.
#
# **Predict.** The digits are small, so their crops come from P2 and P3. Which losses can say anything to P5?

# %%
batch = collate(*([part] for part in scenes.scene(20)))
student = load_tour_detector().train()
given = {"targets": batch.targets, "sizes": batch.sizes}
losses, cache = student.forward(batch.images, **given, rng=np.random.default_rng(0))
sent = loss_gradients(student, losses, cache)
title = "What each loss sends back"
show.gradients_figure(sent, batch.images[0], boxes=batch.targets.boxes[0], title=title)

# %% [markdown]
# Only the RPN's: it asks its questions on every level, and here one anchor of P5 was not quite sure that it holds
# nothing. The heads speak where their crops were cut, and the mask loss about the ink of its digits alone. All of them
# reach the pixels through the pyramid, each far around its digit. An empty panel is an exact zero: nothing was asked
# there. *You build this way back, pair by pair, in lessons 01 to 06, and put it together in lesson 07.*

# %% [markdown]
# ## What can go wrong
#
# A detector knows the world it was trained in, and nothing else. Somebody scans black ink on white paper, as people do,
# and gives it to the network, which was trained on white ink on black.
#
# **Predict.** The shapes are the same. Will it find the digits?

# %%
image, truth = scenes.scene(20)
wrong_image = 1 - image
trace = trace_detection(model, wrong_image)
show.draw_judged(wrong_image, truth, trace.detections, names).figure

# %%
for box, label in zip(truth.boxes, truth.labels):
    fate = why_missed(trace, box, label=label, min_score=0.5)
    said = f"the {names[label]}: {fate.stage}: {fate.reason}"
    print(fill(said, 88, subsequent_indent="       "))

# %% [markdown]
# There is no error message and no warning. Everything runs, and the answer is wrong. When a detector of yours "finds
# nothing", look at the pixels it gets before you look at the network. And when that is not it, follow one object
# through the stages, as you have just done.

# %% [markdown]
# ## Exercises
#
# You will solve these later, when their lessons have come: three pieces of this tour that you will write yourself. Have
# a look at what is asked, if you like: `tinymaskrcnn homework list`. `tinymaskrcnn homework release hw03 --out mine`
# writes a file to fill in.
#
# 1. `hw03.iou_matrix`: how well does each of K boxes fit each of M others? Every decision of this tour asks it. Check
#    with `tinymaskrcnn homework check mine/hw03.py --only hw03.iou_matrix`. (Lesson 04.)
# 2. `hw03.nms`: from the surest box down, delete what overlaps. Check with
#    `tinymaskrcnn homework check mine/hw03.py --only hw03.nms`. (Lesson 04.)
# 3. `hw04.mask_targets`: what should the 28 x 28 picture of a digit look like? Check with
#    `tinymaskrcnn homework check mine/hw04.py --only hw04.mask_targets`. (Lesson 07.)
#
# And one for now, without a solution: change `126` above to other scenes, and `max_overlap` and `noise` to other
# values. Find a digit that dies at the anchors.

# %% [markdown]
# ## What you have seen
#
# - An image becomes a pyramid of feature maps; anchors lie on every cell of it.
# - The RPN says which anchors hold something; NMS thins them out to 64 proposals.
# - RoIAlign cuts a crop of one size for each; the box head names it, the mask head paints it.
# - A detection is what no stage has dropped. A missed object was dropped by exactly one of them, and you can ask which.
#
# Next: lesson 01, where you write the smallest part of this network, a layer with a forward and a backward, and prove
# that its gradient is right.
