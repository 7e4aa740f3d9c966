"""What owns numbers: a Parameter beside its gradient, Modules that hold some, Sequential, and what a Cache keeps."""

from ..backend import array_module, has_kernel
from ..errors import ArgumentError
from .state import State, join


class Parameter:
    """A trainable array and the sum of its gradients since the last `zero_grad`.

    decay says whether weight decay applies: yes for weights, no for biases and for the scale and shift of norms.
    A frozen parameter (trainable False) still carries values; its layers may skip its gradient.
    """

    def __init__(self, value, *, decay=True, trainable=True):
        self.value = value
        self._grad = None
        self.decay = decay
        self.trainable = trainable

    @property
    def grad(self):
        """The gradient, in the shape of the value; made when first asked for, so that inference has none."""
        if self._grad is None:
            self._grad = array_module(self.value).zeros_like(self.value)
        return self._grad

    @grad.setter
    def grad(self, grad):
        self._grad = grad

    def zero_grad(self):
        if self._grad is not None:
            self._grad[...] = 0

    def __repr__(self):
        return f"Parameter{tuple(self.value.shape)} {self.value.dtype}"


class Buffer:
    """An array that belongs to a layer's state but is not trained: the running statistics of batch normalisation."""

    def __init__(self, value):
        self.value = value

    def __repr__(self):
        return f"Buffer{tuple(self.value.shape)} {self.value.dtype}"


class Module(State):
    """A layer, block or network: `forward(x) -> (y, cache)` and its mirror `backward(dy, cache) -> dx`.

    Children are found by looking at the attributes: Parameters, Buffers, Modules, and lists or tuples of Modules. Their
    dotted names are the keys of `state_dict` (`layer1.0.conv1.weight`, as in torchvision).

    forward keeps nothing on self. backward adds into `parameter.grad` and returns the gradient of the input.
    """

    training = True

    def forward(self, x):
        raise NotImplementedError(f"{type(self).__name__}.forward")

    def backward(self, dy, cache):
        raise NotImplementedError(f"{type(self).__name__}.backward")

    def keep(self, cache):
        """The cache while training, None in eval mode: inference keeps nothing.

        A module made of modules keeps a tuple of their caches; it becomes a Cache, which reads like the tuple.
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

    def named_parameters(self):
        """Yield (dotted name, Parameter) for this module and all below it, each once."""
        return self.named(Parameter)

    def named_buffers(self):
        return self.named(Buffer)

    def named_state(self):
        """Yield (dotted name, Parameter or Buffer): all that `state_dict` holds."""
        return self.named((Parameter, Buffer))


class Cache(list):
    """The caches of the parts of a composite. It reads like a tuple, as often as one likes, until somebody spends it.

    A spent one can be read once more, from either end, and each part leaves it on the way: whoever still holds the
    cache holds an empty shell, and the arrays of a layer are freed when its backward is done.
    """

    spent = False  # True: the next reading is the last; "read": that was it

    def __iter__(self):
        return self._last(0) if self.spent else super().__iter__()

    def __reversed__(self):
        return self._last(-1) if self.spent else super().__reversed__()

    def _last(self, end):
        if self.spent == "read":
            raise ArgumentError("backward: this cache was spent by an earlier backward; run forward again")
        self.spent = "read"
        return _taken(self, end)


def _taken(parts, end):
    while parts:
        yield parts.pop(end)


def spend(cache):
    """Hand a cache to a backward that nobody will repeat: `layer.backward(dy, spend(cache))`.

    Every Cache inside is spent; the caches of single layers (tuples of arrays) stay as they are. Returns the cache.
    """
    if isinstance(cache, (dict, list, tuple)):
        for part in cache.values() if isinstance(cache, dict) else cache:
            spend(part)
    if isinstance(cache, Cache):
        cache.spent = True
    return cache


# ---------------------------------------------------------------- modules made of modules


class Sequential(Module):
    """Layers one after another; their names are their positions, or the keywords they were given by."""

    def __init__(self, *layers, **named_layers):
        self.layers = (*layers, *named_layers.values())
        self.names = (*(str(i) for i in range(len(layers))), *named_layers)

    def members(self):
        return zip(self.names, self.layers)

    @has_kernel
    def forward(self, x):
        caches = []
        for layer in self.layers:
            x, c_layer = layer.forward(x)
            caches.append(c_layer)
        return x, self.keep(caches)

    @has_kernel
    def backward(self, dy, cache):
        for layer, c_layer in zip(reversed(self.layers), reversed(cache)):
            dy = layer.backward(dy, c_layer)
        return dy


class Identity(Module):
    """Hands everything through: the shortcut of a residual block whose shapes agree."""

    def forward(self, x):
        return x, None

    def backward(self, dy, cache):
        return dy


def sum_grads(*gradients):
    """The sum of gradients that flow into one array from several users; the terms stay untouched.

    Each term is an array or a list of arrays (a pyramid); None stands for a user that sends nothing back.
    """
    # BEGIN SOLUTION hw01.sum_grads
    terms = [g for g in gradients if g is not None]
    if not terms:
        return None
    if isinstance(terms[0], (list, tuple)):
        return [sum_grads(*level) for level in zip(*terms, strict=True)]
    total = terms[0]
    for i, term in enumerate(terms[1:]):
        if i == 0:
            total = total + term  # a fresh array, ours
        else:
            total += term
    return total
    # END SOLUTION
