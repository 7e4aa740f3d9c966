"""Homework 2, third part: the largest value below each window."""

import numpy as np

from ...ops.pool import max_pool2d_backward, max_pool2d_forward
from ..exercise import Call, Case, Exercise, GradientCase, Mistake
from ._drawn import window_cases
from ._shared import cache_proven_by, distinct

ASSIGNS = (
    "you assign instead of accumulate: right when stride equals window, wrong here, where the windows overlap and one "
    "pixel {role} several of them: the gradients of all must add up"
)
WINS = ASSIGNS.format(role="wins")


def _image(*shape, dtype=np.float64, shift=0.0, scale=1.0, **options):
    """A picture without ties and the options of a pooling."""
    return lambda rng: Call(((scale * (distinct(rng, shape) + shift)).astype(dtype),), options)


def _seen(shape, **options):
    return _image(*shape, **options)


def _flat(*levels, **options):
    """A picture of which each channel holds one number alone."""
    return lambda rng: Call((np.broadcast_to(np.array(levels), (1, 4, 5, len(levels))).copy(),), options)


def _drawn(rows, **options):
    return lambda rng: Call((np.array(rows, np.float64)[None, :, :, None],), options)


FOUR = [[1, 3, 2, 0], [4, 2, 1, 5], [0, 1, 9, 8], [2, 7, 6, 3]]

MAXIMUM = Exercise(
    id="hw02.max_pool2d_forward",
    title="The largest value below each window",
    points=2,
    lesson="03",
    recipe="""
        Each channel of each picture on its own. Above the blank kernel, stride and padding are pairs, stride is
        kernel unless it was given, and windows = (HO, WO) says how many windows fit.
        1. Surround x with a border that can never win: add_border(x, padding, value). Zero would win among
           negative numbers.
        2. Begin with a y (N, HO, WO, C), in the dtype of x, that every number beats.
        3. taps(kernel, stride, windows) yields i, j, rows, columns for each place of the kernel: padded[:, rows,
           columns] is what all windows see there, (N, HO, WO, C). Keep the larger one of y and that, number by
           number.
        4. Return y and the cache (x, y, kernel, stride, padding): the backward looks for the winners again.
    """,
    returns=("y", "cache"),
    results=cache_proven_by(
        max_pool2d_forward,
        max_pool2d_backward,
        ("dx",),
        "(x, y, kernel, stride, padding), with pairs for the last three",
    ),
    cases=(
        Case("sixteen numbers, 2x2", "value", _drawn(FOUR, kernel=2)),
        Case("two pictures, two channels", "value", _image(2, 4, 6, 2, kernel=2)),
        Case("float32 stays float32", "shape", _image(1, 6, 4, 2, dtype=np.float32, kernel=2)),
        Case(
            "negative numbers and a border",
            "adversarial",
            _image(1, 4, 4, 2, shift=-5.0, kernel=3, padding=1),
            "every number is below 0: a border of zeros would win",
        ),
        Case("negative numbers", "adversarial", _image(1, 4, 4, 1, shift=-5.0, kernel=2), "every number is below 0"),
        Case(
            "very negative numbers and a border",
            "adversarial",
            _image(1, 5, 5, 1, shift=-5.0, scale=1e12, kernel=3, stride=1, padding=1),
            "every number is below -1e12: only minus infinity is below them all",
        ),
        Case(
            "numbers below every float32",
            "adversarial",
            _image(1, 5, 5, 1, shift=-5.0, scale=1e300, kernel=3, stride=1, padding=1),
            "every number is below -1e300: only minus infinity is below them all",
        ),
        Case(
            "overlap and a rest",
            "adversarial",
            _image(1, 6, 5, 2, kernel=3, stride=2),
            "the windows overlap, and no window reads the last row",
        ),
        Case(
            "a kernel that is not square",
            "adversarial",
            _image(1, 7, 7, 1, kernel=(2, 3), stride=2),
            "2 rows and 3 columns",
        ),
        Case(
            "pairs of all kinds",
            "adversarial",
            _image(2, 5, 7, 1, kernel=(2, 3), stride=(1, 2), padding=(1, 0)),
            "rows and columns differ in kernel, stride and padding",
        ),
        Case("a kernel of 1", "adversarial", _image(1, 5, 4, 2, kernel=1, stride=2), "every second pixel is kept"),
        *window_cases(_seen, half=True, dilated=False),
        Case("no pictures", "adversarial", _image(0, 4, 4, 2, kernel=2), "a batch of none is normal"),
        Case("x stays as it was", "ownership", _image(1, 4, 4, 2, kernel=2, stride=1)),
        GradientCase(
            "against differences",
            "forward",
            "tinymaskrcnn.ops.pool:max_pool2d_backward",
            _image(1, 5, 4, 2, kernel=3, stride=2, padding=1),
        ),
        Case("larger", "value", _image(2, 9, 8, 3, kernel=(4, 3), stride=(3, 2), padding=(2, 1)), hidden=True),
    ),
    mistakes=(
        Mistake(
            "the border is 0 and wins where all numbers are negative: it must be minus infinity",
            (("add_border(x, padding, -xp.inf)", "add_border(x, padding)"),),
        ),
        Mistake(
            "the search for the largest begins at 0, which wins where all numbers are negative: begin at minus "
            "infinity",
            (
                (
                    "xp.full((x.shape[0], *windows, x.shape[3]), -xp.inf,",
                    "xp.full((x.shape[0], *windows, x.shape[3]), 0,",
                ),
            ),
        ),
        *(
            Mistake(
                f"the border is {number}, and wins where all numbers are smaller: it must be minus infinity",
                (("add_border(x, padding, -xp.inf)", f"add_border(x, padding, {number})"),),
            )
            for number in ("-1", "-100", "-1000", "-1e6", "-1e9", "-1e10")
        ),
        *(
            Mistake(
                f"the search for the largest begins at {number}, and some numbers are smaller: begin at minus infinity",
                (("x.shape[3]), -xp.inf,", f"x.shape[3]), {number},"),),
            )
            for number in ("-1", "-100", "-1000", "-1e6", "-1e9", "-1e10")
        ),
        Mistake(
            "the windows lie kernel pixels apart, but they should lie stride pixels apart: the two differ here",
            (("taps(kernel, stride, windows)", "taps(kernel, kernel, windows)"),),
        ),
        Mistake(
            "the stride is used as (w, h): it is a pair (rows, columns)",
            (("taps(kernel, stride, windows)", "taps(kernel, stride[::-1], windows)"),),
        ),
        Mistake(
            "the kernel is used as (w, h): it is a pair (rows, columns)",
            (("taps(kernel, stride, windows)", "taps(kernel[::-1], stride, windows)"),),
        ),
        Mistake(
            "the maximum runs over the channels as well: each channel has a largest value of its own",
            (
                (
                    "return y, (x, y,",
                    "y = xp.broadcast_to(y.max(axis=3, keepdims=True), y.shape).copy()\n    return y, (x, y,",
                ),
            ),
        ),
        Mistake(
            "that is the mean below each window; wanted is the maximum",
            (
                (
                    "return y, (x, y,",
                    "y = avg_pool2d_forward(x, kernel=kernel, stride=stride, padding=padding)[0]\n    return y, (x, y,",
                ),
            ),
        ),
    ),
)


def _maximum_back(draw, scale=1.0):
    """dy and the cache of a maximum pooling of what draw(rng) draws."""

    def make(rng):
        call = draw(rng)
        y, cache = max_pool2d_forward(*call.args, **call.data)
        return Call(((scale * rng.uniform(1, 2, y.shape)).astype(y.dtype), cache))

    return make


def _seen_back(shape, *, scale=1.0, **options):
    return _maximum_back(_image(*shape, scale=scale, **options), scale)


def _by_hand(rng):
    (x,) = _drawn(FOUR)(rng).args
    _, cache = max_pool2d_forward(x, kernel=2)
    return Call((np.array([[1.0, 2.0], [3.0, 4.0]])[None, :, :, None], cache))


WHOLE_WINDOWS = """dpadded[...] = 0
    for p in range(y.shape[1]):
        for q in range(y.shape[2]):
            place = (slice(None), slice(p * stride[0], p * stride[0] + kernel[0]))
            place += (slice(q * stride[1], q * stride[1] + kernel[1]),)
            dpadded[place] = dy[:, p : p + 1, q : q + 1] * (padded[place] == y[:, p : p + 1, q : q + 1])
    return remove_border(dpadded, padding)"""
LAST_WINDOW = """fresh = winner & ~written[:, rows, columns]
        dpadded[:, rows, columns] += dy * fresh
        written[:, rows, columns] |= winner"""
LAST_PLACE = """part = dpadded[:, rows, columns]
        part[winner] = dy[winner]"""
ADD = "dpadded[:, rows, columns] += dy * winner"
OPEN = "open_windows = xp.ones(y.shape, bool)"

MAXIMUM_BACK = Exercise(
    id="hw02.max_pool2d_backward",
    title="The winner takes the gradient",
    points=4,
    lesson="03",
    recipe="""
        The cache is (x, y, kernel, stride, padding). The pixel that won a window receives the gradient of that
        window; a pixel that won several receives their sum; in a tie the first pixel wins, row by row.
        1. Surround x with the border of the forward, add_border(x, padding, value) with minus infinity, and make
           zeros of that shape, in the dtype of dy, for the gradient.
        2. taps(kernel, stride, (HO, WO)) yields i, j, rows, columns for each place of the kernel, row by row; HO
           and WO are those of y. padded[:, rows, columns] is what all windows see there: where it equals y, this
           place has won.
        3. But not if an earlier place won that window already: keep a bool array of windows whose winner is still
           to be found.
        4. Give dy to the winners of this place. What the pixel has from other windows must stay.
        5. remove_border(dpadded, padding) cuts the border away. Return the rest, dx.
    """,
    returns=("dx",),
    cases=(
        Case("sixteen numbers, 2x2", "value", _by_hand),
        Case("two pictures, two channels", "value", _maximum_back(_image(2, 4, 6, 2, kernel=2))),
        Case("float32 stays float32", "shape", _maximum_back(_image(1, 6, 4, 2, dtype=np.float32, kernel=2))),
        Case(
            "overlap",
            "adversarial",
            _maximum_back(_drawn([[0, 1, 2, 3], [4, 9, 6, 5], [1, 7, 8, 2], [3, 0, 1, 6]], kernel=3, stride=1)),
            "the windows overlap: the 9 wins all four of them",
        ),
        Case(
            "ties",
            "adversarial",
            _maximum_back(_drawn([[5, 5, 0, 7], [5, 5, 7, 0], [0, 0, 1, 2], [0, 0, 2, 2]], kernel=2)),
            "several pixels are equally large: the first one, row by row, wins",
        ),
        Case(
            "zeros beside the border",
            "adversarial",
            _maximum_back(_drawn([[0, -1, -2], [-3, -4, -5], [-6, -7, 0]], kernel=3, stride=2, padding=1)),
            "the largest number is 0, as a border of zeros would be",
        ),
        Case(
            "flat pictures and a border",
            "adversarial",
            _maximum_back(_flat(-1.0, -100.0, -1000.0, -1e6, -1e9, -1e10, kernel=3, stride=2, padding=1)),
            "each channel holds one number alone, from -1 down to -1e10: a border as large would win the tie",
        ),
        Case(
            "nearly a tie",
            "adversarial",
            _maximum_back(_drawn([[1, 1 + 1e-9, 0, 0], [0, 0, 3, np.nextafter(3, 4)]], kernel=2)),
            "the second is larger by 1e-9, or by as little as there is: no tie, so the first one has not won",
        ),
        Case(
            "a rest",
            "adversarial",
            _maximum_back(_image(1, 5, 7, 1, kernel=2)),
            "no window reads the last row and the last column: they are there, with gradient 0",
        ),
        Case(
            "pairs of all kinds",
            "adversarial",
            _maximum_back(_image(2, 5, 7, 1, kernel=(2, 3), stride=(1, 2), padding=(1, 0))),
            "rows and columns differ in kernel, stride and padding",
        ),
        *window_cases(_seen_back, half=True, dilated=False),
        Case("no pictures", "adversarial", _maximum_back(_image(0, 4, 4, 2, kernel=2)), "a batch of none is normal"),
        Case("nothing is written into", "ownership", _maximum_back(_image(1, 4, 4, 2, kernel=2))),
        GradientCase(
            "against differences",
            "backward",
            "tinymaskrcnn.ops.pool:max_pool2d_forward",
            _image(1, 5, 4, 2, kernel=3, stride=2, padding=1),
        ),
        Case("a flat picture", "adversarial", _maximum_back(_drawn(np.ones((5, 5)), kernel=3, stride=1)), hidden=True),
        Case("dense", "value", _maximum_back(_image(2, 6, 6, 2, kernel=4, stride=1, padding=2)), hidden=True),
    ),
    mistakes=(
        Mistake(WINS, ((ADD, ADD.replace("+=", "=")),)),  # all windows at once, place by place: losers write a 0
        Mistake(WINS, ((ADD, LAST_PLACE),)),  # the same, but only winners write
        Mistake(
            WINS, ((OPEN, "written = xp.zeros(padded.shape, bool)\n    " + OPEN), (ADD, LAST_WINDOW))
        ),  # by windows
        Mistake(WINS, (("return remove_border(dpadded, padding)", WHOLE_WINDOWS),)),  # by windows, losers write a 0
        Mistake(
            "in a tie every pixel that equals the maximum receives the gradient: only the first one, row by row, has "
            "won",
            (("winner = (padded[:, rows, columns] == y) & open_windows", "winner = padded[:, rows, columns] == y"),),
        ),
        Mistake(
            "in a tie the last pixel wins: it must be the first one, row by row",
            (("in taps(kernel, stride, y.shape[1:3])", "in [*taps(kernel, stride, y.shape[1:3])][::-1]"),),
        ),
        Mistake(
            "in a tie you share the gradient out among the winners: here the first one, row by row, takes it all",
            (
                (
                    OPEN,
                    "count = sum((padded[:, r, c] == y).astype(dy.dtype) for _, _, r, c in taps(kernel, stride, "
                    "y.shape[1:3]))\n"
                    "    " + OPEN,
                ),
                ("winner = (padded[:, rows, columns] == y) & open_windows", "winner = padded[:, rows, columns] == y"),
                (ADD, "dpadded[:, rows, columns] += dy * winner / xp.maximum(count, 1)"),
            ),
        ),
        Mistake(
            "the border is 0 and wins against a largest number of 0: it must be minus infinity, as in the forward",
            (("add_border(x, padding, -xp.inf)", "add_border(x, padding)"),),
        ),
        *(
            Mistake(
                "the border is a number that a pixel may have, and wins a tie with it: it must be minus infinity, as "
                "in the forward",
                (("add_border(x, padding, -xp.inf)", f"add_border(x, padding, {number})"),),
            )
            for number in ("-1", "-100", "-1000", "-1e6", "-1e9", "-1e10", "x.min(initial=0)")
        ),
        *(
            Mistake(
                "a pixel that is nearly as large as the maximum is taken for it: y holds the very numbers of x, so "
                "compare with ==",
                (("(padded[:, rows, columns] == y)", nearly),),
            )
            for nearly in ("xp.isclose(padded[:, rows, columns], y)", "(padded[:, rows, columns] >= y - 1e-8)")
        ),
        Mistake(
            "dy is not used: dx only marks the winners",
            (("+= dy * winner", "+= winner"),),
        ),
        Mistake(
            "the border is still there: cut it away with remove_border",
            (("remove_border(dpadded, padding)", "dpadded"),),
        ),
        Mistake(
            "every pixel of a window receives its gradient: that is the way back through a sum; here the winner takes "
            "all",
            ((ADD, "dpadded[:, rows, columns] += dy"),),
        ),
    ),
)
