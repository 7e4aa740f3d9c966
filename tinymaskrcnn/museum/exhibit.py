"""An exhibit: a small edit of the package's own source, where it comes from, and what one sees of it.

Only text is handled here, so that a process can lay an exhibit over the package before it imports anything of it.
"""

import dataclasses
import difflib
from pathlib import Path

from ..errors import TinyMaskRCNNError

PACKAGE = Path(__file__).parents[1]


class StalePatchError(TinyMaskRCNNError, ValueError):
    """The text that an exhibit replaces stands in its file no more, or more than once."""


@dataclasses.dataclass(frozen=True)
class Exhibit:
    """A bug as a patch.

    name for the command line, title in a line; edits ((file below the package, old text, new text), ...), each old text
    once in its file; origin: who made it, and where that can be read; seen: what a student sees of it; view: the
    picture that shows it (`views.py`); harmless: it looks like a bug and changes nothing.
    """

    name: str
    title: str
    edits: tuple
    origin: str
    seen: str
    view: str
    harmless: bool = False

    def files(self):
        """The files that it edits, each once."""
        return list(dict.fromkeys(file for file, _, _ in self.edits))

    def sources(self):
        """{file: its text with the bug}; StalePatchError when an old text is not there exactly once."""
        texts = {file: _read(file) for file in self.files()}
        for file, old, new in self.edits:
            if (found := texts[file].count(old)) != 1:
                line = old.strip().splitlines()[0]
                raise StalePatchError(
                    f"museum exhibit {self.name}: {file} must hold the text it replaces once; it stands there "
                    f"{found} times: {line!r}. The source has moved on: bring the exhibit's old text up to date."
                )
            texts[file] = texts[file].replace(old, new)
        return texts

    def modules(self):
        """{dotted module: its text with the bug}, as `plant.py` takes them."""
        return {module_name(file): text for file, text in self.sources().items()}

    def diff(self):
        """The patch as a unified diff, one line of context."""
        lines = []
        for file, text in self.sources().items():
            was, now = _read(file).splitlines(), text.splitlines()
            lines += difflib.unified_diff(was, now, f"tinymaskrcnn/{file}", f"{self.name}/{file}", lineterm="", n=1)
        return "\n".join(lines)


def module_name(file):
    """ops/conv.py -> tinymaskrcnn.ops.conv"""
    parts = (PACKAGE.name, *Path(file).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _read(file):
    return (PACKAGE / file).read_text(encoding="utf-8")
