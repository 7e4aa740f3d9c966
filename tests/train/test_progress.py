"""In a terminal a bar, in a log file lines that can be read."""

import io
import types

import pytest

from tinymaskrcnn.train import progress as module
from tinymaskrcnn.train.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def row(step):
    return {"step": step, "loss": 1.5, "rpn_box": 0.5, "mask": 1.0, "seconds": 0.1}


def test_a_log_file_gets_whole_lines():
    file = io.StringIO()
    with Progress(20, file=file, pause=0.0) as progress:
        for step in range(1, 21):
            progress(row(step))
    lines = file.getvalue().splitlines()
    assert len(lines) == 20 and "\r" not in file.getvalue()
    assert lines[-1].startswith("step 20/20  loss 1.500 rpn 0.500 mask 1.000")


def test_lines_come_rarely_and_the_last_step_always():
    file = io.StringIO()
    with Progress(20, start=5, file=file, pause=1000.0) as progress:
        for step in range(6, 21):
            progress(row(step))
    assert len(file.getvalue().splitlines()) == 1


def test_a_terminal_gets_a_bar():
    file = Terminal()
    with Progress(4, start=2, file=file) as progress:
        progress(row(3))
        progress(row(4))
    assert "4/4" in file.getvalue() and "mask 1.000" in file.getvalue()


def test_a_line_tells_smoothed_losses_the_pace_since_the_start_and_what_is_left(monkeypatch):
    """Every 15 seconds, by the clock; a loss is nine tenths of what it was and a tenth of what it is."""
    now, file = [100.0], io.StringIO()
    monkeypatch.setattr(module, "time", types.SimpleNamespace(monotonic=lambda: now[0]))
    with Progress(100, start=10, file=file) as progress:
        for step, loss, seconds in ((11, 1.0, 10), (12, 3.0, 5), (13, 3.0, 14.75), (14, 3.0, 0.25), (100, 3.0, 3)):
            now[0] += seconds
            progress({"step": step, "loss": loss, "seconds": 9.0})
    assert file.getvalue().splitlines() == [
        "step 12/100  loss 1.200  7.50 s/step, 11.0 min left",
        "step 14/100  loss 1.542  7.50 s/step, 10.8 min left",
        "step 100/100  loss 1.688  0.37 s/step, 0.0 min left",
    ]


def test_a_loss_that_is_not_there_any_more_is_not_shown():
    file = io.StringIO()
    with Progress(2, file=file, pause=0.0) as progress:
        progress({"step": 1, "loss": 1.0, "rpn_box": 1.0})
        progress({"step": 2, "loss": 1.0, "box_delta": 2.0, "keypoint": 7.0})
    lines = [line.split("  ")[1] for line in file.getvalue().splitlines()]
    assert lines == ["loss 1.000 rpn 1.000", "loss 1.000 box 2.000"]


@pytest.mark.parametrize("terminal", [True, False])
def test_a_bar_begins_where_the_run_stopped(monkeypatch, terminal):
    made = []
    monkeypatch.setattr(module, "new_bar", lambda **options: made.append(options) or types.SimpleNamespace(close=list))
    with Progress(9, start=4, file=Terminal() if terminal else io.StringIO()):
        pass
    shown = {name: made[0][name] for name in ("total", "initial", "disable", "unit", "dynamic_ncols")}
    assert shown == {"total": 9, "initial": 4, "disable": not terminal, "unit": "step", "dynamic_ncols": True}
