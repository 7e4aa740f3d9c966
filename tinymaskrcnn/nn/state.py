"""What a module can do with all its arrays at once: name, freeze, convert, save and load them, and rest."""

from contextlib import contextmanager

from ..backend import move_like, to_host
from ..devices import to_device
from ..errors import CheckpointError


def join(prefix, name):
    """Dotted name of a member; a member with the empty name adds nothing (the branch of a residual block)."""
    return ".".join(part for part in (prefix, name) if part)


class State:
    """The part of a Module that no forward and no backward asks for."""

    def named(self, kind):
        """Yield (dotted name, member) for every member of that kind, here and below."""
        seen = set()  # a tied parameter counts once, under its first name
        for prefix, module in self.named_modules():
            for name, member in module.members():
                if isinstance(member, kind) and id(member) not in seen:
                    seen.add(id(member))
                    yield join(prefix, name), member

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
            p.value, p.grad = change(p.value), None
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
        return {name: to_host(member.value).copy() for name, member in self.named_state()}

    def load_state_dict(self, arrays):
        """Copy arrays in by name; every name and every shape must fit (CheckpointError names those that do not)."""
        members = dict(self.named_state())
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


@contextmanager
def left_as_it_was(model):
    """Inside, a model computes as in training; afterwards its gradients, statistics and modes are those of before."""
    modes = {id(module): (module, module.training) for _, module in model.named_modules()}
    kept = [(p.grad, p.grad.copy()) for p in model.parameters()]
    kept += [(buffer.value, buffer.value.copy()) for _, buffer in model.named_buffers()]
    model.train()
    try:
        yield
    finally:
        for array, before in kept:
            array[...] = before
        for module, mode in modes.values():
            module.training = mode
