"""What a question is: arms that differ in one thing, the measure that decides, and what was expected beforehand."""

import functools
import hashlib
import json
from dataclasses import dataclass, field

from ..config import Config, tour_preset
from ..config_changes import differences, override
from ..models.systems import SYSTEMS, system_settings

RECIPE = {  # of every row: the shipped detector's network, smaller scenes, and a training that ends before it is good
    "scenes.image_size": 96,
    "scenes.digits_per_image": (1, 4),
    "train.steps": 300,
    "train.batch_size": 4,
    "train.warmup_steps": 30,
    "train.checkpoint_every": 100,
    "train.eval_scenes": 100,
}
QUICK_STEPS, QUICK_SCENES = 3, 24  # of --quick: a third of the steps, and so many held-out scenes


@dataclass(frozen=True)
class Arm:
    """One way to do it: what it changes of the question's settings, and what that is expected to do.

    test changes settings of a model that is trained as the others are; `untrained` layers are set back, before testing,
    to what they were before training. pretrained: of how many steps the backbone has named single objects. measure: its
    own, where the same masks are ranked differently. expect: "higher", "lower" or "null" beside the arm `against`.
    """

    name: str
    settings: dict = field(default_factory=dict)
    test: dict = field(default_factory=dict)
    untrained: tuple = ()
    pretrained: int = 0
    measure: str = ""
    expect: str = ""
    published: str = ""
    against: str = ""


@dataclass(frozen=True)
class Question:
    """An ablation. The first arm is what others are compared with; effect is the smallest difference that matters.

    why was written before anything was measured, after when the rows were there: what may explain them.
    """

    name: str
    title: str
    arms: tuple
    measure: str
    effect: float
    published: str
    why: str
    settings: dict = field(default_factory=dict)
    seeds: int = 3
    after: str = ""

    def plan(self, arm, seed, *, quick=False):
        """What has to be trained and tested for one arm and seed."""
        settings = self.settings | arm.settings
        system = settings.get("model.system")
        of_system = system_settings(system, scenes=False) if system in SYSTEMS else {}
        config = override(tour_preset(), RECIPE | of_system | settings | {"train.seed": seed})
        return Plan(quicker(config) if quick else config, arm.test, arm.untrained, arm.pretrained)

    def measure_of(self, arm):
        return arm.measure or self.measure

    def baseline_of(self, arm):
        """The arm that an arm is compared with; None for one that others are compared with alone."""
        if not arm.expect:
            return None
        return next(other for other in self.arms if other.name == (arm.against or self.arms[0].name))


def quicker(config):
    """The same with a third of the steps and of the scenes that come again, and few held-out scenes."""
    train = config.train
    steps, again = max(1, train.steps // QUICK_STEPS), train.train_scenes // QUICK_STEPS
    return override(config, {"train.steps": steps, "train.train_scenes": again, "train.eval_scenes": QUICK_SCENES})


@dataclass(frozen=True)
class Plan:
    """One row before it is measured: a whole Config to train, and what is changed before it is tested."""

    config: Config
    test: dict = field(default_factory=dict)
    untrained: tuple = ()
    pretrained: int = 0

    @property
    def seed(self):
        return self.config.train.seed

    @functools.cached_property
    def training(self):
        """A name of all that training depends on; plans that differ in the test alone share it."""
        return _digest([_chosen(self.config), self.pretrained])

    @functools.cached_property
    def digest(self):
        """A name of all that a row depends on but the seed: rows of one arm share it, whichever question asks."""
        unseeded = override(self.config, {"train.seed": 0})
        return _digest([_chosen(unseeded), self.pretrained, self.test, list(self.untrained)])

    def tested(self):
        """The ModelConfig of the test."""
        return override(self.config, self.test).model

    def backbone_config(self):
        """The Config by which the backbone is trained beforehand, on the same scenes; None without."""
        if not self.pretrained:
            return None
        train = {"train.procedure": "pretrain", "train.steps": self.pretrained, "train.frozen_stages": -1}
        return override(self.config, train)


def digest_of(config):
    """A short name of all that a Config says."""
    return _digest(_chosen(config))


def _chosen(config):
    """What a Config says otherwise than the defaults: a setting that is new in the package changes no name of a row.

    A default that changes does change rows; then `rows.RECIPES` goes up.
    """
    return differences(config, Config())


def _digest(table):
    return hashlib.sha256(json.dumps(table, sort_keys=True, default=list).encode()).hexdigest()[:12]
