"""The base class of everything that owns parameters."""

from contextlib import contextmanager

from ..backend import move_like, to_host
from ..devices import to_device
from ..errors import CheckpointError
from .cache import Cache
from .parameter import Buffer, Parameter


def join(prefix, name):
    """Dotted name of a member; a member with the empty name adds nothing (the branch of a residual block)."""
    return ".".join(part for part in (prefix, name) if part)


class Module:
    """A layer, block or network: `forward(x) -> (y, cache)` and its mirror `backward(dy, cache) -> dx`.

    Children are found by looking at the attributes: Parameters, Buffers, Modules, and lists or tuples of Modules. Their
    dotted names are the keys of `state_dict` (`layer1.0.conv1.weight`, as in torchvision).

    forward keeps nothing on self. backward adds into `parameter.grad` and returns the gradient of the input.
    """

    training = True

    # ------------------------------------------------------------ to be written by every module

    def forward(self, x):
        raise NotImplementedError(f"{type(self).__name__}.forward")

    def backward(self, dy, cache):
        raise NotImplementedError(f"{type(self).__name__}.backward")

    # ------------------------------------------------------------ given to every module

    def keep(self, cache):
        """The cache while training, None in eval mode: inference keeps nothing.

        The parts that a composite keeps become a Cache, which a backward can let go of one by one (nn/cache.py).
        """
        if not self.training:
            return None
        if type(cache) in (list, tuple) and any(isinstance(member, Module) for _, member in self.members()):
            return Cache(cache)
        return cache

    def members(self):
        """Yield (name, member) for every Parameter, Buffer and child Module held directly."""
        for name, value in vars(self).items():
            if isinstance(value, (Parameter, Buffer, Module)):
                yield name, value
            elif isinstance(value, (list, tuple)):
                for i, item in enumerate(value):
                    if isinstance(item, Module):
                        yield f"{name}.{i}", item

    def named_modules(self, prefix=""):
        """Yield (dotted name, module), this one first."""
        yield prefix, self
        for name, member in self.members():
            if isinstance(member, Module):
                yield from member.named_modules(join(prefix, name))

    def _named(self, kind):
        seen = set()  # a tied parameter counts once, under its first name
        for prefix, module in self.named_modules():
            for name, member in module.members():
                if isinstance(member, kind) and id(member) not in seen:
                    seen.add(id(member))
                    yield join(prefix, name), member

    def named_parameters(self):
        """Yield (dotted name, Parameter) for this module and all below it, each once."""
        return self._named(Parameter)

    def named_buffers(self):
        return self._named(Buffer)

    def parameters(self):
        return [p for _, p in self.named_parameters()]

    def zero_grad(self):
        """Set every gradient to zero: the only reset there is."""
        for p in self.parameters():
            p.zero_grad()

    def train(self, mode=True):
        for _, module in self.named_modules():
            module.training = mode
        return self

    def eval(self):
        return self.train(False)

    def freeze(self):
        """Mark every parameter below as not trainable."""
        for p in self.parameters():
            p.trainable = False
        return self

    def convert(self, change):
        """Replace every parameter and buffer array by `change(array)`; gradients start again at zero."""
        for p in self.parameters():
            p.__init__(change(p.value), decay=p.decay, trainable=p.trainable)
        for _, b in self.named_buffers():
            b.value = change(b.value)
        return self

    def astype(self, dtype):
        """Convert all arrays to float32 or float64 (for gradient checks)."""
        return self.convert(lambda array: array.astype(dtype))

    def to_device(self, device):
        """Move all arrays to "cpu" or "cuda"."""
        return self.convert(lambda array: to_device(array, device))

    def state_dict(self):
        """Copies of all parameters and buffers as host arrays, by dotted name."""
        return {name: to_host(member.value).copy() for name, member in self._named((Parameter, Buffer))}

    def load_state_dict(self, arrays):
        """Copy arrays in by name; every name and every shape must fit (CheckpointError names those that do not)."""
        members = dict(self._named((Parameter, Buffer)))
        missing = sorted(set(members) - set(arrays))
        unexpected = sorted(set(arrays) - set(members))
        if missing or unexpected:
            raise CheckpointError(
                f"state_dict does not fit {type(self).__name__}: missing {missing or 'nothing'}; "
                f"unexpected {unexpected or 'nothing'}"
            )
        for name, member in members.items():
            if tuple(arrays[name].shape) != tuple(member.value.shape):
                raise CheckpointError(
                    f"state_dict: {name} must have shape {tuple(member.value.shape)}; got {tuple(arrays[name].shape)}"
                )
        for name, member in members.items():
            member.value[...] = move_like(arrays[name], member.value)
        return self


@contextmanager
def at_rest(*modules):
    """Inside, these modules compute as in eval mode and keep nothing; afterwards they are as they were."""
    resting = [part for module in modules for _, part in module.named_modules() if part.training]
    for part in resting:
        part.training = False
    try:
        yield
    finally:
        for part in resting:
            part.training = True
