"""A training run as its folder sees it: rows and checkpoints as it goes, and an orderly end whatever happens."""

import contextlib
import importlib
import threading

from ..errors import NonFiniteError
from .checkpoint import naming


def run_training(trainer, run, *, on_row=lambda row: None):
    """Train to the end, or to Ctrl-C; returns True when the last step was reached.

    Every row goes to metrics.jsonl and to on_row. A checkpoint is written before the first step, every
    `checkpoint_every` steps, at the end, and when the run is asked to stop.
    """
    every = trainer.config.checkpoint_every
    run.truncate_rows(trainer.step)  # rows after the checkpoint are computed again
    if trainer.step == 0:
        run.save(trainer.state_dict())
    saved = trainer.step
    try:
        with StopRequest(hurry=lambda: trainer.hurry(run)) as stop, contextlib.closing(trainer.rows()) as rows:
            for row in rows:
                run.append_row(row)
                on_row(row)
                stopping = trainer.agreed(stop.requested)
                if stopping or trainer.step % every == 0 or trainer.step == trainer.config.steps:
                    run.save(trainer.state_dict())
                    saved = trainer.step
                if stopping and trainer.step < trainer.config.steps:  # after the last one there is no more to stop
                    break
        if trainer.average:
            trainer.average.install()  # what the checkpoint has, also after a stop
    except NonFiniteError as error:
        raise NonFiniteError(f"{error} The weights of step {saved} are kept in {run.checkpoint_file}") from error
    return trainer.step >= trainer.config.steps


def resume(trainer, run):
    """Bring a trainer to where the run stopped; a run that was killed before its first checkpoint starts at step 0."""
    run.clean()
    if checkpoint := run.last():
        with naming(run.checkpoint_file):
            trainer.load_state(step=checkpoint.step, model=checkpoint.model, optimizer=checkpoint.optimizer)
    trainer.align()
    return trainer.step


class StopRequest:
    """Turns the first Ctrl-C (or SIGTERM) into `requested`, so that the step in progress can end; the second one stops.

    SIGUSR1, where there is one, does the same: `mpiexec` hands it on, and Slurm can send it before a job's time is up.
    Only the main thread can do this; elsewhere, and where Python has no signals, they are left alone.

    hurry: what is done at once, in the middle of a step, when a signal comes that may announce the end: after a Ctrl-C
    the `mpiexec` of Open MPI sends SIGCONT, SIGTERM a quarter of a second later, and after another one kills.
    """

    signals = ("SIGINT", "SIGTERM", "SIGUSR1")
    hasty = ("SIGCONT", "SIGTERM")

    def __init__(self, *, hurry=lambda: None):
        self.requested = False
        self.hurry = hurry
        self._before = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            with contextlib.suppress(ImportError):
                self._signal = importlib.import_module("signal")
                self._before = {
                    name: self._signal.signal(number, self._request)
                    for name in {*self.signals, *self.hasty}
                    if (number := getattr(self._signal, name, None))
                }
        return self

    def _request(self, number, frame):
        name = self._signal.Signals(number).name
        if name in self.signals:
            self.requested = True
            self._give_back(self.signals)  # and keeps SIGCONT, which `timeout` sends along with SIGTERM
        if name in self.hasty:
            self.hurry()

    def __exit__(self, *_):
        self._give_back([*self._before])

    def _give_back(self, names):
        for name in self._before.keys() & set(names):
            self._signal.signal(getattr(self._signal, name), self._before.pop(name))
