"""One step of SGD on a device: one launch for all parameters of a group, with the same arguments in every step."""

from ...backend import array_module
from ...devices import DEVICE
from ...kernel_lookup import register_kernel
from .launch import fits, launch


def _takes(value, grad, velocity, *, rate, momentum, decay):
    arrays = value, grad, velocity
    plain = all(isinstance(number, (int, float)) for number in (momentum, decay))
    a_number = getattr(rate, "shape", None) == () and fits(rate) and array_module(rate) is array_module(value)
    return plain and a_number and fits(*arrays) and all(a.flags.c_contiguous for a in arrays)


@register_kernel("sgd_update", module=DEVICE, applies=_takes)
def sgd_update(value, grad, velocity, *, rate, momentum, decay):
    """Device twin of train.optimizer.sgd_update; rate lies on the device, where a later step finds another one."""
    launch("update", "sgd_update", value.size, value.size, value, grad, velocity, rate, momentum, decay)
