"""A run folder: config.json, metrics.jsonl, checkpoint.npz and, when it is done, evaluation.json and two pictures."""

import json
from dataclasses import dataclass
from pathlib import Path

from ..config import Config, from_dict, to_dict
from ..errors import ArgumentError, ConfigError, shown
from ..files import read_json, sweep_folder, write_whole
from .checkpoint import load_checkpoint, save_checkpoint
from .metrics import append_row, truncate_rows

NAMES = ("checkpoint.npz", "metrics.jsonl", "config.json", "evaluation.json", "detections.png", "curves.png")


@dataclass(frozen=True)
class RunFolder:
    """Where one experiment keeps its files; data_dir is the folder of MNIST's files when that is a special one."""

    path: Path
    config: Config
    data_dir: str | None = None

    @property
    def metrics_file(self):
        return self.path / "metrics.jsonl"

    @property
    def checkpoint_file(self):
        return self.path / "checkpoint.npz"

    @classmethod
    def create(cls, path, config, *, data_dir=None):
        """Claim a new or empty folder and write its config.json; ArgumentError when something is there already."""
        path = Path(path)
        if (path / "config.json").exists():
            raise ArgumentError(f"{path} already holds a run; continue it with --resume, or choose another --out")
        if path.exists() and (not path.is_dir() or any(p.suffix != ".tmp" for p in path.iterdir())):
            raise ArgumentError(f"{path} exists and is not a run; choose another --out")
        path.mkdir(parents=True, exist_ok=True)
        run = cls(path, config, str(Path(data_dir).resolve()) if data_dir else None)
        run.write_config()
        return run

    @classmethod
    def open(cls, path):
        """The run that lives in a folder; ArgumentError when there is none."""
        path = Path(path)
        if not (path / "config.json").is_file():
            raise ArgumentError(f"{path} is not a run folder (it has no config.json){_hint(path)}")
        name = path / "config.json"
        entries = read_json(name, error=ConfigError)
        data_dir = entries.pop("data_dir", None) if isinstance(entries, dict) else None
        if not isinstance(data_dir, (str, type(None))) or "\0" in (data_dir or ""):
            raise ConfigError(f"{name}: data_dir must be the name of a folder; got {shown(data_dir)}")
        return cls(path, from_dict(Config, entries, str(name)), data_dir)

    def reconfigured(self, config):
        """The same folder with a changed configuration, written to its config.json."""
        run = RunFolder(self.path, config, self.data_dir)
        run.write_config()
        return run

    def write_config(self):
        self.write_json("config.json", to_dict(self.config) | {"data_dir": self.data_dir})

    def save(self, state):
        """Write a Trainer's state_dict as the run's checkpoint."""
        save_checkpoint(self.checkpoint_file, config=to_dict(self.config), **state)

    def load(self, *, part=""):
        """The verified checkpoint of this run; it must have been made with this run's configuration."""
        return load_checkpoint(self.checkpoint_file, config=to_dict(self.config), part=part)

    def last(self):
        """The checkpoint to go on from; None when there is none."""
        return self.load() if self.checkpoint_file.exists() else None

    def append_row(self, row):
        """Add the row of a step to the metrics."""
        append_row(self.metrics_file, row)

    def truncate_rows(self, step):
        """Forget the rows after a step: they are computed again."""
        truncate_rows(self.metrics_file, step)

    def clean(self):
        """Remove what killed processes left half-written."""
        sweep_folder(self.path, NAMES)

    def write_json(self, name, entries):
        """Write a JSON file in one move."""
        write_whole(self.path / name, json.dumps(entries, indent=2) + "\n")


class FollowedRun(RunFolder):
    """A run as those see it that train along, on other machines perhaps: they read nothing of it, and write nothing."""

    @classmethod
    def create(cls, path, config, *, data_dir=None):
        return cls(Path(path), config, data_dir)

    def last(self):
        return None

    def _nothing(self, *_):
        """Rank 0 does."""

    save = append_row = truncate_rows = clean = write_config = write_json = _nothing


def _hint(path):
    runs = sorted(p.parent.as_posix() for p in path.glob("*/config.json")) if path.is_dir() else []
    return f"; did you mean {runs[-1]}?" if runs else ""


def next_run_path(folder="runs"):
    """runs/001, runs/002, ...: the first number that is above all that exist."""
    numbers = [int(p.name) for p in Path(folder).glob("[0-9]*") if p.name.isdigit()]
    return Path(folder) / f"{max(numbers, default=0) + 1:03d}"


def latest_run_path(folder="runs"):
    """The run in `folder` that changed last, or None."""
    runs = [p.parent for p in Path(folder).glob("*/config.json")]
    return max(runs, key=lambda run: max(p.stat().st_mtime for p in run.iterdir()), default=None)
