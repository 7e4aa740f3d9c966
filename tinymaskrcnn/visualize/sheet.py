"""A drawing of boxes, words, lines and small pictures that becomes an SVG for a page, or a PDF for a wall."""

import io
from dataclasses import dataclass, field
from html import escape

from matplotlib.image import imread
from matplotlib.patches import FancyBboxPatch, Polygon

from . import style
from .thumbnails import Thumbnail

COLORS = {  # on light and on dark; the pictures stay as they are
    "ink": ("#1d1b17", "#ece7dc"),
    "muted": ("#5b564c", "#a9a498"),
    "line": ("#b9b09d", "#4a505c"),
    "card": ("#fffdf8", "#15181e"),
    "paper": ("#f6f3ec", "#0e1014"),
    "down": ("#0b5a85", "#7cc4ec"),
    "up": ("#9a3a0c", "#f7a865"),
}
SANS = "system-ui, 'DejaVu Sans', sans-serif"
MONO = "ui-monospace, 'DejaVu Sans Mono', monospace"
A1 = 33.11, 23.39  # inches


@dataclass
class Sheet:
    """Things to draw, in the order in which they lie on one another; x to the right, y down, colours of COLORS."""

    width: int
    height: int
    title: str
    things: list = field(default_factory=list)

    def box(self, x, y, width, height, *, edge="line", fill="card"):
        self.things.append(("box", (x, y, width, height), edge, fill))

    def text(self, x, y, words, *, size=13, color="ink", bold=False, mono=False, anchor="start", link=None):
        self.things.append(("text", (x, y), words, size, color, bold, mono, anchor, link))

    def line(self, points, *, color="line", width=1.6, dashed=False, arrow=True):
        self.things.append(("line", points, color, width, dashed, arrow))

    def picture(self, x, y, width, height, thumbnail):
        self.things.append(("picture", (x, y, width, height), thumbnail))

    # ------------------------------------------------------------ on a page

    def svg(self):
        """The drawing as SVG: colours follow the page it stands in, or the screen's scheme where it stands alone."""
        parts = "\n".join(getattr(self, f"_svg_{kind}")(*rest) for kind, *rest in self.things)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="plate" viewBox="0 0 {self.width} {self.height}" '
            f'role="group" aria-label="{escape(self.title)}">\n<style>{_css()}</style>\n'
            f'<rect width="100%" height="100%" class="fill-paper"/>\n{parts}\n</svg>\n'
        )

    def _svg_box(self, place, edge, fill):
        x, y, width, height = map(_number, place)
        return (
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" stroke-width="1.6" '
            f'class="fill-{fill} edge-{edge}"/>'
        )

    def _svg_text(self, place, words, size, color, bold, mono, anchor, link):
        x, y = map(_number, place)
        weight = ' font-weight="600"' if bold else ""
        inner = (
            f'<text x="{x}" y="{y}" font-family="{MONO if mono else SANS}" font-size="{size}"{weight} '
            f'class="fill-{color}" text-anchor="{anchor}">{escape(words)}</text>'
        )
        return f'<a href="{escape(link)}">{inner}</a>' if link else inner

    def _svg_line(self, points, color, width, dashed, arrow):
        path = " ".join(f"{_number(x)},{_number(y)}" for x, y in points)
        dash = ' stroke-dasharray="5 5"' if dashed else ""
        line = f'<polyline points="{path}" class="edge-{color}" fill="none" stroke-width="{width}"{dash}/>'
        if not arrow:
            return line
        head = " ".join(f"{_number(x)},{_number(y)}" for x, y in _head(points))
        return f'{line}<polygon points="{head}" class="fill-{color}"/>'

    def _svg_picture(self, place, thumbnail):
        x, y, width, height = map(_number, place)
        return (
            f'<image x="{x}" y="{y}" width="{width}" height="{height}" preserveAspectRatio="none" role="img" '
            f'aria-label="{escape(thumbnail.alt)}" href="{thumbnail.uri}"/>'
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" class="edge-line" fill="none"/>'
        )

    # ------------------------------------------------------------ on paper

    def figure(self):
        """The drawing as a matplotlib Figure of A1, light: `save_figure` makes a PDF of it."""
        figure = style.new_figure(*A1)
        scale = min(A1[0] / self.width, A1[1] / self.height)
        ax = figure.add_axes((0, 0, self.width * scale / A1[0], self.height * scale / A1[1]))
        ax.set_xlim(0, self.width)
        ax.set_ylim(self.height, 0)
        ax.set_axis_off()
        figure.set_facecolor(COLORS["paper"][0])
        for order, (kind, *rest) in enumerate(self.things):
            getattr(self, f"_draw_{kind}")(ax, order, 72 * scale, *rest)
        return figure

    def _draw_box(self, ax, order, points, place, edge, fill):
        x, y, width, height = place
        look = {"facecolor": COLORS[fill][0], "edgecolor": COLORS[edge][0], "linewidth": 1.6 * points}
        shape = FancyBboxPatch((x + 6, y + 6), width - 12, height - 12, boxstyle="round,pad=6", zorder=order, **look)
        ax.add_patch(shape)

    def _draw_text(self, ax, order, points, place, words, size, color, bold, mono, anchor, link):
        look = {"fontsize": size * points, "color": COLORS[color][0], "family": "monospace" if mono else "sans-serif"}
        side = {"start": "left", "middle": "center", "end": "right"}[anchor]
        weight = "bold" if bold else "normal"
        ax.text(*place, words, ha=side, va="baseline", weight=weight, zorder=order, parse_math=False, **look)

    def _draw_line(self, ax, order, points, path, color, width, dashed, arrow):
        look = {"color": COLORS[color][0], "linewidth": width * points, "zorder": order}
        ax.plot(*zip(*path), linestyle=(0, (3, 3)) if dashed else "-", **look)
        if arrow:
            ax.add_patch(Polygon(_head(path), closed=True, facecolor=COLORS[color][0], edgecolor="none", zorder=order))

    def _draw_picture(self, ax, order, points, place, thumbnail: Thumbnail):
        x, y, width, height = place
        pixels = imread(io.BytesIO(thumbnail.png))
        ax.imshow(pixels, extent=(x, x + width, y + height, y), interpolation="nearest", aspect="auto", zorder=order)
        ax.set_xlim(0, self.width)
        ax.set_ylim(self.height, 0)


def _css():
    """Colours for light pages and dark ones; the reader's own choice goes before that of the screen."""
    light, dark = ([(name, pair[k]) for name, pair in COLORS.items()] for k in (0, 1))
    chosen, free = ':root[data-theme="dark"]', ':root:not([data-theme="light"])'
    rules = [_rules("", light), f"@media (prefers-color-scheme: dark) {{ {_rules(free, dark)} }}", _rules(chosen, dark)]
    return "\n".join(
        [*rules, ".plate image { image-rendering: pixelated } .plate a text { text-decoration: underline }"]
    )


def _rules(where, colors):
    fills = " ".join(f"{where} .fill-{name} {{ fill: {color} }}" for name, color in colors)
    return fills + " " + " ".join(f"{where} .edge-{name} {{ stroke: {color} }}" for name, color in colors)


def _head(points):
    """The three corners of an arrow's head at the end of a path."""
    (x0, y0), (x1, y1) = points[-2:]
    length = max(((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5, 1e-9)
    dx, dy = (x1 - x0) / length, (y1 - y0) / length
    return [(x1, y1), (x1 - 10 * dx - 5 * dy, y1 - 10 * dy + 5 * dx), (x1 - 10 * dx + 5 * dy, y1 - 10 * dy - 5 * dx)]


def _number(value):
    return f"{value:.1f}".removesuffix(".0")
