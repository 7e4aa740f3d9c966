"""What looks on while `train` runs: a film of test pictures, and the gradients of the losses one by one."""

import sys
import time
from contextlib import nullcontext
from pathlib import Path

from .options import positive

WATCHED = 100  # steps between two looks of the doctor, at least
SHARE = 0.04  # of the time of a training that the doctor takes, after the first look
LOOKS = 24  # in a training, when nothing else is said
PICTURES = 2  # of a film


def add_watching(parser):
    group = parser.add_argument_group("looking on")
    group.add_argument(
        "--film", metavar="FILE", help="a .html to step through, or a .gif: what is found in two test pictures"
    )
    group.add_argument(
        "--gradients",
        metavar="FILE",
        help="a .png, .pdf or .svg: how loud the gradient is at each stage, and whether the losses agree",
    )
    group.add_argument("--watch", action="store_true", help="say what is wrong, as doctor --run does, while it trains")
    group.add_argument("--look-every", type=positive, metavar="K", help="steps between two looks (24 looks in all)")


def check_watching(args):
    """Refuse, before anything is made, files that could not be written."""
    from ..errors import ArgumentError

    for option, path, endings in (
        ("--film", args.film, (".html", ".gif")),
        ("--gradients", args.gradients, (".png", ".pdf", ".svg")),
    ):
        if path and Path(path).suffix.lower() not in endings:
            raise ArgumentError(f"{option} must end in {' or '.join(endings)}; got {path!r}")
    if args.look_every and not (args.film or args.gradients):
        raise ArgumentError("--look-every: of --film and --gradients only")


def watchers_of(args, experiment):
    """What was asked for on the command line, ready for `Experiment.train`."""
    from ..errors import ArgumentError

    if not (args.film or args.gradients or args.watch):
        return ()
    procedure = experiment.config.train.procedure
    if procedure != "joint":
        raise ArgumentError(
            f"--film, --gradients and --watch need joint training; this one is of procedure {procedure!r}"
        )
    if experiment.ranks is not None:
        raise ArgumentError("--film, --gradients and --watch look on in a training on one rank")
    every = args.look_every or max(experiment.config.train.steps // LOOKS, 1)
    watchers = []
    if args.film:
        watchers.append(FilmWatcher(experiment, args.film, every))
    if args.gradients:
        watchers.append(GradientWatcher(args.gradients, every))
    if args.watch:
        watchers.append(DoctorWatcher(experiment.config))
    return watchers


class Watcher:
    """Looks before the first step, every so many steps and after the last; writes its file when the training ends."""

    def __init__(self, path, every):
        self.path, self.every = Path(path), every
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def begin(self, trainer):
        self.shoot(trainer, trainer.step)

    def look(self, trainer, row):
        self.note(row)
        last = row["step"] == trainer.config.steps
        if row["step"] % self.every == 0 or last:
            self.shoot(trainer, row["step"])

    def end(self):
        self.write()
        print(f"wrote {self.path}", file=sys.stderr, flush=True)

    def note(self, row):
        """Remember the row of a step."""


class FilmWatcher(Watcher):
    """A TrainingFilm of each of the first test pictures with an object."""

    def __init__(self, experiment, path, every):
        from ..config_rules import OUTSIDE
        from ..data.resizing import resize_to_config
        from ..errors import ArgumentError
        from ..visualize import TrainingFilm

        super().__init__(path, every)
        config = experiment.config.model
        if config.system in OUTSIDE:
            raise ArgumentError(f"--film needs a system with an RPN; this is {config.system}")
        scenes = [pair for pair in experiment.scenes(4 * PICTURES) if len(pair[1])][:PICTURES]
        if not scenes:
            raise ArgumentError("--film needs a test picture with an object")
        for image, _ in scenes:
            if resize_to_config(image, config).shape != image.shape:
                raise ArgumentError("--film needs pictures in the size that the network sees")
        look = {"keypoint_names": config.keypoint_names, "anchors": True}
        self.films = [TrainingFilm(*scene, experiment.class_names, **look) for scene in scenes]

    def note(self, row):
        for film in self.films:
            film.note(row)

    def shoot(self, trainer, step):
        with trainer.average.shown() if trainer.average else nullcontext():  # what the run would leave behind now
            for film in self.films:
                film.shoot(trainer.model, step)

    def write(self):
        from ..visualize.film import joined_steps

        joined_steps(self.films).write(self.path)


class GradientWatcher(Watcher):
    """The GradientFlow of the batch that comes next."""

    def __init__(self, path, every):
        from ..explain import GradientFlow

        super().__init__(path, every)
        self.flow = GradientFlow()

    def shoot(self, trainer, step):
        batch = trainer.stream.batch(step * trainer.config.accumulate).to_device(trainer.device)
        self.flow.look(trainer.model, batch, step=step, seed=trainer.config.seed)

    def write(self):
        from ..visualize import gradient_flow_figure, save_figure

        save_figure(gradient_flow_figure(self.flow), self.path)
        print(self.flow, file=sys.stderr, flush=True)


class DoctorWatcher:
    """Examines the training now and then, and says what is wrong once; seldom enough to cost next to nothing."""

    def __init__(self, config, *, clock=time.perf_counter):
        self.config, self.clock = config, clock
        self.rows, self.said, self.due = [], set(), 0

    def begin(self, trainer):
        self.examine(trainer)
        self.due = trainer.step + WATCHED

    def look(self, trainer, row):
        self.rows = [*self.rows[1 - WATCHED :], row]
        if row["step"] < self.due:
            return
        took = self.examine(trainer)
        step = sum(row["seconds"] for row in self.rows) / len(self.rows)
        self.due = row["step"] + max(WATCHED, int(took / SHARE / max(step, 1e-6)) + 1)

    def end(self):
        if not self.said:
            print("doctor: nothing conspicuous", file=sys.stderr, flush=True)

    def examine(self, trainer):
        """Look at the batch that comes next; returns the seconds that it took."""
        from ..train.checkup import check_up
        from ..train.doctor import examine

        began = self.clock()
        batch = trainer.stream.batch(trainer.step * trainer.config.accumulate).to_device(trainer.device)
        for finding in examine([check_up(trainer.model, batch)], self.config, self.rows):
            if (finding.what, finding.where) not in self.said:
                self.said.add((finding.what, finding.where))
                print(f"doctor, after step {trainer.step}: {finding}", file=sys.stderr, flush=True)
        return self.clock() - began
