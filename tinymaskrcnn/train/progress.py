"""What a person sees while training runs: a bar in a terminal, a line now and then in a log file."""

import sys
import time

from ..counting import new_bar

SHORT = {"rpn_objectness": "obj", "rpn_box": "rpn", "box_class": "cls", "box_delta": "box", "mask": "mask"}


class Progress:
    """A progress bar with the losses on stderr; without a terminal one line every `pause` seconds."""

    def __init__(self, steps, *, start=0, file=None, pause=15.0):
        self.file = file or sys.stderr
        self.steps = steps
        self.pause = pause
        self.terminal = bool(getattr(self.file, "isatty", lambda: False)())
        self.bar = new_bar(
            total=steps, initial=start, file=self.file, unit="step", disable=not self.terminal, dynamic_ncols=True
        )
        self._began = self._last = time.monotonic()
        self._start = start
        self._smooth = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.bar.close()

    def __call__(self, row):
        """Show one row of metrics, its losses smoothed over about ten steps."""
        for name in ("loss", *SHORT):
            if name in row:
                self._smooth[name] = 0.9 * self._smooth.get(name, row[name]) + 0.1 * row[name]
        losses = " ".join(f"{SHORT.get(name, name)} {value:.3f}" for name, value in self._smooth.items() if name in row)
        if self.terminal:
            self.bar.set_postfix_str(losses, refresh=False)
            self.bar.update()
        elif row["step"] == self.steps or time.monotonic() - self._last >= self.pause:
            self._last = time.monotonic()
            pace = (self._last - self._began) / (row["step"] - self._start)
            left = pace * (self.steps - row["step"])
            print(
                f"step {row['step']}/{self.steps}  {losses}  {pace:.2f} s/step, {left / 60:.1f} min left",
                file=self.file,
                flush=True,
            )
