"""Gives the pictures of a notebook's outputs the alternative text that the figure itself says."""

from myst_nb.core.render import NbElementRenderer

rendered = NbElementRenderer.render_image


def render_image(self, data):
    """What myst-nb makes of an output, with the alternative text that lies in its metadata."""
    images = rendered(self, data)
    alt = data.output_metadata.get(data.mime_type, {}).get("alt")
    for image in images:
        if alt and not image.get("alt"):
            image["alt"] = alt
    return images


def setup(app):
    NbElementRenderer.render_image = render_image
    return {"parallel_read_safe": True}
