"""kernels/normalize.py: the text's numbers to the last bit, forward and back, whichever of them kept the cache."""

import numpy as np
import pytest
import strict_device

from tinymaskrcnn.kernels import normalize as fast
from tinymaskrcnn.models.mask_rcnn import Normalize


@pytest.mark.parametrize("xp", [np, strict_device.xp], ids=["numpy", "device"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [1, 3])
def test_equals_the_text(xp, dtype, channels):
    rng = np.random.default_rng(channels)
    layer = Normalize((0.1, 0.37, 0.5)[:channels], (0.51, 0.3, 0.7)[:channels])
    images, dy = (xp.asarray(rng.standard_normal((3, 8, 6, channels)).astype(dtype)) for _ in range(2))
    sizes = xp.asarray(np.array([[8, 6], [5, 6], [0, 3]]))
    y, cache = Normalize.forward.readable(layer, images, sizes=sizes)
    fast_y, fast_cache = fast.normalize_forward(layer, images, sizes=sizes)
    assert y.dtype == fast_y.dtype == dtype
    texts = [y, *cache, Normalize.backward.readable(layer, dy, fast_cache)]
    twins = [fast_y, *fast_cache, fast.normalize_backward(layer, dy, cache)]
    for one, other in zip(texts, twins, strict=True):
        assert one.shape == other.shape and one.dtype == other.dtype
        one, other = (x if xp is np else x.get() for x in (one, other))
        assert one.tobytes() == other.tobytes()


def test_nothing_comes_back_where_the_first_layers_are_frozen():
    layer = Normalize((0.1,), (0.5,))
    picture = {"images": np.ones((1, 4, 4, 1), np.float32), "sizes": np.array([[4, 4]])}
    _, cache = fast.normalize_forward(layer, **picture)
    assert layer.backward(None, cache) is None
    assert fast.normalize_forward(layer.eval(), **picture)[1] is None
