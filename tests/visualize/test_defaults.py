"""What a picture looks like when nobody says otherwise: the options of every public function, and their defaults."""

import inspect
import json
from pathlib import Path

from tinymaskrcnn import visualize

KEPT = Path(__file__).parents[1] / "fixtures" / "visualize_defaults.json"


def options():
    """{function: {option: its default as Python writes it}}."""
    found = {}
    for name in sorted(visualize.__all__):
        thing = getattr(visualize, name)
        if inspect.isfunction(thing):
            parameters = inspect.signature(thing).parameters.values()
            found[name] = {p.name: repr(p.default) for p in parameters if p.default is not p.empty}
    return found


def test_options_and_their_defaults_stay():
    """Pages and lessons are made with them. Whoever changes one on purpose writes the file anew, from `options()`."""
    assert options() == json.loads(KEPT.read_text(encoding="utf-8"))
