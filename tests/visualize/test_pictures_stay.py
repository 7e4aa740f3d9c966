"""Every picture is drawn as it was: each line, colour, place and word of it is on record.

The other tests of this folder say what pictures mean. This one notices what nobody thought of: a thicker line, a panel
that moved, a number that is written a little lower. Whoever changes a picture on purpose looks at it, writes the record
anew with `python -m tests.visualize.test_pictures_stay`, and reads in its diff what else changed.
"""

import inspect
import json
from pathlib import Path

import matplotlib
import pytest

from tinymaskrcnn import visualize

if __name__ == "__main__":
    import sys

    sys.path[:0] = [str(Path(__file__).parents[1])]
from visualize.pictures import PICTURES
from visualize.record import differences, recorded

VERSION = ".".join(matplotlib.__version__.split(".")[:2])
KEPT = Path(__file__).parents[1] / "fixtures" / "visualize_pictures.json"
DRAW_NOTHING = {"Steps", "confusion_matrix", "nms_states", "receptive_field", "save_figure", "use_theme"}
DRAW_NOTHING |= {"Report", "explanation_page"}  # HTML


@pytest.fixture(scope="module")
def kept():
    """{name: lines}; what an artist remembers of itself is a matter of matplotlib's version."""
    found = json.loads(KEPT.read_text(encoding="utf-8"))
    if found["matplotlib"] != VERSION:
        pytest.skip(f"the record was made with matplotlib {found['matplotlib']}; this is {VERSION}")
    return found


@pytest.mark.in_turn
@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_as_it_was(name, kept, monkeypatch):
    assert not differences(recorded(PICTURES[name], monkeypatch), kept[name])


def test_every_drawing_has_its_picture():
    drawings = {name for name in visualize.__all__ if callable(getattr(visualize, name))} - DRAW_NOTHING
    assert drawings <= {name.split(",")[0] for name in PICTURES}
    assert all(inspect.isfunction(draw) for draw in PICTURES.values())


if __name__ == "__main__":
    found = {"matplotlib": VERSION}
    found |= {name: recorded(draw, pytest.MonkeyPatch()) for name, draw in PICTURES.items()}
    KEPT.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
