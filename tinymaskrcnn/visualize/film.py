"""A training as a film: the losses so far, the best proposals and the detections on one scene, frame by frame."""

import copy
import io
import math

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex
from PIL import Image

from ..backend import array_module, to_host
from ..errors import ArgumentError
from ..explain.trace import trace_detection
from ..nn.state import at_rest
from ..ops.boxes import iou_matrix
from . import style
from .boxes import draw_boxes, draw_image
from .curves import LAST
from .detections import count_verdicts, draw_judged, judge
from .steps import Steps

# how the curves are told apart, in the order in which the losses come
LINES = (
    (style.DARK_BLUE, "-"),
    (style.BLUE, (0, (4, 1.5))),
    (style.RED, "-"),
    (style.ORANGE, (0, (4, 1.5))),
    (style.GREEN, (0, (1, 1.2))),
    (style.PURPLE, (0, (5, 1.5, 1, 1.5))),
)
NOT_LOSSES = ("step", "loss", *LAST)
SURE = 0.5  # objectness above which the RPN takes an anchor for an object
COVERED = 0.5  # an object is covered when a proposal reaches this IoU with it
SIZE, PANEL = (9.4, 3.7), 2.96  # inches: a frame, and what a panel for anchors adds to its width


class TrainingFilm:
    """Watches a training: `note` every step, `shoot` the model now and then, show `steps()` at the end.

    image (H, W, C) and its Target are one scene that is never trained on; `best` proposals are drawn, and lines between
    keypoints whose names are the ends of a limb; with anchors, those that the RPN takes for objects have a panel.
    """

    def __init__(self, image, truth, class_names=None, *, best=12, min_score=0.5, keypoint_names=(), anchors=False):
        if len(truth) == 0:
            raise ArgumentError("TrainingFilm: truth must hold at least one object, or there is nothing to watch")
        self.image, self.truth, self.class_names = image, truth, class_names
        self.best, self.min_score, self.keypoint_names = best, min_score, keypoint_names
        self.anchors = anchors
        self.history = {}  # loss -> [(step, value)]
        self.shots = []
        self.positive = []  # of each shot: the anchors (P, 4) that the RPN takes for objects

    def note(self, row):
        """Remember the losses of one step.

        row: {"step": n, name: loss, ...} as `Trainer.rows` yields it; what is no loss is passed over
        """
        if "step" not in row:
            raise ArgumentError(f"TrainingFilm.note: row must have a 'step'; got {sorted(row)}")
        for name, value in row.items():
            if name not in NOT_LOSSES:
                self.history.setdefault(name, []).append((int(row["step"]), float(to_host(value))))

    def shoot(self, model, step):
        """Take a picture of what the model finds after `step` steps; it goes on training as it was."""
        if array_module(model.parameters()[0].value) is not np:  # looked at on the host, whatever it learns on
            model = copy.deepcopy(model).to_device("cpu")
        with at_rest(model):
            trace = trace_detection(model, self.image)
        self.shots.append((int(step), trace.proposals.boxes, trace.proposals.scores, trace.detections))
        if self.anchors and trace.anchors is None:
            raise ArgumentError("TrainingFilm.shoot: anchors=True needs a model with an RPN")
        self.positive.append(trace.anchors.boxes[trace.anchors.objectness > SURE] if self.anchors else None)
        return self

    def covered(self, number):
        """(objects that some proposal of that shot covers, mean over the objects of the best IoU)."""
        best = iou_matrix(self.truth.boxes, self.shots[number][1]).max(axis=1, initial=0.0)
        return int((best >= COVERED).sum()), float(best.mean())

    def caption(self, number):
        """What is to be seen in a frame, in a sentence."""
        step, proposals, _, detections = self.shots[number]
        shown = to_host(detections.scores) >= self.min_score
        verdicts, missed = judge(self.truth, detections.select(shown))
        covered, iou = self.covered(number)
        return (
            f"After {step} steps: {len(proposals)} proposals cover {covered} of {len(self.truth)} objects (best IoU "
            f"{iou:.2f} in the mean); detections with a score of {self.min_score:g} or more: "
            f"{count_verdicts(verdicts, missed)}."
        )

    def frame(self, number):
        """The figure of one shot: losses until then, proposals, detections."""
        step, proposals, scores, detections = self.shots[number]
        wide, high = SIZE[0] + PANEL * self.anchors, SIZE[1]
        figure = style.new_figure(wide, high)

        def place(x, y, width, height, moved=0.0):  # shares of a frame without anchors
            return (x * SIZE[0] + moved) / wide, y, width * SIZE[0] / wide, height

        self.draw_losses(ax=figure.add_axes(place(0.065, 0.27, 0.285, 0.6)), until=step)
        if self.anchors:
            self.draw_anchors(self.positive[number], ax=figure.add_axes(place(0.375, 0.13, 0.3, 0.76)))
        moved = PANEL * self.anchors
        middle, right = (figure.add_axes(place(x, 0.13, 0.3, 0.76, moved)) for x in (0.375, 0.69))
        self.draw_proposals(proposals, scores, ax=middle)
        look = {"min_score": self.min_score, "keypoint_names": self.keypoint_names}
        draw_judged(self.image, self.truth, detections, self.class_names, ax=right, **look)
        right.set_title(f"score ≥ {self.min_score:g}: {right.get_title(loc='left')}", fontsize=style.TEXT, loc="left")
        right.set_xlabel("")  # the title and the caption say it
        remark = "white dashes: the objects; the brighter, the likelier"
        figure.text(place(0.375, 0, 0, 0, moved)[0], 0.055, remark, fontsize=style.SMALL, color=style.muted())
        if self.anchors:
            remark = f"green: IoU of {COVERED:g} with an object, red: less"
            figure.text(place(0.375, 0, 0, 0)[0], 0.055, remark, fontsize=style.SMALL, color=style.muted())
        return figure

    def steps(self, *, title="A network learns"):
        """All shots to step through."""
        if not self.shots:
            raise ArgumentError("TrainingFilm.steps: call shoot at least once before")
        numbers = range(len(self.shots))
        return Steps([_png(self.frame(n)) for n in numbers], [self.caption(n) for n in numbers], title=title)

    # ------------------------------------------------------------ parts of a frame

    def draw_losses(self, *, ax=None, until=math.inf):
        """The losses up to a step, over faint ones of the whole training: so frames can be compared.  ->  axes"""
        ax = style.plain_axes(style.new_axes(ax, width=4.0, height=3.6))
        series = {name: np.array(pairs).T for name, pairs in self.history.items()}
        for (name, (steps, values)), (color, line) in zip(series.items(), LINES):
            smooth = style.running_mean(values, max(1, len(values) // 20))
            seen = steps <= until
            label = name.replace("_", " ")
            ax.plot(steps, smooth, color=color, linewidth=0.8, alpha=0.25)  # what is to come, so that no frame is empty
            ax.plot(steps[seen], smooth[seen], color=color, linestyle=line, linewidth=1.6, label=label)
            ax.plot(steps[seen][-1:], smooth[seen][-1:], "o", color=color, markersize=3.5)
        ax.set_title("losses (running mean)", fontsize=style.TEXT, loc="left")
        ax.set_xlabel("step", fontsize=style.TEXT)
        ax.set_yscale("log")
        if series:
            values = np.concatenate([v for _, v in series.values()])
            low = max(float(values[values > 0].min(initial=1.0)), 1e-3)
            ax.set_ylim(0.7 * low, 1.5 * float(values.max(initial=2 * low)))
            ax.set_xlim(0, max(steps[-1] for steps, _ in series.values()) * 1.03)
            where = {"loc": "upper center", "bbox_to_anchor": (0.46, -0.2), "ncols": 3, "columnspacing": 0.9}
            ax.legend(fontsize=style.SMALL - 1, frameon=False, handlelength=1.9, handletextpad=0.4, **where)
        return ax

    def draw_anchors(self, boxes, *, ax=None):
        """A dot for every anchor that the RPN takes for an object, in the middle of it.  ->  axes"""
        ax = draw_image(self.image, ax=ax)
        fits = iou_matrix(boxes, self.truth.boxes.astype(boxes.dtype)).max(axis=1, initial=0.0) >= COVERED
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2
        for chosen, color in ((~fits, style.RED), (fits, style.GREEN)):
            ax.plot(*middle[chosen].T, "o", color=color, markersize=3, alpha=0.6, markeredgewidth=0)
        draw_boxes(self.truth.boxes, ax=ax, colors="white", linestyles=[(0, (2, 2))] * len(self.truth), linewidth=1.2)
        title = f"{len(boxes)} anchors taken for objects, {int(fits.sum())} fit one"
        ax.set_title(title, fontsize=style.TEXT, loc="left")
        return ax

    def draw_proposals(self, boxes, scores, *, ax=None):
        """The best proposals on the scene, bright where the RPN is sure, and the objects in dashes.  ->  axes"""
        ax = draw_image(self.image, ax=ax)
        shown = slice(0, self.best)
        colors = [to_hex(colormaps["viridis"](0.15 + 0.85 * float(s))) for s in scores[shown]]
        draw_boxes(boxes[shown][::-1], ax=ax, colors=colors[::-1], linewidth=1.3)  # the best on top
        draw_boxes(self.truth.boxes, ax=ax, colors="white", linestyles=[(0, (2, 2))] * len(self.truth), linewidth=1.2)
        best, worst = (float(scores[shown][place]) if len(scores) else 0.0 for place in (0, -1))
        title = f"{len(scores[shown])} best proposals, objectness {best:.2f} to {worst:.2f}"
        ax.set_title(title, fontsize=style.TEXT, loc="left")
        return ax


def joined_steps(films, *, title="A network learns"):
    """Several films of one training as one: each frame shows all scenes, one below the other.

    list of TrainingFilm with as many shots  ->  Steps
    """
    counts = {len(film.shots) for film in films}
    if len(counts) != 1 or 0 in counts:
        raise ArgumentError(f"joined_steps: films must have as many shots each, at least one; got {sorted(counts)}")
    each = [film.steps() for film in films]
    frames = [_stacked([steps.pictures[n] for steps in each]) for n in range(counts.pop())]
    captions = [" ".join(steps.captions[n] for steps in each) for n in range(len(frames))]
    return Steps(frames, captions, title=title)


def _stacked(pngs):
    """Pictures below one another: [bytes of PNG]  ->  bytes of a PNG"""
    pictures = [Image.open(io.BytesIO(png)).convert("RGB") for png in pngs]
    sheet = Image.new("RGB", (max(p.width for p in pictures), sum(p.height for p in pictures)), style.paper())
    top = 0
    for picture in pictures:
        sheet.paste(picture, (0, top))
        top += picture.height
    return _small(sheet)


def _small(picture):
    buffer = io.BytesIO()
    picture.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(buffer, "png", optimize=True)
    return buffer.getvalue()


def _png(figure):
    """A picture in 256 colours, a third as long: each frame holds noise twice, and the eye sees no difference."""
    figure.canvas.draw()
    return _small(Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB"))
