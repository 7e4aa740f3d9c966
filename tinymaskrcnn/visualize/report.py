"""An explanation as one page to step through: stages, chains, anchors under the pointer, and sliders that decide anew.

The page needs nothing else and no network. What it decides anew it decides as `explain.what_if` does, from what the
network said about the picture, and in float32.
"""

import io
import json
from base64 import b64encode
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image

from ..explain.chain import plural
from ..files import write_whole
from .score_maps import score_maps_figure
from .steps import small_png

HERE = Path(__file__).parent
MOST_BOXES = 400  # that a stage draws, the best first
MOST_ANCHORS = 40_000  # that the page knows by heart; of a larger picture it leaves the finest levels out
NONE = '<li class="none">none</li>'
LEAST_SCORE = 0.01  # from which on the sliders know a box
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{css}</style>
</head>
<body>
<main>
<header><p class="over">tinymaskrcnn</p><h1>{title}</h1><p class="lead">{lead}</p>
<button type="button" id="theme">light / dark</button></header>
{end}
<div class="two">
<figure id="picture">
<svg viewBox="0 0 {width} {height}" role="img" aria-label="{alt}">
<image href="{picture}" width="{width}" height="{height}"/><g id="drawn"></g></svg>
<figcaption id="caption" aria-live="polite"></figcaption>
<p class="hint"><a href="#why">to its chain of decisions</a></p>
</figure>
<div class="panels">
<section aria-labelledby="h-stages"><h2 id="h-stages">Stages</h2>
<div class="row" role="group" aria-label="Step by step"><button type="button" id="back">&larr; before</button>
<button type="button" id="on">next &rarr;</button></div>
<ol id="stages"></ol></section>
<section aria-labelledby="h-found"><h2 id="h-found">Detections</h2>
<ol id="found" start="0">{found}</ol>{missed}</section>
<section id="why" aria-labelledby="h-why"><h2 id="h-why" tabindex="-1">Why is it there?</h2>
{chains}</section>
{cells}
<section aria-labelledby="h-if"><h2 id="h-if">What if?</h2>
<p class="hint">The numbers below decide without the network. {known}</p>
<div id="sliders"></div><button type="button" id="reset">as it was</button>
<p id="said" aria-live="polite"></p></section>
</div></div>
{maps}</main>
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
"""
MAPS = """<section class="below" aria-labelledby="h-maps"><h2 id="h-maps">Which pixels does it heed?</h2>
<p class="hint">Detection {k}: the gradient of its score by every pixel, and whether the map can be believed.</p>
<div class="wide" role="group" aria-label="Maps" tabindex="0"><img class="maps" src="{picture}" alt="{alt}"></div>
<dl>{checks}</dl></section>
"""
CELLS = """<section aria-labelledby="h-cells"><h2 id="h-cells">Cells and their anchors</h2>
<p class="hint">Point at the picture while no detection is chosen, or choose here.{left_out}</p>
<div class="row"><label>level <select id="level"></select></label>
<label>row <input type="number" id="row" min="0" value="0"></label>
<label>column <input type="number" id="column" min="0" value="0"></label></div>
<ul id="anchors" aria-live="polite"></ul></section>"""


@dataclass(frozen=True, eq=False)
class Report:
    """A page about one picture. html: its text; title."""

    html: str = field(repr=False)
    title: str

    def save(self, path):
        """Write the page; returns the path."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        return write_whole(path, self.html)

    def _repr_html_(self):
        return (
            f'<iframe srcdoc="{escape(self.html)}" title="{escape(self.title)}" '
            'style="width: 100%; height: 44rem; border: 0"></iframe>'
        )


def explanation_page(explanation, *, title="What was found, and why", maps=None):
    """The page of an Explanation  ->  Report

    maps: {k: MapChecks} of the detections whose maps, with their checks, stand on it
    """
    trace = explanation.trace
    height, width = trace.image.shape[:2]
    count = plural(explanation.shown, "detection")
    levels, left_out = _levels(trace)
    chains = [explanation.chain(k) for k in range(explanation.shown)]
    missed = [explanation.missed_chain(m) for m in explanation.missed or ()]
    data = {
        "stages": _stages(explanation),
        "detections": [_detection(explanation, k, chain) for k, chain in enumerate(chains)],
        "missed": [_numbers(explanation.target.boxes[m]) for m in explanation.missed or ()],
        "levels": levels,
        "boxes": _likely(trace),
        "settings": _settings(explanation),
        "names": list(trace.config.class_names),
    }
    words = explanation.stages().split("\n")
    end = "" if explanation.shown else f'<p class="end" role="alert">{escape(words[-1].capitalize())}.</p>'
    known = f"Classes with a score below {LEAST_SCORE:g} are left out."
    page = PAGE.format(
        title=escape(title),
        lead=escape(f"A picture of {width} x {height} pixels: {_flow(words)}"),
        css=(HERE / "report.css").read_text(encoding="utf-8"),
        script=(HERE / "report.js").read_text(encoding="utf-8"),
        end=end,
        width=width,
        height=height,
        picture=_uri(trace.image),
        alt=escape(f"The picture, with {count}; boxes are drawn on it as you choose"),
        found="".join(_button("found", k, chain.title) for k, chain in enumerate(chains)) or NONE,
        missed=_missed(missed),
        maps="".join(_maps(k, checks) for k, checks in (maps or {}).items()),
        cells="" if trace.anchors is None else CELLS.format(left_out=left_out),
        known=known,
        chains="".join(_chain(f"chain{k}", c) for k, c in enumerate(chains))
        + "".join(_chain(f"missed{k}", c) for k, c in enumerate(missed))
        + f'<p class="hint" id="none">{"Choose a detection." if chains or missed else "There is none."}</p>',
        data=json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
    )
    return Report(page, title)


# ---------------------------------------------------------------- words


def _flow(lines):
    """The stages in one line; what ended everything, a line of its own, is said elsewhere."""
    kept = [line for line in lines if not line.startswith("nothing is found")]
    return " ".join(" ".join(kept).split()).replace("->", "\u2192")


def _button(kind, k, words):
    words = escape(words.split(": ", 1)[-1])
    return f'<li><button type="button" data-{kind}="{k}" aria-pressed="false">{words}</button></li>'


def _missed(chains):
    if not chains:
        return ""
    rows = "".join(_button("missed", k, chain.title) for k, chain in enumerate(chains))
    return f'<h3>Missed</h3><ol id="lost">{rows}</ol>'


def _chain(name, chain):
    steps = []
    for step in chain.steps:
        others = "".join(f"<li>{escape(str(other))}</li>" for other in step.counterfactuals)
        others = f'<ul class="others">{others}</ul>' if others else ""
        steps.append(f"<li><b>{escape(step.name)}</b> {escape(step.text)}{others}</li>")
    return (
        f'<article id="{name}" hidden><h3>{escape(chain.title)}</h3><ol class="chain">{"".join(steps)}</ol></article>'
    )


def _maps(k, checks):
    """The maps of detection k as a picture, and below it what came of their checks."""
    picture = small_png(score_maps_figure(checks.maps, checks))
    said = "".join(f"<dt>{escape(step.name)}</dt><dd>{escape(step.text)}</dd>" for step in checks.steps())
    alt = "Eight panels: the picture, the gradient with the box held, by moving it, and both; below, random weights, "
    alt += "each patch covered, what the map says of it, and one against the other"
    uri = "data:image/png;base64," + b64encode(picture).decode()
    return MAPS.format(k=k, picture=uri, alt=alt, checks=said)


# ---------------------------------------------------------------- numbers


def _numbers(array, digits=2):
    return np.round(np.asarray(array, float), digits).tolist()


def _exact(array):
    """float32 as JSON has it: what JavaScript reads of it is the same number."""
    return [float(value) for value in np.asarray(array, np.float32).reshape(-1)]


def _stages(explanation):
    """Each stage: its name, a sentence, how many boxes it leaves, the best of them, and how sure it is of each."""
    trace, proposals, stages = explanation.trace, explanation.trace.proposals, []

    def add(name, words, boxes, sure):
        best = np.argsort(-np.asarray(sure), kind="stable")[:MOST_BOXES]
        words += f", the best {MOST_BOXES} drawn" if len(boxes) > MOST_BOXES else ""
        drawn = {"boxes": _numbers(np.asarray(boxes)[best], 1), "sure": _numbers(np.asarray(sure)[best], 3)}
        stages.append({"name": name, "words": words, "count": len(boxes)} | drawn)

    if trace.anchors is not None:
        anchors, candidates = trace.anchors, trace.candidates
        add("anchors", "Where the RPN looks; the surer of an object, the stronger", anchors.boxes, anchors.objectness)
        add("candidates", "The best of each level, moved by their deltas", candidates.boxes, candidates.scores)
        kept = candidates.kept
        boxes, scores = candidates.boxes[kept], candidates.scores[kept]
        add("after NMS", "Those that no better one of their level covers", boxes, scores)
    scores = np.ones(len(proposals.boxes)) if proposals.scores is None else proposals.scores
    add("proposals", "What the heads look at", proposals.boxes, scores)
    for name, words, flags in (
        ("likely classes", "Proposals moved by the deltas of a class whose score is high enough", proposals.likely),
        ("after their NMS", "Those that no better one of their class covers", proposals.kept),
    ):
        add(name, words, proposals.refined[flags], proposals.probabilities[:, 1:][flags])
    found = trace.detections.select(np.arange(explanation.shown))
    add("detections", "What is shown", found.boxes, found.scores)
    return stages


def _detection(explanation, k, chain):
    """A detection's box, its mask as a picture, and the boxes on its way: anchor, proposal."""
    trace, found = explanation.trace, explanation.trace.detections
    row = trace.origins[k]
    way = {"proposal": _numbers(trace.proposals.boxes[row])}
    if trace.anchors is not None:
        way = {"anchor": _numbers(trace.anchors.boxes[trace.proposals.anchor[row]])} | way
    mask = None if found.masks is None else _mask_uri(found.masks[k])
    return {"box": _numbers(found.boxes[k]), "words": chain.title.split(": ", 1)[-1], "way": way, "mask": mask}


def _levels(trace):
    """The cells of each level and what each anchor says, and a sentence where the finest were left out."""
    if trace.anchors is None:
        return [], ""
    anchors, levels, kept, left = trace.anchors, [], 0, []
    for level in sorted(set(anchors.level.tolist()), reverse=True):  # the coarse ones are small
        rows = np.flatnonzero(anchors.level == level)
        name = trace.config.backbone.level_name(level)
        kept += len(rows)
        if kept > MOST_ANCHORS:
            left.append(name)
            continue
        place = sorted(set(trace.config.backbone.levels)).index(level)
        per_cell = len(trace.config.rpn.anchor_sizes[0]) * len(trace.config.rpn.anchor_ratios)
        height, width = trace.pyramid[place].shape[:2]
        levels.append(
            {
                "name": name,
                "rows": height,
                "columns": width,
                "per": per_cell,
                "boxes": _numbers(anchors.boxes[rows].reshape(-1), 1),
                "moved": _numbers(anchors.moved[rows].reshape(-1), 1),
                "sure": _numbers(anchors.objectness[rows], 3),
            }
        )
    words = f" The anchors of {' and '.join(left)} are too many for this page." if left else ""
    return levels[::-1], words


def _likely(trace):
    """Every box of a class with some score, as NMS meets them: proposal and class in turn; numbers exact."""
    proposals = trace.proposals
    rows, columns = np.nonzero(proposals.probabilities[:, 1:] > LEAST_SCORE)
    return {
        "proposal": rows.tolist(),
        "label": (columns + 1).tolist(),
        "score": _exact(proposals.probabilities[rows, columns + 1]),
        "box": _exact(proposals.refined[rows, columns]),
    }


def _settings(explanation):
    roi, count = explanation.trace.config.roi, len(explanation.trace.proposals.boxes)
    most, threshold = max(roi.detections_per_image, 1), max(roi.score_threshold, LEAST_SCORE)

    def slider(label, now, low, high, step):
        return {"label": label, "now": now, "low": low, "high": high, "step": step}

    return {
        "proposals": slider("number of proposals", count, 0, count, 1),
        "threshold": slider("score threshold", threshold, LEAST_SCORE, max(0.99, threshold), 0.01),
        "iou": slider("IoU of NMS", roi.nms_iou, 0.0, 1.0, 0.01),
        "most": slider("most detections", most, 1, most, 1),
        "shown": slider("shown from score", explanation.min_score, 0.0, max(1.0, explanation.min_score), 0.01),
        "size": roi.min_size,
    }


# ---------------------------------------------------------------- pictures


def _uri(image):
    pixels = np.clip(np.asarray(image, float) * 255, 0, 255).round().astype(np.uint8)
    return _png(Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels[:, :, :3]))


def _mask_uri(mask):
    """A mask as a tint that lets the picture through."""
    tint = np.zeros((*mask.shape, 4), np.uint8)
    tint[mask > 0] = 0x56, 0xB4, 0xE9, 130
    return _png(Image.fromarray(tint).quantize(4))


def _png(picture):
    buffer = io.BytesIO()
    picture.save(buffer, format="png", optimize=True)
    return "data:image/png;base64," + b64encode(buffer.getvalue()).decode()
