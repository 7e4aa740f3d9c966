import importlib
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # rank_threads.py and with_mpi.py


@pytest.fixture(scope="session")
def threads():
    """Ranks that are threads: the module rank_threads.py beside this file."""
    return importlib.import_module("rank_threads")
