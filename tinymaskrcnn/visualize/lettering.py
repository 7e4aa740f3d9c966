"""Names on pictures, drawn as they are written, in whatever script they are.

matplotlib reads a text between two `$` as mathematics, and draws a box for a character that its font does not have.
"""

import functools
import logging
import re
import sys
import unicodedata

from matplotlib import font_manager, rcParams

# Fonts whose characters are not what their numbers say: matplotlib's own for mathematics, and boxes for everything
NO_LETTERS = re.compile(r"Last Resort.*|STIX(Non|Size).*|cm[a-z]{1,2}10")

_log = logging.getLogger("matplotlib.font_manager")
_said = set()  # once in a process is enough


def as_written(text):
    """A text for matplotlib that comes out as it is written: `$` is no mathematics, and every character is there.

    A character that the font in use lacks is taken from another installed font, which is added to matplotlib's
    font.family. Where no font has it, and for control characters and half surrogates, its code is drawn (\\u732b); the
    first time this is said on stderr.
    """
    return with_glyphs(text).replace("$", r"\$")


def with_glyphs(text):
    """`as_written` for titles, which may hold mathematics between two `$`."""
    return "".join(c if " " <= c <= "~" or c == "\n" else _drawable(c) for c in str(text))


def _drawable(character):
    kind = unicodedata.category(character)
    code = character.encode("unicode_escape").decode("ascii")
    if kind in ("Cc", "Cs"):
        return code
    if any(_has(name, character) for name in rcParams["font.family"]):
        return character
    if name := _font_with(character):
        _add_font(name)
        return character
    if kind == "Cf" or unicodedata.name(character, "").startswith("VARIATION SELECTOR"):
        return ""  # a mark that is not seen anyway
    _say_once(character, code)
    return code


def _add_font(name):
    """Let matplotlib ask this font too; that it has no bold face is no news."""
    rcParams["font.family"] = [*rcParams["font.family"], name]
    _log.addFilter(lambda record: f"for {name}" not in record.getMessage())


def _say_once(character, code):
    if not _said:
        _said.add(character)
        print(
            f"note: no installed font has the character {character!r}, so its code {code} is drawn, as for all others "
            "that are in no font; a font such as Noto Sans CJK has those of Chinese, Japanese and Korean",
            file=sys.stderr,
        )


@functools.lru_cache(maxsize=4096)
def _font_with(character):
    """The name of an installed font that has a character, or None."""
    return next((name for name in _font_names() if _has(name, character)), None)


@functools.cache
def _font_names():
    """The installed fonts with an upright face of common weight, those without serifs first."""
    faces = [face for face in font_manager.fontManager.ttflist if not NO_LETTERS.fullmatch(face.name)]
    names = {face.name for face in faces if face.style == "normal" and face.weight in (400, "normal", "regular")}
    return sorted(names, key=lambda name: ("Sans" not in name, name))


def _has(name, character):
    """Whether the upright face of a font, which is what labels are drawn in, has a character."""
    path = font_manager.findfont(font_manager.FontProperties(family=[name]))
    try:
        font = font_manager.get_font(path)
        return font.scalable and font.get_char_index(ord(character)) != 0  # pictures of one size cannot be drawn
    except (OSError, RuntimeError):  # a font that is gone, or damaged
        return False
