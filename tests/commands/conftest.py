"""A very small run that all commands can look at, and a helper that trains another one."""

import json
import re

import pytest

from tinymaskrcnn import cli
from tinymaskrcnn.visualize.style import message_figure

TINY = {
    "model.backbone.depths": [1, 1, 1, 1],
    "model.backbone.widths": [8, 8, 8, 8],
    "model.backbone.stem_width": 8,
    "model.backbone.fpn_channels": 8,
    "model.roi.head_width": 16,
    "model.roi.mask_widths": [8],
    "model.roi.mask_deconv_width": 8,
    "model.roi.samples_per_image": 8,
    "model.rpn.samples_per_image": 8,
    "scenes.image_size": 64,
    "scenes.digits_per_image": [1, 2],
    "train.batch_size": 2,
    "train.steps": 4,
    "train.checkpoint_every": 2,
    "train.eval_scenes": 2,
}


def words(**settings):
    """The command-line words that make a tiny run."""
    table = TINY | {name.replace("__", "."): value for name, value in settings.items()}
    return [word for name, value in table.items() for word in ("--set", f"{name}={json.dumps(value)}")]


@pytest.fixture(scope="session")
def tiny_words():
    return words


@pytest.fixture(scope="session")
def train():
    """train(folder, more words, name__of__setting=value): the exit status of `tinymaskrcnn train`."""
    return lambda out, *more, **settings: cli.main(["train", "--out", str(out), *words(**settings), *map(str, more)])


@pytest.fixture(scope="session")
def run(train, tmp_path_factory):
    """A run of four steps."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    assert train(folder) == 0
    return folder


@pytest.fixture(autouse=True)
def few_curves(monkeypatch):
    """Curves and anchors take longer to draw than these runs to train; runs that tests share draw them, all detections.

    Fixtures of a session or a module are made before this one.
    """
    for name in ("curves_figure", "coverage_figure"):
        monkeypatch.setattr(f"tinymaskrcnn.visualize.{name}", lambda _: message_figure("not drawn here"))


def check_advice(argv, said):
    """Every option that a command's message speaks of is one of this command, or stands beside the one it is of."""
    parsers = cli.build_parser()[1]
    here = parsers[argv[0]]
    known = set(here._option_string_actions) | {word for word in argv if word.startswith("--")}
    for action in here._actions:
        if isinstance(action.choices, dict):
            known |= {option for part in action.choices.values() for option in part._option_string_actions}
    for command, words in re.findall(r"tinymaskrcnn ([a-z]+)([^`\n]*)", said):
        for option in re.findall(r"(?<![\w-])--[a-z-]+", words):
            assert option in parsers[command]._option_string_actions or command == "homework", said
    for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", re.sub(r"tinymaskrcnn [a-z]+[^`\n]*", "", said)):
        assert option in known, f"{argv[0]} has no {option}: {said}"


@pytest.fixture
def fails(capsys):
    """fails(words): the line on stderr of a command that must fail with status 2."""

    def call(*argv):
        assert cli.main([str(word) for word in argv]) == 2
        captured = capsys.readouterr()
        lines = captured.err.strip().splitlines()
        assert lines[-1].startswith("error: ") and "Traceback" not in captured.err
        check_advice([str(word) for word in argv], captured.err)
        return lines[-1]

    return call
