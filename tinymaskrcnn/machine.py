"""What the machine under the program lets it start: threads and other processes.

In a browser's tab (WebAssembly) neither can be, in a container that counts its processes sometimes no thread. Whoever
has work for helpers then does it all alone; the results are the same.
"""

import importlib
import sys

ALONE = ("emscripten", "wasi")  # sys.platform of WebAssembly: one program, and nothing beside it


def thread_pool(threads, name):
    """An executor of at most so many threads, one of them running already; None where no thread can be started."""
    try:
        executor = importlib.import_module("concurrent.futures").ThreadPoolExecutor(threads, name)
        executor.submit(int).result()  # threads are started by what is submitted
    except (ImportError, RuntimeError):
        return None
    return executor


def can_start_threads():
    """Whether a thread can be started now."""
    executor = thread_pool(1, "probe")
    if executor is None:
        return False
    executor.shutdown(wait=True)
    return True


def can_start_processes():
    """Whether this system knows of other processes, and this Python of how to start them."""
    if sys.platform in ALONE:
        return False
    try:
        importlib.import_module("subprocess")
    except ImportError:
        return False
    return True
