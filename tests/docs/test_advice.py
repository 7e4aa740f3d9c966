"""What a message, a docstring, a page or a lesson advises exists: commands, options, files, extras, settings, names.

Sentences that nobody runs grow old in silence. So they are collected here from everywhere a reader meets them, and each
is held against what it speaks of: an option against the very command beside it.
"""

import ast
import functools
import importlib
import re
import shlex
import tomllib
from pathlib import Path

import numpy as np
import pytest

from tinymaskrcnn import cli
from tinymaskrcnn.commands import options
from tinymaskrcnn.config import Config, to_dict

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "tinymaskrcnn"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "lessons/README.md"]
LESSONS = sorted((ROOT / "lessons").glob("*.py"))
SOURCES = sorted(PACKAGE.rglob("*.py"))
TOOLS = [path for path in (ROOT / "tests").rglob("*.py") if "add_argument(" in path.read_text(encoding="utf-8")]
OTHER_PROGRAMS = re.compile(r"`(jupyter|python|pip|docker) [^`]*`")
ELSEWHERE = {"docs/_build/html", "docs/_build/html/index.html", "docs/_build/live"}  # made when they are asked for
FOREIGN = {  # options of programs that are not ours, by the page that speaks of them
    "docs/cuda.md": {"--fmad"},
    "docs/instructor_guide.md": {
        *("--no-deps", "--cpus", "--network", "--pids-limit", "--read-only", "--rm", "--tmpfs", "--user"),
    },
    "docs/scaling.md": {"--allow-run-as-root", "--bind-to", "--host", "--kill-on-bad-exit", "--signal"},
    "lessons/README.md": {"--allow-root", "--no-deps"},
}
SHOWN_BY = {  # the commands that show a message of the library which speaks of an option
    "tinymaskrcnn/cli.py": [],
    "tinymaskrcnn/commands/pictures.py": [("train",)],
    "tinymaskrcnn/data/mnist.py": [("train",), ("evaluate",), ("data",)],
    "tinymaskrcnn/homework/check.py": [("homework", "check")],
    "tinymaskrcnn/homework/grade.py": [("homework", "grade")],
    "tinymaskrcnn/homework/release.py": [("homework", "check")],
    "tinymaskrcnn/homework/files.py": [("homework", "release"), ("homework", "grade")],
    "tinymaskrcnn/train/run.py": [("train",)],
}
NEVER_SHOWN = {"profile": {"--preset"}}  # profile takes the settings of train, but no preset
NOT_FOR_READERS = ("homework/remote.py", "homework/worker.py", "homework/feedback.py", "cuda/launch.py")
NOT_FOR_READERS += ("visualize/steps.py", "visualize/touch/page.py")  # styles are no options


def parsers():
    """{words of a command, as ("homework", "check"): {its options}}."""
    found = {}

    def add(words, parser):
        found[words] = set(parser._option_string_actions)
        for action in parser._actions:
            if isinstance(action.choices, dict):
                for name, part in action.choices.items():
                    add((*words, name), part)

    for name, parser in cli.build_parser()[1].items():
        add((name,), parser)
    return found


COMMANDS = parsers()
EVERY_OPTION = set().union(*COMMANDS.values(), {"--version", "--help"})


def strings(path):
    """The texts in a Python file, docstrings and comments of lessons included; what is filled in is `{}`."""
    yield from texts_of(ast.parse(path.read_text(encoding="utf-8")))


def texts_of(tree):
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values]
            yield node.lineno, "".join(parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.lineno, node.value


@functools.cache
def texts():
    """[(where, text)] of everything that is read."""
    found = [(f"{path.relative_to(ROOT)}:{line}", text) for path in SOURCES for line, text in strings(path)]
    for path in (*PAGES, *LESSONS):
        text = path.read_text(encoding="utf-8").replace("\\\n", " ")
        found.append((str(path.relative_to(ROOT)), text))
    return found


CALL = re.compile(r"(?<![\w./-])(?:[\w./]*/)?tinymaskrcnn((?: [^\n`|&>#]*)?)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")


def calls(text):
    """The words behind each `tinymaskrcnn` that is followed by a command."""
    for match in CALL.finditer(text):
        yield match[1].split()


def command_of(words):
    """The command that stands at the beginning of some words, as ("homework", "check")."""
    return tuple(words[:2]) if tuple(words[:2]) in COMMANDS else tuple(words[:1])


def test_commands_that_are_spoken_of_exist():
    found = [(where, words) for where, text in texts() for words in calls(text) if words and words[0][0].isalpha()]
    assert len(found) > 100
    wrong = [(w, words) for w, words in found if words[0].strip(".,:;") not in {*cli.COMMANDS, "import"}]
    assert not wrong


def test_an_option_beside_a_command_is_one_of_that_command():
    checked = 0
    for where, text in texts():
        for words in calls(text):
            command = command_of(words)
            for option in OPTION.findall(" ".join(words)) if command in COMMANDS else ():
                checked += 1
                assert option in COMMANDS[command], f"{where}: {' '.join(command)} has no {option}"
    assert checked > 80


def uses(name, file):
    """The functions of a shared file of commands/ that a command imports, and what these call in their own file."""
    tree = ast.parse((PACKAGE / "commands" / f"{name}.py").read_text(encoding="utf-8"))
    taken = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == file
        for alias in node.names
    }
    functions = {
        f.name: f for f in ast.parse((PACKAGE / "commands" / f"{file}.py").read_text()).body if hasattr(f, "name")
    }
    while True:
        called = {n.id for f in taken if f in functions for n in ast.walk(functions[f]) if isinstance(n, ast.Name)}
        if called <= taken:
            return [functions[f] for f in taken if f in functions]
        taken |= called


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_what_a_command_says_of_options_is_about_its_own(name):
    """Its own texts and those of the shared functions it uses; other commands' options stand beside the command."""
    own = set().union(NEVER_SHOWN.get(name, ()), *(known for words, known in COMMANDS.items() if words[0] == name))
    said = [(f"commands/{name}.py:{line}", text) for line, text in strings(PACKAGE / "commands" / f"{name}.py")]
    for function in uses(name, "options"):
        said += [(f"commands/options.py: {function.name}", text) for _, text in texts_of(function)]
    for where, text in said:
        for option in OPTION.findall(CALL.sub("", text)):
            assert option in own, f"{where}: {name} has no {option}: {text!r}"


def test_what_the_library_says_of_options_holds_for_every_command_that_shows_it():
    for where, text in texts():
        path = where.partition(":")[0]
        if not path.startswith("tinymaskrcnn/") or path.endswith(NOT_FOR_READERS):
            continue
        if path.startswith("tinymaskrcnn/commands/") and path not in SHOWN_BY:
            continue  # the test above
        for option in OPTION.findall(CALL.sub("", OTHER_PROGRAMS.sub("", text))):
            if path == "tinymaskrcnn/cli.py":
                assert option in EVERY_OPTION, where
                continue
            if path.startswith("tinymaskrcnn/homework/") and path not in SHOWN_BY:
                actions = [known for words, known in COMMANDS.items() if words[0] == "homework"]
                assert option in set().union(*actions), f"{where}: no homework action has {option}"
                continue
            assert path in SHOWN_BY, f"{where}: which command has {option}? Name it, or leave the option out: {text!r}"
            for command in SHOWN_BY[path]:
                assert option in COMMANDS[command], f"{where}: {' '.join(command)} has no {option}"


def test_options_that_pages_and_lessons_speak_of_exist():
    tools = set().union(*(OPTION.findall(path.read_text(encoding="utf-8")) for path in TOOLS))
    for where, text in texts():
        if not where.startswith("tinymaskrcnn/"):
            for option in OPTION.findall(text):
                assert option in EVERY_OPTION | tools | FOREIGN.get(where, set()), f"{where}: {option}"


LINE = re.compile(r"^(?:    |\$ )?(?:[A-Z_]+=\S+ )?tinymaskrcnn [a-z].*$", re.MULTILINE)


def test_lines_to_be_typed_are_understood(capsys):
    """Every line of a code block or of the examples below --help is one that the parser takes."""
    lines = [(where, line) for where, text in texts() for line in LINE.findall(text) if "\n" in text]
    parsed = 0
    for where, line in lines:
        line = re.split(r"\s{2,}(?=\S)|  #|&&", line.strip().removeprefix("$ "))[0]
        words = shlex.split(line, comments=True)
        words = words[words.index("tinymaskrcnn") + 1 :]
        if any(word in ("...", "…") or "{" in word for word in words) or where.endswith("__init__.py:1"):
            continue
        try:
            cli.parse(words)
        except SystemExit as end:
            assert end.code == 0, f"{where}: {line}: {capsys.readouterr().err}"
        parsed += 1
    assert parsed > 25


PATH = re.compile(r"(?<![\w./:-])(?:docs|tests|lessons|tinymaskrcnn)/[\w./-]*\w")
LINK = re.compile(r"\]\(([^)\s#:]+)(?:#[^)]*)?\)")


def test_files_that_are_spoken_of_exist():
    found = 0
    for where, text in texts():
        for path in PATH.findall(text):
            found += 1
            assert (ROOT / path).exists() or path in ELSEWHERE, f"{where}: {path}"
    for page in PAGES:
        for link in LINK.findall(page.read_text(encoding="utf-8")):
            found += 1
            brought = link.startswith("lessons/") and (ROOT / link).exists()  # among the pages, when they are built
            assert brought or (page.parent / link).exists(), f"{page.name}: {link}"
    assert found > 80


def test_extras_settings_variables_and_names_exist():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    settings = set(options.flat_names(to_dict(Config())))
    read = "".join(path.read_text(encoding="utf-8") for path in (*SOURCES, *LESSONS, *(ROOT / "tests").rglob("*.py")))
    for where, text in texts():
        for extra in re.findall(r"(?:tinymaskrcnn|\.)\[([a-z]+)\]['\"]", text):
            assert extra in project["optional-dependencies"], f"{where}: {extra}"
        for name in re.findall(r"--set ([a-z_.]+)=", text):
            assert name in settings, f"{where}: there is no setting {name}"
        for name in re.findall(r"\((model|scenes|train|coco)(\.[a-z_.]+)\)", text):
            assert "".join(name) in settings, f"{where}: there is no setting {''.join(name)}"
        for name in re.findall(r"TINYMASKRCNN_[A-Z]+", text):
            assert re.search(rf"(environ|getenv)[^\n]*{name}", read), f"{where}: nothing reads {name}"
        for name in re.findall(r"(?<![\w/.])tinymaskrcnn((?:\.[A-Za-z_]\w*)+)", text):
            made_up = name == ".solution"  # by homework/cut.py, while it runs
            assert made_up or resolves(name[1:].split(".")), f"{where}: tinymaskrcnn{name}"


def test_the_time_of_the_default_run_stands_in_one_place():
    """With the machine it was measured on; three places once gave three times."""
    time = re.compile(r"\b(\d+|two|three|four|five|six|seven|eight|nine|ten)( to \w+)? min(utes)?\b")
    assert time.search((ROOT / "docs/training.md").read_text(encoding="utf-8"))
    for page in (ROOT / "README.md", ROOT / "docs/index.md", PACKAGE / "commands/train.py"):
        assert not time.search(page.read_text(encoding="utf-8")), page.name


def test_what_the_readme_shows_in_python_names_digits(tmp_path, monkeypatch, capsys):
    """The lines that look at a picture, with the detector in the package and scenes whose digits are known."""
    from PIL import Image

    from tinymaskrcnn.data.loader import SceneStream
    from tinymaskrcnn.experiment import open_detector

    [code] = re.findall(r"```python\n(from tinymaskrcnn import Config.*?)```", README, re.DOTALL)
    experiment = open_detector("tour")
    image, target = SceneStream(options.PRESETS["tour"]().scenes, split="test", seed=0, batch_size=1).scene(2)
    Image.fromarray(np.uint8(255 * image[:, :, 0])).save(tmp_path / "my_digits.png")
    monkeypatch.chdir(tmp_path)
    imports, last = code.splitlines()[0], code[code.index("image = read_image") :]
    exec("\n".join([imports, last]), {"experiment": experiment})
    found = ast.literal_eval(re.match(r"\[[^]]*\]", capsys.readouterr().out)[0])
    assert found[:1] == [str(label - 1) for label in target.labels]  # one digit is there, and the best score is of it


def resolves(parts):
    """Whether tinymaskrcnn.part.part is a module or something in one."""
    value = importlib.import_module("tinymaskrcnn")
    for k, part in enumerate(parts):
        if not hasattr(value, part):
            try:
                importlib.import_module(".".join(["tinymaskrcnn", *parts[: k + 1]]))
            except ImportError:
                return part in ("npz", "css", "js")
        value = getattr(value, part)
    return True


def test_a_page_installs_from_no_index_what_is_on_none():
    """Before anything is installed there is a folder, a wheel or an address; a bare name works only afterwards."""
    for page in (ROOT / "README.md", ROOT / "docs/index.md", ROOT / "docs/lessons.md", ROOT / "lessons/README.md"):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"pip install (?:-\S+ )*[\"']?tinymaskrcnn(?!-\*\.whl)", text), page


# ---------------------------------------------------------------- sources

NAMELESS = re.compile(
    r"\b(?:one|some|two) of (?:the|its|our) (?:sources|documents|slides|projects)\b|\bgrew out of\b"
    r"|\bat least \w+ implementations\b|\bthe handout\b|\bits own slides\b",
    re.IGNORECASE,
)


@pytest.mark.parametrize("path", [*PAGES, *LESSONS, *SOURCES], ids=lambda path: str(path.relative_to(ROOT)))
def test_sources_have_names(path):
    """Who quotes says whom, so that a reader can look."""
    text = re.sub(r"\n# ?", "\n", path.read_text(encoding="utf-8"))  # a lesson's sentences go on over its lines
    found = NAMELESS.search(" ".join(text.split()))
    assert found is None, f"{path.relative_to(ROOT)}: “{found[0]}”: which?"
