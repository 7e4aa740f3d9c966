"""One step of SGD on a device: one launch for all parameters of a group."""

from ...devices import DEVICE
from ...kernel_lookup import register_kernel
from .launch import fits, launch


def _takes(value, grad, velocity, *, rate, momentum, decay):
    arrays = value, grad, velocity
    plain = all(isinstance(number, (int, float)) for number in (rate, momentum, decay))
    return plain and fits(*arrays) and all(a.flags.c_contiguous for a in arrays)


@register_kernel("sgd_update", module=DEVICE, applies=_takes)
def sgd_update(value, grad, velocity, *, rate, momentum, decay):
    """Device twin of train.optimizer.sgd_update."""
    launch("update", "sgd_update", value.size, value.size, value, grad, velocity, rate, momentum, decay)
