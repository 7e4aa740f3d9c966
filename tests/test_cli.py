"""The parser and the way errors are said."""

import importlib
import io
import os
import subprocess
import sys

import pytest
from threadpoolctl import threadpool_info

from tinymaskrcnn import __version__, cli
from tinymaskrcnn.errors import DataError
from tinymaskrcnn.kernels.threads import get_threads, set_threads


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
    ],
)
def test_unknown_words_name_the_closest(words, message, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_alone_it_helps(capsys):
    assert cli.main([]) == 0
    captured = capsys.readouterr()
    assert captured.err == "" and all(name in captured.out for name in cli.COMMANDS)


IN_ONE_PROCESS = """
import runpy, sys
for words in sys.argv[1:]:
    sys.argv = ["tinymaskrcnn", *words.split("\\t")]
    try:
        runpy.run_module("tinymaskrcnn", run_name="__main__", alter_sys=False)
    except SystemExit as end:
        assert end.code == 2, end.code
    print(end="\\0", file=sys.stderr)
"""
ENCODINGS = ("ascii", "ascii:strict", "cp1252", "cp437", "utf-8", "utf-8:surrogateescape")


@pytest.mark.in_turn
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_console_of_any_encoding_gets_every_text(encoding, tmp_path):
    """Names in any script, half surrogates included, in arguments and in what is said of them."""
    name = os.fsdecode("größe 猫 ".encode() + b"\xe9.json")
    several = ["train", "--config", name], ["data", "check", "--annotations", name, "--images", "."], [name]
    done = subprocess.run(
        [sys.executable, "-c", IN_ONE_PROCESS, *map("\t".join, several)],
        capture_output=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONIOENCODING": encoding},
    )
    *said, end = done.stderr.decode(encoding.split(":")[0]).split("\0")
    assert len(said) == len(several) and end == "" and done.returncode == 0, done.stderr
    for err in said:
        assert "Traceback" not in err and "Unicode" not in err, err
        assert "error: " in err and r"\udce9" in err and (r"gr\xf6\xdfe" in err or "größe" in err), err


def test_a_name_that_the_file_system_cannot_hold_is_one_line(monkeypatch, capsys):
    def encoded(*args):
        "猫".encode("ascii")

    monkeypatch.setattr("tinymaskrcnn.commands.data.listing", encoded)
    assert fails(capsys, "data") == "error: '猫' cannot be written in ascii: ordinal not in range(128)"
    monkeypatch.setattr("tinymaskrcnn.commands.data.listing", lambda *args: b"\xe9".decode("utf-8"))
    assert fails(capsys, "data").startswith(r"error: b'\xe9' is no text in utf-8")


HEAVY = {"numpy", "scipy", "matplotlib", "PIL", "tqdm", "threadpoolctl", "onnx", "cupy", "multiprocessing"}


def run_module(*words):
    """Python code that does what `python -m tinymaskrcnn words` does, and then goes on."""
    call = "runpy.run_module('tinymaskrcnn', run_name='__main__')"
    return f"import contextlib, runpy, sys\nsys.argv = {['tinymaskrcnn', *words]}\n" + (
        f"with contextlib.suppress(SystemExit), contextlib.redirect_stdout(None): {call}"
    )


@pytest.mark.parametrize(
    "code",
    ["import tinymaskrcnn", run_module("--help"), run_module("train", "--help"), run_module("--version")],
)
def test_nothing_heavy_is_imported_to_begin_with(code):
    """Not the time is tested but what takes it: numpy alone doubles it, matplotlib takes four times as long."""
    code += "\nimport sys; print(sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "'tinymaskrcnn'" in done.stdout, done.stderr
    assert not [name for name in HEAVY if f"'{name}'" in done.stdout]


@pytest.mark.parametrize("command", ["train", "evaluate", "predict", "demo", "profile"])
def test_every_command_that_computes_has_threads(command, capsys):
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    assert "--threads N" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_a_wrong_number_of_threads_is_said_before_anything_else(text, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("TINYMASKRCNN_THREADS", text)
    set_threads(None)  # as in a new process
    message = f"error: TINYMASKRCNN_THREADS must be a whole number, at least 1; got {text!r}"
    for words in (["train", "--out", str(tmp_path / "run")], ["predict", "none.png", "--model", "none"], ["doctor"]):
        assert fails(capsys, *words) == message
    assert not (tmp_path / "run").exists()
    assert fails(capsys, "predict", "none.png", "--model", "none", "--threads", "1") != message


@pytest.mark.parametrize("command", ["train", "evaluate x", "predict x --model x", "demo", "profile"])
def test_the_threads_hold_from_the_first_line_of_a_command_on(command, monkeypatch):
    """Also while annotations are indexed, pictures measured and anchors compared: BLAS never takes more than one."""
    seen = []

    def command_itself(args):
        pools = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
        seen.append((get_threads(), *pools))

    monkeypatch.setattr(f"tinymaskrcnn.commands.{command.split()[0]}.run", command_itself)
    cli.main([*command.split(), "--threads", "3"])
    set_threads(None)
    assert len(seen) == 1 and set(seen[0][1:]) == {1} and seen[0][0] == 3


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


def test_the_words_stand_in_argv_when_none_are_given(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["tinymaskrcnn", "--version"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 0 and capsys.readouterr().out == f"tinymaskrcnn {__version__}\n"


@pytest.mark.parametrize("status", [0, 1, 7, None])
def test_a_command_says_how_the_program_ends(status, monkeypatch):
    monkeypatch.setattr("tinymaskrcnn.commands.data.run", lambda args: status)
    assert cli.main(("data",)) == status


def test_an_error_of_our_own_and_one_without_a_file(monkeypatch, capsys):
    for error in (DataError("a.json: is empty"), OSError("a.json: is empty")):

        def broken(args, error=error):
            raise error

        monkeypatch.setattr("tinymaskrcnn.commands.data.run", broken)
        assert fails(capsys, "data") == "error: a.json: is empty"


class Unread:
    """Output that nobody reads any more."""

    encoding = "utf-8"

    def __init__(self, fileno):
        self.fileno = fileno

    def write(self, text):
        return len(text)

    def flush(self):
        raise BrokenPipeError(32, "Broken pipe")


def test_output_that_nobody_reads(monkeypatch, capsys, tmp_path):
    def no_file():
        raise OSError("not a file")

    def closed():
        raise ValueError("closed")

    monkeypatch.setattr("tinymaskrcnn.commands.data.run", lambda args: 0)
    for fileno in (no_file, closed):
        monkeypatch.setattr(sys, "stdout", Unread(fileno))
        assert cli.main(["data"]) == 141
    with open(tmp_path / "out", "w") as file:
        monkeypatch.setattr(sys, "stdout", Unread(file.fileno))
        assert cli.main(["data"]) == 141
        file.write("what is left")
    assert (tmp_path / "out").read_text() == "", "the rest goes nowhere, so that the end does not stumble over it"
    monkeypatch.undo()
    assert capsys.readouterr().err == ""


def test_a_console_that_cannot_be_told_how_to_write(monkeypatch):
    class Closed(io.StringIO):
        def reconfigure(self, **_):
            raise ValueError("closed")

    for stream in (io.StringIO(), Closed()):
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", stream)
        cli.write_everything()
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stderr", ascii_only)
    cli.write_everything()
    ascii_only.write("\u732b")
    ascii_only.flush()
    assert ascii_only.buffer.getvalue() == rb"\u732b"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["xyzzy"], "unknown command 'xyzzy'; known are train, evaluate, predict"),
        (["data", "--xyzzyx"], "unknown option '--xyzzyx'; known are -h, --help"),
        (["--vers"], "required: COMMAND"),  # nothing is guessed from its beginning
        (["evaluate", "x", "--js"], "unknown option '--js'; did you mean --json?"),
    ],
)
def test_what_resembles_nothing(words, message, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == 2 and message in capsys.readouterr().err


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_says_what_it_does_and_shows_examples(name, capsys):
    command = importlib.import_module(f"tinymaskrcnn.commands.{name}")
    with pytest.raises(SystemExit) as caught:
        cli.main([name, "--help"])
    out = capsys.readouterr().out
    sentence = f"{command.HELP[0].upper()}{command.HELP[1:]}."
    assert caught.value.code == 0 and sentence in " ".join(out.split())
    assert out.endswith(command.EXAMPLES.rstrip() + "\n")
    cli.build_parser()[0].print_help()
    assert command.HELP.split(";")[0][:40] in " ".join(capsys.readouterr().out.split())
