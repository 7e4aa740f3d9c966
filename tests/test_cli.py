"""The parser and the way errors are said."""

import subprocess
import sys

import pytest

from tinymaskrcnn import __version__, cli


def fails(capsys, *argv):
    assert cli.main(list(argv)) == 2
    return capsys.readouterr().err.strip()


@pytest.mark.parametrize(
    "words, message",
    [
        (["train", "--stpes", "3"], "unknown option '--stpes'; did you mean --steps?"),
        (["train", "--step=3"], "did you mean --steps?"),
        (["evaluate", "run", "--jsn"], "did you mean --json?"),
        (["trian"], "unknown command 'trian'; did you mean train?"),
        (["train", "--steps", "many"], "invalid int value: 'many'"),
        (["train", "--threads", "0"], "must be a whole number, at least 1; got '0'"),
        ([], "COMMAND"),
    ],
)
def test_unknown_words_name_the_closest(words, message, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_help_is_quick_and_imports_no_numpy():
    code = "import sys; from tinymaskrcnn import cli; cli.build_parser(); print('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_the_module_is_the_command_line():
    done = subprocess.run([sys.executable, "-m", "tinymaskrcnn", "--version"], capture_output=True, text=True)
    assert done.stdout == f"tinymaskrcnn {__version__}\n"


def test_file_errors_are_one_line(monkeypatch, capsys):
    def broken(*args):
        raise PermissionError(13, "Permission denied", "data/file")

    monkeypatch.setattr("tinymaskrcnn.commands.data.listing", broken)
    assert fails(capsys, "data") == "error: data/file: Permission denied"


def test_ctrl_c_anywhere_is_one_line(monkeypatch, capsys):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("tinymaskrcnn.commands.data.listing", interrupted)
    assert cli.main(["data"]) == 130
    assert capsys.readouterr().err == "error: interrupted\n"
