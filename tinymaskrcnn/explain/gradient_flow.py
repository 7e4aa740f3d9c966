"""Do the losses help or hinder one another? Their gradients one by one, where they meet, over a training.

All losses share the backbone and the pyramid, the two of the RPN its convolution, those of a head its body. What they
ask of these weights is one vector each. Its length says how loud a loss is there; the cosine between two of them
whether they pull the same way (1), do not touch each other (0), or against each other (-1).
"""

from dataclasses import dataclass

import numpy as np

from ..backend import to_host
from ..errors import ArgumentError
from ..nn.state import left_as_it_was
from .chain import wrapped

PLACES = ("backbone", "pyramid", "RPN")  # where losses of several parts meet
CONFLICT = -0.05  # a cosine below which two losses count as pulling against each other


def stage_of(name):
    """The stage that a parameter belongs to, by its name: "stem", "stage 3", "pyramid", "RPN", "box head", ..."""
    parts = name.split(".")
    if parts[0] == "rpn":
        return "RPN"
    if parts[0] == "roi_heads":
        return f"{parts[1].split('_')[0]} head"
    if parts[1] == "fpn":
        return "pyramid"
    layer = next((part for part in parts if part.startswith("layer")), None)
    return f"stage {layer[5:]}" if layer and layer[5:].isdigit() else "stem"


def place_of(name):
    """The one of PLACES that a parameter belongs to, or None for what serves one head."""
    stage = stage_of(name)
    if stage in ("pyramid", "RPN"):
        return stage
    return "backbone" if stage == "stem" or stage.startswith("stage") else None


@dataclass(frozen=True)
class FlowShot:
    """The gradients of one batch after `step` steps.

    losses {name: value}; norms {stage: {loss: length}}, with "all" for their sum; products {place: (L, L)}: scalar
    products of the gradients of each two losses.
    """

    step: int
    losses: dict
    norms: dict
    products: dict

    def cosines(self, place):
        """(L, L): NaN where a loss does not reach the place."""
        products = self.products[place]
        lengths = np.sqrt(np.diag(products))
        with np.errstate(invalid="ignore", divide="ignore"):
            return products / np.outer(lengths, lengths)

    def gains(self, place):
        """How many times as fast each loss falls, to first order, by the step of all as by its own: (L,), NaN as above.

        1: the others change nothing; below 0: the step of all makes it rise.
        """
        products = self.products[place]
        with np.errstate(invalid="ignore", divide="ignore"):
            return products.sum(axis=1) / np.diag(products)


class GradientFlow:
    """Watches a training: `look` at a model now and then; print it, or draw it with `gradient_flow_figure`."""

    def __init__(self):
        self.shots = []

    def look(self, model, batch, *, step, seed=0):
        """Take the gradients of all losses of one ImageBatch apart; the model, and its training, go on as they were.

        One forward, and one backward for each loss. The sampled anchors and RoIs follow from the seed.
        """
        if batch.targets is None:
            raise ArgumentError("GradientFlow.look: batch must have targets; a loss asks for them")
        named = dict(model.named_parameters())
        with left_as_it_was(model):
            data = {"targets": batch.targets, "sizes": batch.sizes, "rng": np.random.default_rng(seed), **batch.given}
            losses, cache = model.forward(batch.images, **data)
            gradients = {}
            for name in losses:
                model.zero_grad()
                model.backward({other: float(other == name) for other in losses}, cache)
                gradients[name] = {key: to_host(p.grad).astype(np.float64) for key, p in named.items()}
        shot = _shot(step, {name: float(to_host(loss)) for name, loss in losses.items()}, gradients)
        self.shots.append(shot)
        return shot

    @property
    def losses(self):
        return list(self.shots[0].losses)

    def mean_cosines(self, place):
        """Over all shots: (L, L), NaN where two losses never meet."""
        each = np.array([shot.cosines(place) for shot in self.shots])
        seen = ~np.isnan(each)
        return np.where(seen.any(axis=0), np.nansum(each, axis=0) / np.maximum(seen.sum(axis=0), 1), np.nan)

    def series(self, loss="all"):
        """{stage: (steps, lengths)} of the gradient of one loss, or of their sum."""
        if not self.shots or loss not in ("all", *self.losses):
            raise ArgumentError(f"GradientFlow.series: loss must be one that was looked at; got {loss!r}")
        steps = [shot.step for shot in self.shots]
        return {stage: (steps, [shot.norms[stage][loss] for shot in self.shots]) for stage in self.shots[0].norms}

    def __str__(self):
        if not self.shots:
            return "no gradient was looked at"
        steps = f"{self.shots[0].step} to {self.shots[-1].step}"
        looks = f"{len(self.shots)} look{'s' * (len(self.shots) > 1)}"
        lines = [f"gradients of {len(self.losses)} losses, {looks}, after steps {steps}"]
        for place in PLACES:
            lines += self._about(place)
        return "\n".join(lines)

    def _about(self, place):
        """What the losses do to each other at one place, in words."""
        each = np.array([shot.cosines(place) for shot in self.shots])
        rows, columns = np.triu_indices(len(self.losses), 1)
        pairs = each[:, rows, columns]
        met = ~np.isnan(pairs).all(axis=0)
        if not met.any():
            return [f"{place}: no two losses meet"]
        mean, known = np.nanmean(pairs[:, met], axis=0), pairs[~np.isnan(pairs)]
        names = [f"{self.losses[i]} and {self.losses[j]}" for i, j in zip(rows[met], columns[met])]
        most, least = int(np.argmax(mean)), int(np.argmin(mean))
        gains = np.array([shot.gains(place) for shot in self.shots])
        falls = [f"{name} {np.nanmedian(g):.2f}" for name, g in zip(self.losses, gains.T) if not np.isnan(g).all()]
        text = (
            f"cosine {np.mean(known):+.2f} in the mean, from {mean[least]:+.2f} ({names[least]}) to {mean[most]:+.2f} "
            f"({names[most]}); {np.mean(known < CONFLICT):.0%} of all pairs pull against each other (below "
            f"{CONFLICT:g}). By the step of all, each falls so many times as fast as by its own: {', '.join(falls)}"
        )
        return [wrapped(text, f"{place}: ", 2)]


def _shot(step, losses, gradients):
    """FlowShot of {loss: {parameter: gradient}}."""
    names = list(next(iter(gradients.values())))
    stages = list(dict.fromkeys(map(stage_of, names)))
    norms = {}
    for stage in stages:
        keys = [name for name in names if stage_of(name) == stage]
        norms[stage] = {loss: _length([found[key] for key in keys]) for loss, found in gradients.items()}
        norms[stage]["all"] = _length([sum(found[key] for found in gradients.values()) for key in keys])
    products = {}
    for place in PLACES:
        keys = [name for name in names if place_of(name) == place]
        flat = [np.concatenate([found[key].ravel() for key in keys] or [np.zeros(0)]) for found in gradients.values()]
        products[place] = np.array(flat) @ np.array(flat).T
    return FlowShot(int(step), losses, norms, products)


def _length(arrays):
    return float(np.sqrt(sum((array * array).sum() for array in arrays)))
