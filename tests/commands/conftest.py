"""A very small run that all commands can look at, and a helper that trains another one."""

import json

import pytest

from tinymaskrcnn import cli

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


@pytest.fixture
def fails(capsys):
    """fails(words): the line on stderr of a command that must fail with status 2."""

    def call(*argv):
        assert cli.main([str(word) for word in argv]) == 2
        captured = capsys.readouterr()
        lines = captured.err.strip().splitlines()
        assert lines[-1].startswith("error: ") and "Traceback" not in captured.err
        return lines[-1]

    return call
