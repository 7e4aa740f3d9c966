"""The exceptions of the package: every message names the argument, what was wanted and what was given.

A line of a message has at most LONGEST characters, whatever was given: what is longer loses its middle. Tables of
problems (`data check`) are output and no message; of those a message holds the head.
"""

import difflib
import re

LONGEST = 500
ALIKE = 0.6  # of 1: from there on a word is a misspelt other one


class TinyMaskRCNNError(Exception):
    """Base class: `except TinyMaskRCNNError` catches everything this package raises on purpose."""

    def __str__(self):
        lines = super().__str__().split("\n")
        return "\n".join(x if len(x) <= LONGEST else f"{x[: LONGEST - 195]} ... {x[-190:]}" for x in lines)


class ShapeError(TinyMaskRCNNError, ValueError):
    """An array has the wrong number of axes, or an axis has the wrong length."""


class DtypeError(TinyMaskRCNNError, TypeError):
    """An array holds the wrong kind of number, or something that is not an array was given."""


class BackendError(TinyMaskRCNNError, TypeError):
    """Arrays of the host and of a device were mixed, or a device is not available."""


class ArgumentError(TinyMaskRCNNError, ValueError):
    """A value is outside what the function accepts (a negative stride, a label out of range, a bad box)."""


class ConfigError(TinyMaskRCNNError, ValueError):
    """A configuration has an unknown or impossible entry."""


class DataError(TinyMaskRCNNError, ValueError):
    """A data file is missing, truncated, of another kind, or fails its checksum."""


class CheckpointError(TinyMaskRCNNError, ValueError):
    """A checkpoint cannot be read, or belongs to another configuration."""


class NonFiniteError(TinyMaskRCNNError, ArithmeticError):
    """A NaN or an infinity appeared during training; names the tensor, the layer and the step."""


class RankError(TinyMaskRCNNError, RuntimeError):
    """Of several processes that train together, one is lost, is another version, or does something else."""


def shown(value, most=60):
    """repr(value) for a message, cut in the middle when it is long; never an error of its own."""
    try:
        text = repr(value)
    except Exception:
        text = f"a {type(value).__name__}"
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= most else f"{text[: most // 2]} ... {text[-(most // 2 - 5) :]}"


def listed(names, *, most=12, room=200):
    """Names for a message: as many as go into `room` characters, at most `most`, and how many more there are."""
    names = [name if len(name) <= 100 else f"{name[:95]} ..." for name in map(str, names)]
    kept = []
    for name in names[:most]:
        if kept and sum(map(len, kept)) + len(name) > room:
            break
        kept.append(name)
    more = f" and {len(names) - len(kept)} more" if len(names) > len(kept) else ""
    return ", ".join(kept) + more if names else "nothing"


def meant(word, names):
    """Which of the names a word that is none of them was probably meant to be, for a message; "" when it is like none.

    A name is like a word that it holds, that is spelt like it, or like one of its parts: "nmss" means "proposal_nms".
    """
    word, names = str(word).lower(), list(map(str, names))

    def likeness(name):
        spelt, *parts = (
            difflib.SequenceMatcher(None, word, text).ratio()
            for text in (name.lower(), *re.split(r"[\W_]+", name.lower()))
        )
        holds = len(word) / len(name) if len(word) > 2 and word in name.lower() else 0
        return max(spelt, 0.8 * max(parts), 0.7 + 0.3 * holds if holds else 0)

    best = max(names, key=likeness, default="")
    return best if names and word and likeness(best) >= ALIKE else ""
