"""The kinds of arrays that the harness compares with NumPy's: the strict device, and CuPy where that is asked for.

TINYMASKRCNN_DEVICE=cuda asks for it; a GPU that happens to be there is left alone.
"""

import os

import strict_device

from tinymaskrcnn.testing import available_backends

BACKENDS = (strict_device.BACKEND, *(available_backends() if os.environ.get("TINYMASKRCNN_DEVICE") == "cuda" else ()))
