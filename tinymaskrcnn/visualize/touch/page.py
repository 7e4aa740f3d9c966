"""What a touchable picture is made of: a drawing for where no script runs, the data, and a script that asks no one."""

import io
import json
from base64 import b64encode
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image

from ...files import write_whole
from .. import style
from ..steps import PAGE, small_png

HERE = Path(__file__).parent
WIDGET = """<div class="tmr-touch tmr-{kind} tex2jax_ignore mathjax_ignore" role="group" aria-label="{title}"
 data-lm-suppress-shortcuts="true" style="--tmr-paper: {paper}">
<style>{css}</style>
<p class="tmr-title">{title}</p>
<img class="tmr-still" src="data:image/png;base64,{still}" alt="{alt}" draggable="false">
<script type="application/json">{data}</script>
<script>{script}</script>
</div>"""


class Touch:
    """A picture that answers to the hand: shown by a notebook, or saved as a page of its own.

    kind: the name of its script, data: what the script starts from, plain numbers, lists and texts
    still: the figure that is shown where no script runs, alt: what it shows, in words
    """

    def __init__(self, kind, data, *, title, still, alt):
        self.kind, self.data, self.title, self.alt = kind, data, title, alt
        self.still = small_png(still)
        self._paper = style.paper()  # the page the still was drawn for

    def __repr__(self):
        return f"Touch({self.title!r})"

    def _repr_html_(self):
        """The picture with all that it needs; it asks for nothing from outside."""
        scripts = [(HERE / f"{name}.js").read_text(encoding="utf-8") for name in ("maths", "kit", self.kind)]
        return WIDGET.format(
            kind=self.kind,
            title=escape(self.title),
            paper=self._paper,
            css=(HERE / "touch.css").read_text(encoding="utf-8"),
            still=b64encode(self.still).decode(),
            alt=escape(self.alt),
            data=json.dumps(self.data, allow_nan=False, separators=(",", ":")).replace("</", "<\\/"),
            script="(function () {\n" + "\n".join(scripts) + "\n})();",
        )

    def save(self, path):
        """Write a page of its own, which opens without a server and without a network. Returns the path."""
        return write_whole(Path(path), PAGE.format(title=escape(self.title), slider=self._repr_html_()))


def picture_address(pixels):
    """pixels (H, W), (H, W, 1) or (H, W, 3) in 0..1  ->  an address that holds the picture itself"""
    pixels = np.asarray(pixels)
    pixels = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    buffer = io.BytesIO()
    Image.fromarray((np.clip(pixels, 0, 1) * 255).round().astype(np.uint8)).save(buffer, format="png", optimize=True)
    return "data:image/png;base64," + b64encode(buffer.getvalue()).decode()


def numbers(array):
    """An array as nested lists of numbers that a script reads back as exactly the same."""
    return np.asarray(array, np.float64).tolist()
