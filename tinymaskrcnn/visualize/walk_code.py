"""A line of Python as HTML: keywords, texts, numbers and comments told apart, and links at what it calls."""

import keyword
import re
from html import escape

TOKEN = re.compile(
    r"""(?P<text>[rfbu]{0,2}(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'))|(?P<remark>\#.*)|(?P<number>(?<![\w.])\d[\w.]*)"""
    r"""|(?P<name>[A-Za-z_]\w*)|(?P<other>\s+|.)""",
    re.VERBOSE,
)
TAGS = {"text": "s", "remark": "i", "number": "u"}


def highlighted(line, links):
    """The HTML of a line without its indentation, and the links that found their place.

    links {name: id of what is called}: each goes to the first place of that name
    """
    parts, used = [], set()
    for match in TOKEN.finditer(line):
        kind, text = match.lastgroup, match[0]
        if kind == "name" and keyword.iskeyword(text):
            parts.append(f"<b>{text}</b>")
        elif kind == "name" and text in links and links[text] not in used:
            used.add(links[text])
            parts.append(f'<a href="#{links[text]}">{text}</a>')
        elif kind in TAGS:
            parts.append(f"<{TAGS[kind]}>{escape(text, quote=False)}</{TAGS[kind]}>")
        else:
            parts.append(escape(text, quote=False))
    return "".join(parts), used
