"""A walked step as one page to scroll: each function that ran, its lines, and a picture of what each line made."""

import re
from collections import Counter
from html import escape
from pathlib import Path

from ..explain.statements import source_of
from .walk_code import highlighted

HERE = Path(__file__).parent
MOST_CALLS = 14  # kinds of other calls that are listed one by one
DEEPEST = 40  # columns of indentation
MOST_KEPT = 8  # arrays of a cache
MOST_PICTURES = 5  # of one value; where there are more, rows of numbers are left out
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>One training step, line by line</title>
<meta name="description" content="{description}">
<style>{css}</style>
</head>
<body>
<a class="skip" href="#walk">Skip to the walk</a>
{rail}
<main id="walk">
{hero}
{stations}
<footer class="end"><p>{end}</p></footer>
</main>
<script>{script}</script>
</body>
</html>
"""


def walk_page(walk, *, picture, about, hidden=None):
    """The Walk as an HTML page that needs nothing else.

    walk: with looks of `Thumbnails`; picture: the Thumbnail at its head, about: a sentence about model and picture;
    hidden {file: [(first line, last line, what stands there instead)]}: parts that are not shown  ->  text
    """
    return _Page(walk, hidden or {}).text(picture, about)


class _Page:
    def __init__(self, walk, hidden):
        self.walk, self.hidden = walk, hidden
        self.ids = {function: f"f{number}" for number, function in enumerate(walk.functions)}
        self.here = {(function.file, function.name): function for function in walk.functions}
        self.alone = Counter(function.name for function in walk.functions)

    def text(self, picture, about):
        walk = self.walk
        turn = next((k for k, station in enumerate(walk.stations) if station.backward), len(walk.stations))
        before, at_turn, groups = self.grouped(turn)
        parts = [self.group(before)]
        for number, station in enumerate(walk.stations):
            parts += [self.turn(), self.group(at_turn, "backward")] if number == turn else []
            parts.append(self.station(number, station, groups[number]))
        lines = sum(len(function.lines) for function in walk.functions)
        facts = f"{len(walk.functions)} functions, {lines:,} lines, {walk.calls:,} calls"
        return PAGE.format(
            description=escape(f"One training step of a network that finds objects: {facts}, forward and back."),
            css=(HERE / "walk.css").read_text(encoding="utf-8"),
            script=(HERE / "walk.js").read_text(encoding="utf-8"),
            rail=self.rail(turn),
            hero=self.hero(picture, about, lines),
            stations="\n".join(parts),
            end=f"That was all of it: {facts}. The optimizer's step follows, and the next picture.",
        )

    def grouped(self, turn):
        """The functions before the first station, those between forward and backward, and those of each station."""
        starts = [station.call.number for station in self.walk.stations]
        back = next((f.calls[0].number for f in self.walk.functions if _is_root(f) and f.calls[0].number), 0)
        before, at_turn, groups = [], [], [[] for _ in starts]
        for function in self.walk.functions:
            number = function.calls[0].number
            station = sum(start <= number for start in starts) - 1
            if station < 0:
                before.append(function)
            elif station == turn - 1 and number >= back:
                at_turn.append(function)
            else:
                groups[station].append(function)
        return before, at_turn, groups

    # ------------------------------------------------------------ head, turn, way

    def hero(self, picture, about, lines):
        walk = self.walk
        facts = [(f"{len(walk.functions)}", "functions"), (f"{lines:,}", "lines"), (f"{walk.calls:,}", "calls")]
        facts += [(_bytes(walk.kept), "kept for the way back")]
        shown = "".join(f"<li><b>{number}</b> {what}</li>" for number, what in facts)
        losses = f"{_count(len(walk.losses)).lower()} loss{'es say' if len(walk.losses) != 1 else ' says'}"
        whose = "their gradients climb" if len(walk.losses) != 1 else "its gradient climbs"
        return f"""<header class="hero">
<div><p class="over">tinymaskrcnn</p>
<h1>One training step, line by line</h1>
<p class="lead">A picture goes down through the network, {losses} how far off it was, and {whose}
up again. Here is every function that runs on that way, in its order, with the lines that are executed and no other;
beside a line stands what it made.</p>
<p>{escape(about)} Each function is read once, where it first runs; its other calls are listed below it. Pictures are
one array each: from ink to paper where nothing is negative, else blue above zero, orange below, dark at zero.</p>
<ul class="facts">{shown}</ul>
<p class="keys" aria-hidden="true"><kbd>j</kbd> <kbd>k</kbd> next, previous function &nbsp; <kbd>b</kbd> its mirror
&nbsp; <kbd>z</kbd> larger pictures</p></div>
<figure class="first">{_image(picture)}<figcaption>{escape(picture.alt)}</figcaption></figure>
</header>"""

    def turn(self):
        losses = self.walk.losses
        numbers = f"{_count(len(losses))} number{'s say' if len(losses) != 1 else ' says'}"
        most = max(losses.values(), default=1) or 1
        rows = "".join(
            f'<li><span>{escape(name.replace("_", " "))}</span><i style="width:{100 * value / most:.0f}%"></i>'
            f"<b>{value:.3f}</b></li>"
            for name, value in losses.items()
        )
        return f"""<section class="turn" id="turn" tabindex="-1"><h2>The turn</h2>
<p>{numbers} how far off the network was. The derivative of each by itself is 1; with that
everything that ran is walked backwards, and each part finds what it kept.</p>
<ul>{rows}</ul></section>"""

    def rail(self, turn):
        """Where one is: the way down on the left, the way up on the right, each part beside its mirror."""
        stations = list(enumerate(self.walk.stations))
        mirrors = {self.mirror_of(station): number for number, station in stations[turn:]}
        rows, shown = [], set()
        for number, station in stations[:turn]:
            back = mirrors.get((station.call.module, station.call.function.name))
            shown.add(back)
            rows.append(self.rail_row(station.title, number, back))
        for number, station in stations[turn:]:
            if number not in shown:
                rows.append(self.rail_row(station.title, None, number))
        return f"""<nav class="rail" aria-label="The way of the step">
<p class="mark"><a href="#walk">One training step</a></p>
<p class="ways"><span>down</span><span>up again</span></p>
<ol>{"".join(rows)}</ol><p class="bend"><a href="#turn">the turn</a></p>
<p class="now" aria-live="off"></p>
<p class="tools"><button type="button" id="larger" aria-pressed="false">larger pictures</button>
<button type="button" id="theme">light / dark</button></p></nav>"""

    def mirror_of(self, station):
        return station.call.module, station.call.function.partner

    def rail_row(self, title, down, up):
        title = escape(title)

        def arrow(number, sign, way):
            if number is None:
                return "<span></span>"
            return f'<a class="{way}" href="#s{number}" aria-label="{title}, {way}">{sign}</a>'

        return f"<li>{arrow(down, '↓', 'forward')}<em>{title}</em>{arrow(up, '↑', 'backward')}</li>"

    # ------------------------------------------------------------ stations

    def station(self, number, station, functions):
        way = "backward" if station.backward else "forward"
        arrow = "↑" if station.backward else "↓"
        flow = "".join(map(self.seen, station.given)) + '<span class="to" aria-hidden="true">→</span>'
        flow += "".join(map(self.seen, station.returned))
        kept = f" It keeps {_bytes(station.kept)} for the way back." if station.kept else ""
        first = "" if functions else "<p class='none'>Nothing new runs here: all of it was read above.</p>"
        link = self.linked(station.call.function, station.call.function.name)
        return f"""<section class="station {way}" id="s{number}" tabindex="-1" data-title="{escape(station.title)}">
<header><h2><span aria-hidden="true">{arrow}</span> {escape(station.title)}</h2>
<p>{_prose(_first_sentence(station.doc))}{kept} The network calls {link}.</p>
<div class="flow">{flow}</div></header>
{first}{self.group(functions, way)}</section>"""

    def group(self, functions, way="forward"):
        """Cards in their order; those of what checks shapes come folded."""
        parts, marks = [], []
        for function in [*functions, None]:
            if function is not None and function.file == "contract.py":
                marks.append(function)
                continue
            if marks:
                lines = sum(len(mark.lines) for mark in marks)
                label = f"the door of every operator: {len(marks)} functions, {lines} lines, that check shapes"
                cards = "".join(self.card(mark, way) for mark in marks)
                parts.append(f'<details class="marks"><summary>{label}</summary>{cards}</details>')
                marks = []
            if function is not None:
                parts.append(self.card(function, way))
        return "\n".join(parts)

    # ------------------------------------------------------------ functions

    def card(self, function, way):
        number, first = self.ids[function], function.calls[0]
        mirror = self.here.get((function.file, function.partner))
        label = "its forward" if "backward" in function.name else "its backward"
        turn = f'<a class="mirror" href="#{self.ids[mirror]}">{label}</a>' if mirror else ""
        doc = _first_sentence(function.definition.doc)
        doc = f'<p class="doc">{_prose(doc)}</p>' if doc else ""
        given = "".join(map(self.seen, function.given))
        given = f'<div class="given">{given}</div>' if given else ""
        return f"""<article class="{way}" id="{number}" tabindex="-1" aria-labelledby="{number}t">
<header><h3 id="{number}t">{self.named(function)}</h3>
<span class="file">{escape(function.file)}:{function.definition.first}</span>{turn}</header>
{doc}{self.path(first)}{given}
<div class="code">{self.rows(function)}</div>
{self.foot(function)}</article>"""

    def named(self, function):
        owner, _, last = function.name.replace(".<locals>", "").rpartition(".")
        return f"<small>{escape(owner)}.</small>{escape(last)}" if owner else escape(last)

    def path(self, call):
        """Who called it, the nearest first."""
        above, names = call.caller, []
        while above and len(names) < 3:
            if not above.function.mark or call.function.mark:
                names.append(self.linked(above.function, above.function.name.replace(".<locals>", "")))
            above = above.caller
        where = f" in <code>{escape(call.module)}</code>" if call.module else ""
        return f'<p class="path">called by {" ← ".join(names)}{where}</p>' if names else ""

    def linked(self, function, text):
        return f'<a href="#{self.ids[function]}"><code>{escape(text)}</code></a>'

    def rows(self, function):
        """The head of a function and its statements that ran, each line with its number."""
        source, definition = source_of(function.file), function.definition
        head = [n for n in range(definition.first, definition.head + 1) if _is_code(source.lines[n - 1])]
        indent = len(source.lines[definition.first - 1]) - len(source.lines[definition.first - 1].lstrip())
        rows = [self.row(source, number, indent, "def") for number in head]
        hidden, before = set(), definition.begin
        for first in sorted(function.ran):
            statement, ran = source.statement(first), function.ran[first]
            if cover := self.cover(function.file, first):
                if cover not in hidden:
                    hidden.add(cover)
                    rows.append(f'<div class="row hid"><span></span><span>{escape(cover)}</span></div>')
                before = statement.last
                continue
            if statement.opener and statement.opener > before:
                rows.append(self.gap(source, before, statement.opener))
                rows.append(self.row(source, statement.opener, indent, "open"))
                before = statement.opener
            rows.append(self.gap(source, before, first))
            links, used = {_word(called): self.ids[called] for called in reversed(ran.called)}, set()
            for number in range(first, statement.last + 1):
                kind = "ran" if number in function.lines else "rest"
                rows.append(self.row(source, number, indent, kind, links, used))
            rows[-1] = rows[-1].removesuffix("</div>") + self.beside(function, ran, used) + "</div>"
            before = statement.last
        return "".join(rows)

    def cover(self, file, line):
        return next((what for first, last, what in self.hidden.get(file, ()) if first <= line <= last), None)

    def gap(self, source, before, after):
        """A thin sign where lines were passed over."""
        passed = [n for n in range(before + 1, after) if _is_code(source.lines[n - 1]) and n in source.statements]
        if not passed:
            return ""
        words = f"{len(passed)} line{'s'[: len(passed) > 1]} not run"
        return f'<div class="row gap"><span></span><span>{words}</span></div>'

    def row(self, source, number, indent, kind, links=None, used=frozenset()):
        """A line of code with its links {name: id}; `used`, a set, gets those that found their place."""
        text = source.lines[number - 1]
        deep = min(max(0, len(text) - len(text.lstrip()) - indent) // 4 * 4, DEEPEST)
        free = {name: called for name, called in (links or {}).items() if called not in used}
        code, found = highlighted(text.strip(), free)
        if found:
            used |= found
        line = f'<code class="d{deep}">{code}</code>'
        return f'<div class="row {kind}"><span class="no">{number}</span>{line}</div>'

    def beside(self, function, ran, used):
        """What a statement made, how often it ran, and whom it called that its text does not name."""
        parts = [self.seen(seen, ran.shapes.get(seen.name)) for seen in ran.seen]
        if ran.times > 1:
            parts.append(f'<span class="times">{ran.times}×</span>')
        if ran.first_call:
            where = ", ".join(filter(None, [str(ran.first_call + 1), function.calls[ran.first_call].module]))
            parts.append(f'<span class="times">first in call {escape(where)}</span>')
        others = [f for f in ran.called if self.ids[f] not in used]
        parts += [f'<span class="chip">{self.linked(f, f.name.replace(".<locals>", ""))}</span>' for f in others]
        return f'<div class="seen">{"".join(parts)}</div>' if parts else ""

    def foot(self, function):
        parts = []
        kept = function.calls[0].kept
        if kept and len(function.keeps) <= MOST_KEPT:
            arrays = ", ".join(f"{_shape(shape)} {_bytes(size)}" for _, shape, size in function.keeps)
            parts.append(f'<p class="keeps">keeps <b>{_bytes(kept)}</b> for its backward: {arrays}</p>')
        elif kept:
            count = len(function.keeps)
            parts.append(f'<p class="keeps">keeps <b>{_bytes(kept)}</b>, in {count} arrays of its parts</p>')
        if len(function.calls) > 1:
            parts.append(self.others(function))
        return "".join(parts)

    def others(self, function):
        """The other calls, those of the same shapes in one line."""
        kinds = {}
        for call in function.calls[1:]:
            given = ", ".join(filter(None, map(_in_words, call.given)))
            text = f"{given} → {', '.join(filter(None, map(_in_words, call.returned))) or '·'}"
            kinds.setdefault(text, []).append(call)
        count = len(function.calls) - 1
        rows = []
        for text, calls in list(kinds.items())[:MOST_CALLS]:
            modules = list(dict.fromkeys(call.module for call in calls if call.module))
            where = escape(" ".join(modules[:1])) + (f" and {len(modules) - 1} more" if len(modules) > 1 else "")
            times = f"<b>{len(calls)}×</b> " if len(calls) > 1 else ""
            keeps = f", keeps {_bytes(calls[0].kept)}" if calls[0].kept else ""
            rows.append(f"<li>{times}{escape(text)}{keeps} <i>{where}</i></li>")
        if len(kinds) > MOST_CALLS:
            rows.append(f"<li>and {len(kinds) - MOST_CALLS} kinds more</li>")
        return f'<details><summary>{count} more of the same</summary><ul class="others">{"".join(rows)}</ul></details>'

    def seen(self, seen, shapes=None, *, crowded=False):
        """A picture with its name and shape; of several arrays one after another, of many only what is no mere row."""
        name = f"<var>{escape(seen.name)}</var> " if seen.name else ""
        if seen.kept is not None:
            return f'<span class="number kept">{name}keeps {_bytes(seen.kept)}</span>'
        if seen.parts:
            crowded = crowded or len(_leaves(seen)) > MOST_PICTURES
            inner = "".join(self.seen(part, crowded=crowded) for part in seen.parts)
            return f'<span class="several">{name}{inner}</span>'
        if seen.shape is None or seen.shape == ():
            return f'<span class="number">{name}{escape(seen.text)}</span>'
        more = "".join(f" <span>{_shape(shape)}</span>" for shape in (shapes or [])[:4])
        label = f"{name}{_shape(seen.shape)}{more}"
        look = seen.look
        if look is None or (crowded and look.height <= 30 and look.width > 2 * look.height):
            text = f" = {escape(seen.text)}" if seen.text else ""
            return f'<span class="number">{label}{text}</span>'
        return f"<figure>{_image(look)}<figcaption>{label}</figcaption></figure>"


def _image(look):
    return f'<img src="{look.uri}" width="{look.width}" height="{look.height}" alt="{escape(look.alt)}">'


def _is_root(function):
    return function.calls[0].caller is None


def _word(function):
    """The name by which a line of code calls a function: of __init__ that of its class."""
    *owner, last = function.name.split(".")
    return owner[-1] if last == "__init__" else last


def _leaves(seen):
    return [leaf for part in seen.parts for leaf in _leaves(part)] if seen.parts else [seen]


def _in_words(seen):
    if seen.parts:
        return f"{seen.name} [{', '.join(filter(None, map(_in_words, seen.parts)))}]".strip()
    if seen.shape:
        return f"{seen.name} {_shape(seen.shape)}".strip()
    return f"{seen.name} {seen.text}".strip() if seen.text else ""


def _shape(shape):
    return "×".join(map(str, shape)) or "·"


def _bytes(count):
    for unit, size in (("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} bytes"


def _count(number):
    words = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight")
    return words[number] if number < len(words) else str(number)


def _is_code(line):
    return bool(line.strip()) and not line.strip().startswith("#")


def _first_sentence(doc):
    """The first sentence of a docstring."""
    text = " ".join((doc or "").split("\n\n")[0].split())
    match = re.match(r".*?[.!?](?= [A-Z]|$)", text)
    return match[0] if match else text


def _prose(text):
    """Text with `code` in it."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))
