"""Ways to damage bytes, texts and trees of JSON; each draws from a generator, so a seed brings a case back."""

import copy
import json

STRANGE = (
    None, True, False, 0, 1, -1, 2, 7, 255, 2**31, 2**63, -(2**63), 10**12, 10**30, 0.5, -0.5, 1.5, 1e-300, 1e308,
    -1e308, float("nan"), float("inf"), float("-inf"), "", "x", "0", "1.0", "nan", "\ud800", "a\u2028b", "\x0c",
    "$x_1$", "猫" * 300, "../x", "\x00", [], [[]], {}, [{}], [None],
    [0, 0], [1, 2, 3, 4], [0.5, "x"], {"a": 1}, [1] * 1000, "9" * 5000,
)  # fmt: skip

SPLINTERS = (b"\xff\xfe", b"\xef\xbb\xbf", b"\x00", b"\xe2\x80\xa8", b"\x0c", b"\x1b[31m", b"\xed\xa0\x80")


def pick(rng, values):
    return values[int(rng.integers(len(values)))]


def strange(rng):
    """A value that nobody has in mind."""
    return copy.deepcopy(pick(rng, STRANGE))


def places(tree, path=()):
    """The paths of all nodes of a tree of lists and tables, the root's () first."""
    yield path
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from places(value, (*path, key))
    elif isinstance(tree, list):
        for i, value in enumerate(tree):
            yield from places(value, (*path, i))


def damaged_tree(rng, tree, *, most=3):
    """A copy of a tree in which up to `most` nodes were changed, left out, doubled or exchanged."""
    tree = copy.deepcopy(tree)
    for _ in range(int(rng.integers(1, most + 1))):
        where = list(places(tree))
        path = pick(rng, where)
        if not path:
            if rng.random() < 0.05:
                tree = strange(rng)
            continue
        parent = tree
        for step in path[:-1]:
            parent = parent[step]
        _change(rng, parent, path[-1])
    return tree


def _change(rng, parent, key):
    value = parent[key]
    kind = rng.random()
    if kind < 0.55:
        parent[key] = strange(rng)
    elif kind < 0.65 and isinstance(value, (int, float)) and not isinstance(value, bool):
        parent[key] = pick(rng, [-value, value * 10**6, value + 0.5, value - 1, value + 1, value * 0, str(value)])
    elif kind < 0.75:
        del parent[key]
    elif kind < 0.85 and isinstance(parent, list):
        parent.insert(key, copy.deepcopy(value))
    elif kind < 0.9 and isinstance(parent, dict):
        parent[pick(rng, ["", "new", "id", "\ud800", "x" * 600])] = strange(rng)
    elif isinstance(value, list) and value:
        parent[key] = pick(rng, [value[:1], value * 2, value[::-1], value[0], [value]])
    else:
        parent[key] = [value]


def json_bytes(rng, tree):
    """A tree as a file: mostly as JSON should be, sometimes with what Python's writer or a hand may do to it."""
    try:
        text = json.dumps(tree, ensure_ascii=bool(rng.random() < 0.5))
    except (TypeError, ValueError):
        text = "null"
    kind = rng.random()
    if kind < 0.04:
        text = "[" * 100_000 + text
    elif kind < 0.08:
        text = text.replace("1", "1" + "0" * 400, 1)
    elif kind < 0.12 and text.startswith("{"):
        text = text[0] + '"model": {}, "model": {}, ' + text[1:]
    encoding = pick(rng, ["utf-8"] * 12 + ["utf-8-sig", "utf-16", "utf-32", "cp1252"])
    contents = text.encode(encoding, "surrogatepass" if encoding != "cp1252" else "replace")
    return damaged_bytes(rng, contents) if rng.random() < 0.2 else contents


def damaged_bytes(rng, contents):
    """Bytes with one to four wounds: flipped, cut off, cut out, doubled, zeroed, put in."""
    contents = bytearray(contents)
    for _ in range(int(rng.integers(1, 5))):
        at = int(rng.integers(len(contents) + 1))
        length = int(min(rng.geometric(0.05), 4096))
        kind = int(rng.integers(7))
        if kind == 0 and at < len(contents):
            contents[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            del contents[at:]
        elif kind == 2:
            del contents[at : at + length]
        elif kind == 3:
            contents[at:at] = contents[at : at + length]
        elif kind == 4:
            contents[at : at + length] = bytes(min(length, len(contents) - at))
        elif kind == 5:
            contents[at:at] = rng.bytes(length)
        else:
            contents[at:at] = pick(rng, SPLINTERS)
    return bytes(contents)
