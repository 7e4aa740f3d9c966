"""In a terminal a bar, in a log file lines that can be read."""

import io

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
