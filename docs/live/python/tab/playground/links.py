"""The address of a scene: what it holds is what anyone may have written, and only what a page can show comes out."""

import base64
import json

from tinymaskrcnn.errors import DataError, shown

from .sketch import read_sketch

SETTINGS = {"rpn.nms_iou": 0.7, "rpn.post_nms_top_n": 64, "roi.mask_threshold": 0.5}  # of the shipped detector


def read_link(text):
    """A link's text, JSON in base64  ->  {"scene", "settings", "min_score"}, with what it leaves out filled in.

    DataError where it holds no scene, or none that can be drawn.
    """
    try:
        given = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        scene = {"noise": 0, "clutter": 0, "seed": 0} | given["scene"]
        scene["digits"] = [{"angle": 0} | digit for digit in scene["digits"]]
        settings, min_score = SETTINGS | given.get("settings", {}), given.get("least", 0.5)
        read_sketch(scene)
        _check(settings, min_score)
    except DataError as error:
        raise DataError(f"This link holds no scene that can be read: {error}") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise DataError("This link holds no scene that can be read.") from None
    return {"scene": scene, "settings": settings, "min_score": min_score}


def _check(settings, min_score):
    if unknown := set(settings) - set(SETTINGS):
        raise DataError(f"the page has no setting {shown(min(unknown))}")
    for value in (*settings.values(), min_score):
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e6:
            raise DataError(f"a setting is a number; got {shown(value)}")
