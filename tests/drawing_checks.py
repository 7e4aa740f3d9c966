"""What every picture must satisfy: no text is cut off at the edge, no text lies on another text."""

from itertools import combinations

from matplotlib.text import Text


def drawn_texts(figure):
    """Every text that is visible, with the rectangle (pixels) that it covers."""
    figure.canvas.draw()
    hidden = set()
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):  # ticks beyond the limits are not drawn
                if not (ax.axison and low <= tick.get_loc() <= high):
                    hidden |= {tick.label1, tick.label2}
        if not ax.axison:
            hidden |= {ax.xaxis.label, ax.yaxis.label}
    found = []
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text().strip() and text not in hidden:
            found.append((text.get_text(), text.get_window_extent()))
    return found


def words(figure):
    return [text for text, _ in drawn_texts(figure)]


def assert_legible(figure):
    """No text sticks out of the figure, no two texts share more than a hair."""
    texts = drawn_texts(figure)
    edge = figure.bbox
    for text, box in texts:
        assert box.x0 >= edge.x0 - 1 and box.x1 <= edge.x1 + 1, f"{text!r} is cut off at the side"
        assert box.y0 >= edge.y0 - 1 and box.y1 <= edge.y1 + 1, f"{text!r} is cut off at the top or bottom"
    for (first, a), (second, b) in combinations(texts, 2):
        width, height = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        assert width <= 1.5 or height <= 1.5, f"{first!r} lies on {second!r}"
