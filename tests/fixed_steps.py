"""Training steps as a fixed plan: done once while the strict device records, then done again with other numbers.

What changes from step to step lies in arrays that stay where they are: the batch, the keys of the random samples and
the numbers of the optimizer. A step copies them there and replays two plans, the gradients and the update. In between
the host waits for the numbers of its row, and lets the weights change only when they are finite: its one decision.
"""

import contextlib
import dataclasses
import math
import sys

import strict_device


class FixedKeys:
    """Random draws that lie in arrays which stay; the first step says how many there are, and in what order."""

    def __init__(self, rng):
        self.rng, self.arrays, self.given = rng, [], None

    def random(self, shape):
        """What a model asks for in the place of Generator.random: numbers in [0, 1) on the device."""
        if self.given is None:
            self.arrays.append(strict_device.xp.asarray(self.rng.random(shape)))
            return self.arrays[-1]
        array = next(self.given)
        assert array.shape == tuple(shape), f"a step drew {array.shape} and now {shape}"
        return array

    def load(self, rng):
        """Draw those of another step, as the first one did."""
        for array in self.arrays:
            array.set(rng.random(array.shape))
        self.given = iter(self.arrays)


class FixedSteps:
    """Steps of a Trainer on the pretended device, with two plans for each shape that a batch has.

    The first step of a shape is done as always, for what is made once is made there; the second is recorded.
    """

    def __init__(self, trainer):
        self.trainer, self.draw, self.shapes = trainer, trainer.step_rng, {}

    def step(self, batch):
        """One update by an ImageBatch of the host; the row of the step, as Trainer.train_step gives it."""
        shape = tuple(array.shape for array in arrays_of(batch))
        if shape not in self.shapes:
            self.shapes[shape] = _OfShape(self.trainer, batch)
        return self.shapes[shape].step(batch, self.draw())

    def _plans(self):
        return [plan for of_shape in self.shapes.values() for plan in of_shape.plans.values()]

    def operations(self):
        """How many the plans have."""
        return sum(len(plan.work) for plan in self._plans())

    def kept_bytes(self):
        """Of all that the plans write, each array for itself: a graph's own pool would use memory again."""
        return sum({owner: size for plan in self._plans() for owner, size in plan.written()}.values())


class _OfShape:
    def __init__(self, trainer, batch):
        self.trainer, self.batch, self.keys = trainer, batch.to_device("cuda"), None
        self.steps, self.plans, self.results = 0, {}, {}

    def step(self, batch, rng):
        trainer, rate = self.trainer, self.trainer.learning_rate()
        self.load(batch, rng)
        names, numbers = self.do("gradients", lambda: trainer.measured([self.batch]))
        norm, *losses = numbers.get().tolist()
        assert math.isfinite(norm + sum(losses))
        trainer.optimizer.prepare(rate)
        self.do("update", trainer.optimizer.descend)
        self.steps, trainer.step = self.steps + 1, trainer.step + 1
        row = {"step": trainer.step, "loss": sum(losses), **dict(zip(names, losses))}
        return row | {"gradient_norm": norm, "learning_rate": rate}

    def load(self, batch, rng):
        """Copy what is new into the arrays that stay; the first step has brought its own."""
        if self.steps == 0:
            self.keys = FixedKeys(rng)
        else:
            for stays, new in zip(arrays_of(self.batch), arrays_of(batch), strict=True):
                stays.set(new)
            self.keys.load(rng)
        self.trainer.step_rng = lambda: self.keys

    def do(self, name, work):
        """What work() gives: done, or done and recorded, or replayed, when its arrays are those of the recording."""
        if name in self.plans:
            self.plans[name].replay()
        elif self.steps == 0:
            self.results[name] = work()
        else:
            with strict_device.recording() as self.plans[name]:
                self.results[name] = work()
        return self.results[name]


class Running:
    """Which functions of the package Python has called, as "train/optimizer.py:prepare", and how often."""

    def __init__(self):
        self.places, self.calls = set(), 0

    def see(self, frame, event, argument):
        _, found, inside = frame.f_code.co_filename.rpartition("tinymaskrcnn/")
        if found and event == "call" and not inside.startswith("tests/"):
            self.places.add(f"{inside}:{frame.f_code.co_name}")
            self.calls += 1


@contextlib.contextmanager
def running():
    """Lend a Running that sees what is called inside the block."""
    seen = Running()
    sys.setprofile(seen.see)
    try:
        yield seen
    finally:
        sys.setprofile(None)


def arrays_of(batch):
    """All that a step reads of an ImageBatch."""
    targets = [getattr(batch.targets, part.name) for part in dataclasses.fields(batch.targets)]
    return [array for array in (batch.images, batch.sizes, *batch.given.values(), *targets) if array is not None]
