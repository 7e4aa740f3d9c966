"""What the charts of measured rows share: a small file that says which rows it was drawn from."""

import json

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tinymaskrcnn.visualize import style


def keep(figure, path, rows):
    """Write a figure as a PNG of few colours; its text "rows" holds them as JSON, for a test to compare."""
    style.save_figure(figure, path, dpi=150)
    note = PngInfo()
    note.add_text("rows", json.dumps(rows))
    with Image.open(path) as drawn:
        drawn.convert("P", palette=Image.Palette.ADAPTIVE, colors=64).save(path, pnginfo=note, optimize=True)
