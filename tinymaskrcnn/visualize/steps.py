"""A few pictures to step through: a slider in notebooks and web pages, a strip for print, files for everything else."""

import io
from base64 import b64encode
from html import escape
from pathlib import Path
from textwrap import fill

from matplotlib.artist import Artist
from matplotlib.image import imread
from PIL import Image

from ..errors import ArgumentError
from ..files import whole_file, write_whole
from . import style
from .lettering import with_glyphs

PNG = b"\x89PNG\r\n\x1a\n"
COLORS = 64  # of a frame: a drawing has no more that matter, and a page with many frames is a third as long
HERE = Path(__file__).parent
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>:root {{ color-scheme: light dark; }} body {{ margin: 2em; font-family: sans-serif; }}</style>
</head>
<body>
{slider}
</body>
</html>
"""
SLIDER = """<div class="tmr-steps tex2jax_ignore mathjax_ignore" role="group" aria-label="{title}"
 data-lm-suppress-shortcuts="true" style="--tmr-paper: {paper}">
<style>{css}</style>
{heading}{frames}
<script>{script}</script>
</div>"""
FRAME = """<figure>
<img src="data:image/png;base64,{data}" alt="{alt}" draggable="false">
<figcaption><span class="tmr-number">{number} / {count}.</span> {caption}</figcaption>
</figure>"""


def small_png(figure):
    """The bytes of a PNG of what a figure draws now, in few colours."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", pil_kwargs={"compress_level": 0})  # only to be read again
    picture = Image.open(buffer).convert("RGB").quantize(COLORS, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    picture.save(buffer, format="png", compress_level=9)
    return buffer.getvalue()


def _png_of(frame, number):
    """The bytes of a picture: what a figure draws now, or the bytes that were given."""
    if isinstance(frame, Artist) and frame.figure is not None:
        return small_png(frame.figure.canvas.figure)  # the whole, also of axes in a part of a figure
    if isinstance(frame, bytes) and frame.startswith(PNG):
        return frame
    given = f"{len(frame)} bytes that are no PNG" if isinstance(frame, bytes) else repr(frame)
    raise ArgumentError(f"Steps: frames must be figures, axes or the bytes of PNG files; frame {number} is {given}")


def _texts(name, texts, count):
    """`count` texts that are not empty."""
    texts = [texts] if isinstance(texts, str) else list(texts)
    if len(texts) != count:
        raise ArgumentError(f"Steps: {name} must be one text per frame, so {count}; got {len(texts)}")
    for number, text in enumerate(texts, start=1):
        if not isinstance(text, str) or not text.strip():
            raise ArgumentError(f"Steps: {name} must be texts that say something; number {number} is {text!r}")
    return texts


class Steps:
    """Pictures that a reader steps through, one caption each.

    frames: figures, axes or PNG bytes, drawn at once, so a figure may be changed and given again
    """

    def __init__(self, frames, captions, *, title=None, alts=None):
        self.pictures = [_png_of(frame, number) for number, frame in enumerate(frames, start=1)]
        if not self.pictures:
            raise ArgumentError("Steps: frames must hold at least one picture; got none")
        self.captions = _texts("captions", captions, len(self))
        self.alts = self.captions if alts is None else _texts("alts", alts, len(self))
        self.title = title
        self._paper = style.paper()  # the page the pictures were drawn for

    def __len__(self):
        return len(self.pictures)

    def __repr__(self):
        return f"Steps({len(self)} frames" + (f", title={self.title!r})" if self.title else ")")

    def _repr_html_(self):
        """One slider that needs nothing from outside; where scripts do not run, all frames with their captions."""
        count, frames = len(self), []
        for k, (png, alt, caption) in enumerate(zip(self.pictures, self.alts, self.captions), start=1):
            data, alt, caption = b64encode(png).decode(), escape(alt), escape(caption)
            frames.append(FRAME.format(data=data, alt=alt, number=k, count=count, caption=caption))
        return SLIDER.format(
            title=escape(self.title or "Pictures to step through"),
            heading=f'<p class="tmr-title">{escape(self.title)}</p>\n' if self.title else "",
            paper=self._paper,
            css=(HERE / "steps.css").read_text(encoding="utf-8"),
            script=(HERE / "steps.js").read_text(encoding="utf-8"),
            frames="\n".join(frames),
        )

    def filmstrip(self, *, columns=3, width=9.0):
        """All frames and captions on one figure, row by row, for print."""
        if columns < 1:
            raise ArgumentError(f"Steps.filmstrip: columns must be at least 1; got {columns}")
        columns = min(columns, len(self))
        pictures = [imread(io.BytesIO(png)) for png in self.pictures]
        cell = width / columns
        tallest = (cell - 0.2) * max(p.shape[0] / p.shape[1] for p in pictures)
        letters = max(int((cell - 0.2) * 72 / (0.62 * style.SMALL)), 8)  # a letter is about 0.62 of the size wide
        captions = [fill(f"{k}. {text}", letters) for k, text in enumerate(self.captions, start=1)]
        lines = max(caption.count("\n") + 1 for caption in captions)
        row = tallest + 0.2 + lines * 1.25 * style.SMALL / 72
        head = 0.35 if self.title else 0.05
        rows = -(-len(self) // columns)
        figure = style.new_figure(width, head + rows * row)
        if self.title:
            top = 1 - 0.08 / figure.get_figheight()
            figure.text(0.1 / width, top, with_glyphs(self.title), fontsize=style.TITLE, va="top")
        for k, (picture, caption) in enumerate(zip(pictures, captions)):
            left, top = (k % columns) * cell + 0.1, figure.get_figheight() - head - (k // columns) * row
            _place(figure, picture, caption, left, top, cell - 0.2)
        return figure

    def write(self, path, *, seconds=0.7):
        """Write all frames as one file that needs no other: .html to step through, or a .gif of some seconds a frame.

        The last frame of a GIF stays three times as long. Returns the path.
        """
        path = Path(path)
        if path.suffix.lower() not in (".html", ".gif"):
            raise ArgumentError(f"Steps.write: path must end in .html or .gif; got {str(path)!r}")
        if path.suffix.lower() == ".html":
            return write_whole(path, PAGE.format(title=escape(self.title or "Steps"), slider=self._repr_html_()))
        pictures = [Image.open(io.BytesIO(png)).convert("RGB") for png in self.pictures]
        colors = pictures[-1].quantize(256, Image.Quantize.MEDIANCUT)  # one table of colours, or it would flicker
        first, *others = (picture.quantize(palette=colors, dither=Image.Dither.NONE) for picture in pictures)
        times = [round(1000 * seconds)] * len(others) + [round(3000 * seconds)]
        with whole_file(path) as file:
            first.save(file, "gif", save_all=True, append_images=others, duration=times, loop=0, optimize=True)
        return path

    def save(self, folder):
        """Write frame_01.png, frame_02.png, ... and index.html, a page of its own. Returns the path of the page."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        digits = max(2, len(str(len(self))))
        for k, png in enumerate(self.pictures, start=1):
            write_whole(folder / f"frame_{k:0{digits}d}.png", png)
        page = PAGE.format(title=escape(self.title or "Steps"), slider=self._repr_html_())
        return write_whole(folder / "index.html", page)


def _place(figure, picture, caption, left, top, width):
    """Put a picture into a figure, its caption below; everything in inches from the lower left corner."""
    W, H = figure.get_size_inches()
    height = width * picture.shape[0] / picture.shape[1]
    ax = figure.add_axes((left / W, (top - height) / H, width / W, height / H))
    ax.imshow(picture)
    ax.set_axis_off()
    where = (left / W, (top - height - 0.06) / H)
    figure.text(*where, with_glyphs(caption), fontsize=style.SMALL, va="top", linespacing=1.2, parse_math=False)
