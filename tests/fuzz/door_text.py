"""Lists of pictures and of class names, as editors, spreadsheets and shells write them."""

from tinymaskrcnn.commands.convert import _class_names
from tinymaskrcnn.config import ModelConfig
from tinymaskrcnn.data.coco import read_list
from tinymaskrcnn.files import read_lines

from .damage import damaged_bytes, pick
from .frame import Door

WORDS = ("cat.png", "17", "  dog.jpg ", "猫.png", "a\u2028b.png", "x\x0cy", "a\tb", "", "\x1b[31m", "\ufeffz", "é")


def make_list(rng, folder):
    """A text file with a few lines in some encoding, sound or damaged."""
    path = folder / "list.txt"
    lines = [pick(rng, WORDS) for _ in range(int(rng.integers(0, 8)))]
    text = pick(rng, ["\n", "\r\n", "\r"]).join(lines)
    contents = text.encode(pick(rng, ["utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"]), "replace")
    path.write_bytes(damaged_bytes(rng, contents) if rng.random() < 0.5 else contents)
    return path


def use_list(path):
    for line in read_list(path):
        assert line and line == line.strip() and "\n" not in line


def use_classes(path):
    """The names of as many classes as there are lines: each can stand in a model's settings."""
    names = _class_names(path, len(read_lines(path)) + 1)
    assert ModelConfig(num_classes=len(names), class_names=names).class_names == names
    assert len(set(names)) == len(names) or "N/A" in names


DOORS = [Door("picture list", make_list, use_list), Door("class list", make_list, use_classes)]
