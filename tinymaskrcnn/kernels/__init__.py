"""Fast twins of readable functions; each registers itself by name. Delete this folder and everything still runs."""

from . import cuda  # noqa: F401, I001  first: what it takes, the others need not look at
from . import (  # noqa: F401  importing registers
    adaptive_weights,
    boxes,
    c,
    conv,
    edge_gradient,
    mask_logits,
    matmul,
    nms,
    normalize,
    pool,
    resize,
    roi_align,
    top_n,
)
