"""A network at rest, of small pictures: all its convolutions as one list of jobs, which threads play in C together.

What a job reads and writes depends on the shapes alone, and is found out once. Most of them take 10 to 50 us: handed
out by Python, one after another, they would cost as much again, and leave a second thread next to nothing.
"""

import ctypes
import functools
import itertools
import math

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ...devices import Workspace, on_line
from ..common import output_size, pair
from ..threads import even_pieces, get_threads, run, spans
from . import winograd
from .conv import choose
from .correlate import Block, filters_of, taps_of
from .library import Correlation, Finish, Job, address, lane

WORTH = 1 << 20  # multiplications that are worth a job
FIELDS = [name for name, _ in Job._fields_]
STORED = "weight", "bias", "running_mean", "running_var"  # of a norm

_workspace = Workspace()


class Map:
    """Pixels of a plan (N, H, W, C): in which of its arrays, from which byte on, and the step that fills them."""

    def __init__(self, base, start, shape, strides=None, step=-1):
        self.base, self.start, self.shape, self.step = base, start, shape, step
        self.strides = strides or tuple(np.cumprod((4, *shape[:0:-1]))[::-1].tolist())

    def part(self, start, shape):
        """Some numbers of each image as a map of their own: (N, H, W, C) that begins `start` numbers behind."""
        strides = self.strides[0], *np.cumprod((4, *shape[:1:-1]))[::-1].tolist()
        return Map(self.base, self.start + 4 * start, shape, strides)

    def every_second(self, down=0, along=0):
        """Every second pixel of every second row, from one of the first two on."""
        (N, H, W, C), (image, row, pixel, number) = self.shape, self.strides
        shape = N, (H + 1 - down) // 2, (W + 1 - along) // 2, C
        start = self.start + down * row + along * pixel
        return Map(self.base, start, shape, (image, 2 * row, 2 * pixel, number), self.step)

    def laid_out(self):
        """An array that lies so, on memory that nobody has: for finding out where its parts would lie."""
        return as_strided(np.empty(1, np.float32), self.shape, self.strides)


class Plan:
    """First the maps and what fills them, then `begin`, then as many calls as one likes, one at a time.

    x is what a call is given; of its arrays 0 holds the maps between, 1 is x, the others are what it returns.
    apart: no image shares a job with another one, and a call may bring fewer of them.
    """

    def __init__(self, shape, *, apart=False):
        self.x, self.apart = Map(1, 0, shape), apart
        self.between, self.made = 0, []  # numbers of all maps between; shapes of what is returned
        self.jobs = []  # (step, multiplications, the number of its weight, its first image, the fields of a Job)
        self.weights, self.where = {}, []  # where a weight lies, and which way -> its number; where jobs read it
        self.prepared = []  # of what is not read where it lies: its number, the weight, and what is made of it
        self.norms, self.channels = [], 0
        self.kept = []  # what jobs point to
        self.seen = self.half = 0  # numbers of scratch memory

    def map(self, shape):
        start, self.between = self.between, self.between + math.prod(shape)
        return Map(0, 4 * start, shape)

    def output(self, shape):
        """What a call returns, in its order: zeros where nothing is written."""
        self.made.append(shape)
        return Map(len(self.made) + 1, 0, shape)

    # ------------------------------------------------------------ what fills a map

    def add(self, y, x):
        """y gains x, of the same shape."""
        y.step = max(y.step, x.step) + 1
        steps = (stride // 4 for a in (x, y) for stride in a.strides[:3])
        about = Correlation(*y.shape[:3], *steps, 0, 0, y.shape[3])
        self._job(y.step, 0, 0, 0, kind=1, y=(y, 0), x=(x, 0), about=self._keep(about))

    def select(self, y, x):
        """Of each image (N, H, W, C) the one channel (N, H, W, 1) that a call asks for."""
        y.step, (_, H, W, C) = x.step + 1, x.shape
        number, sizes = self._weight(None, 3, lambda _: self.asked), (ctypes.c_int64 * 2)(H * W, C)
        for i in range(x.shape[0]):
            places = {"y": (y, i * y.strides[0]), "x": (x, i * x.strides[0]), "w": 4 * i * (C + 1)}
            self._job(y.step, 0, number, i, kind=3, taps=self._keep(sizes), **places)

    def enlarge(self, x, layer, *, y, rectified=False):
        """A transposed convolution of 2x2 with stride 2: every pixel of x (N, H, W, C) paints four of y."""
        work = math.prod(x.shape[:3]) * layer.weight.value[0, 0].size
        for down, along in ((0, 0), (0, 1), (1, 0), (1, 1)):
            some, weight = y.every_second(down, along), layer.weight.value[down : down + 1, along : along + 1]
            becomes, some.step = self._finish(some, layer.bias.value, None, None, rectified), x.step + 1
            self._directly(some, x, weight, becomes, work, (0, 0), (1, 1), (1, 1))
        y.step = x.step + 1

    def convolve(self, x, layer, norm=None, *, y=None, added=None, rectified=False):
        """A convolution and what follows it: fills y, or a map between, and returns it. layer, norm: of nn"""
        weight, options = layer.weight.value, {name: pair(layer.options[name]) for name in ("stride", "dilation")}
        padding = pair(layer.options["padding"])
        size = output_size(x.shape, weight.shape, options["stride"], padding, options["dilation"])
        y = y or self.map((x.shape[0], *size, weight.shape[3]))
        y.step = max([x.step, *([added.step] if added else [])]) + 1
        becomes = self._finish(y, None if layer.bias is None else layer.bias.value, norm, added, rectified)
        work = math.prod(y.shape[:3]) * weight.size
        way, _ = choose(x.shape[0], size, weight.shape[:2], weight.shape[2:], **options)
        origin = -padding[0], -padding[1]
        if way == 1:
            self._directly(y, x, weight, becomes, work, origin, **options)
        else:
            self._in_tiles(y, x, weight, becomes, work, origin, way)
        return y

    def _finish(self, y, bias, norm, added, rectified):
        """A Finish whose bias and scale are those of the layer, or places that `begin` has to fill."""
        about = Finish(0, address(bias) or 0, 0, rectified)
        if norm is not None:
            self.norms.append((norm, about, self.channels))
            self.channels += y.shape[3]
        if added is not None:
            about.added = (added.start - y.start) // 4
        return self._keep(about)

    def _weight(self, weight, way, prepare=None):
        """The number of a weight; prepare(weight) returns its numbers as they are by now, as jobs of a way read them.

        Without, they are read where they lie.
        """
        key = address(weight), way
        if key not in self.weights:
            self.weights[key] = len(self.weights)
            self.where.append(key[0] or 0)
            self.prepared += [(self.weights[key], weight, prepare)] if prepare else []
        return self.weights[key]

    def _directly(self, y, x, weight, becomes, work, origin, stride, dilation):
        taps, (N, HO, _, O), panel = taps_of(weight.shape, dilation), y.shape, lane().panel
        packed = filters_of(weight, dilation).in_panels
        number = self._weight(weight, 1, (lambda weight: filters_of(weight, dilation).rows) if packed else None)
        wide = weight.size > math.prod(x.shape) and O > panel and not self.apart  # reading it is what takes the time
        few, bands = self._cut(N, HO, 0 if wide else work, WORTH)
        panels = spans(-(-O // panel), even_pieces(work, WORTH) if wide else 1)
        out, image = y.laid_out(), x.laid_out()
        for images, band, some in itertools.product(few, bands, panels):
            corner = origin[0] + band.start * stride[0], origin[1]
            block = Block(out, out[images, band], image, image[images], taps, stride, corner, packed)
            block.about.begin, block.about.end = some.start * panel, min(some.stop * panel, O)
            fields = {"taps": block.told[0], "about": block.told[1], "becomes": becomes}
            if block.size is not None:
                fields["seen"] = self._keep((ctypes.c_int64 * 8)(*block.window))
                self.seen = max(self.seen, math.prod(block.size))
            self.kept.append(block)
            fields["y"], fields["x"] = (y, block.y), (x, block.x)
            fields["w"] = 4 * some.start * panel * (taps.count * taps.run if packed else 1)
            self._job(y.step, work, number, images.start, **fields)

    def _in_tiles(self, y, x, weight, becomes, work, origin, m):
        number = self._weight(weight, m, lambda weight: winograd.filters_of(weight, m))
        few, bands = self._cut(y.shape[0], -(-y.shape[1] // m), work, m * WORTH)
        out, image = y.laid_out(), x.laid_out()
        for images, band in itertools.product(few, bands):
            about = winograd.tiles(image[images], out[images], band, origin, m, winograd.FEW)
            self.half = max(self.half, (m + 2) ** 2 * about.plane)
            fields = {"about": self._keep(about), "becomes": becomes}
            fields["y"] = y, address(out[images, band.start * m :]) - address(out)
            fields["x"] = x, address(image[images]) - address(image)
            self._job(y.step, work, number, images.start, kind=m, **fields)

    def _cut(self, images, rows, work, worth):
        """The images, and the rows of each, that are a job."""
        if self.apart:
            return spans(images, images), spans(rows, 1)
        pieces = even_pieces(work, worth)
        few = spans(images, pieces)
        return few, spans(rows, -(-pieces // len(few)))

    def _job(self, step, work, weight, image, **fields):
        self.jobs.append((step, work, weight, image, fields))

    def _keep(self, structure):
        self.kept.append(structure)
        return ctypes.addressof(structure)

    # ------------------------------------------------------------ calls

    def begin(self):
        """What all calls have in common: the table of jobs, of which each call fills in where arrays lie by now."""
        self.jobs.sort(key=lambda job: (job[0], -job[1]))
        steps, _, numbers, images, fields = zip(*self.jobs)
        self.first = np.searchsorted(steps, np.arange(steps[-1] + 2)).astype(np.int64)
        self.state = np.empty(2 * (steps[-1] + 1), np.int64)
        self.table = np.zeros(len(steps), {"names": FIELDS, "formats": [np.int64] * len(FIELDS)})
        places = {name: [job[name] for job in fields] for name in "yx"}
        self.bases = {name: np.array([m.base for m, _ in some]) for name, some in places.items()}
        self.starts = {name: np.array([m.start + more for m, more in some]) for name, some in places.items()}
        self.number, self.in_weight = np.array(numbers), np.array([job.get("w", 0) for job in fields])
        self.image, self.where = np.array(images), np.array(self.where or [0])
        for name in set(FIELDS) - {"y", "x", "w"}:
            self.table[name] = [job.get(name, 0) for job in fields]

        self.maps = on_line((self.between,))
        self.scale, self.shift = np.empty((2, self.channels), np.float32)
        norms = [norm for norm, _, _ in self.norms]
        self.stored = [[getattr(norm, name).value for norm in norms] for name in STORED]
        self.eps = np.concatenate([np.full(norm.weight.value.shape, norm.eps, np.float32) for norm in norms] or [[]])
        for _, about, start in self.norms:
            about.scale, about.bias = address(self.scale[start:]), address(self.shift[start:])

    def __call__(self, x, asked=None):
        """x (N, H, W, C) without gaps, of the shape that was planned  ->  a list of what `output` asked for

        Of a plan whose images are apart, as many of them as x has. asked (N, C + 1): for `select`, what the pixels of
        each image are multiplied by, and what is added.
        """
        self.asked = asked
        made = [np.zeros((len(x), *shape[1:]) if self.apart else shape, np.float32) for shape in self.made]
        begin = np.array([address(array) for array in (self.maps, x, *made)])
        prepared = [prepare(weight) for _, weight, prepare in self.prepared]  # held until they were read
        for name in "yx":
            self.table[name] = begin[self.bases[name]] + self.starts[name]
        for (number, *_), array in zip(self.prepared, prepared):
            self.where[number] = address(array)
        self.table["w"] = self.where[self.number] + self.in_weight
        if self.channels:
            self._fold_norms()
        self.state[:] = 0
        table, first = self.table, self.first
        if self.apart and len(x) < self.x.shape[0]:
            here = self.image < len(x)
            table, first = table[here], np.append(0, np.cumsum(here))[first]
        run([functools.partial(self._play, table, first)] * get_threads())
        return made

    def _fold_norms(self):
        """What norms with stored statistics do to each channel, as nn.fused says it: y * scale + shift."""
        weight, bias, mean, var = (np.concatenate(arrays) for arrays in self.stored)
        np.divide(weight, np.sqrt(var + self.eps), out=self.scale)
        np.subtract(bias, mean * self.scale, out=self.shift)

    def _play(self, table, first):
        scratch = _workspace.take("scratch", (max(self.seen, 2 * self.half, 1),))
        lane().play(*map(address, (table, first, self.state)), len(first) - 1, address(scratch), self.half)
