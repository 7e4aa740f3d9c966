"""The whole network on one sheet, drawn from a real step: forward above, its mirror below, the losses between them."""

import numpy as np

from ..config_rules import OUTSIDE
from ..errors import ArgumentError
from .sheet import Sheet
from .thumbnails import Thumbnails

WIDTH, HEIGHT = 1640, 1160
TOP, BAND = 118, 400  # where the forward half begins, and how high a half is
TALLEST = 130  # of a picture in a box
SPINE = 585  # the height of the losses; the lower half mirrors the upper one at it
NAMES = (
    *("normalize", "backbone.body", "backbone", "rpn"),
    *("roi_heads.box_roi_pool", "roi_heads.box_head", "roi_heads.box_predictor"),
    *("roi_heads.mask_roi_pool", "roi_heads.mask_head", "roi_heads.mask_predictor"),
)
BODIES = {  # kind: (title, file)
    "resnet": ("ResNet", "models/backbones/resnet.py"),
    "vgg": ("VGG", "models/backbones/vgg.py"),
    "plain": ("plain CNN", "models/backbones/plain.py"),
}
PYRAMIDS = {
    "full": ("FPN", "models/backbones/fpn.py"),
    "no_lateral": ("FPN, not lateral", "models/backbones/pyramids.py"),
    "no_top_down": ("FPN, not top down", "models/backbones/pyramids.py"),
    "p2": ("FPN, P2 alone", "models/backbones/pyramids.py"),
    "c4": ("no pyramid", "models/backbones/pyramids.py"),
    "c5": ("no pyramid", "models/backbones/pyramids.py"),
}
COLUMNS = {  # key: (left, width, title, file, lesson)
    "picture": (40, 150, "picture", "models/mask_rcnn.py", "00_tour"),
    "body": (240, 190, *BODIES["resnet"], "03_pooling_norm_residual"),
    "pyramid": (480, 190, *PYRAMIDS["full"], "02_convolution"),
    "rpn": (720, 200, "RPN", "models/rpn.py", "05_anchors_and_labels"),
    "pool": (970, 180, "RoIAlign", "ops/roi_align.py", "06_roi_pooling_grids"),
    "heads": (1200, 180, "heads", "models/heads/mask.py", "07_mask_rcnn_from_its_parts"),
    "answers": (1430, 170, "answers", "ops/losses.py", "01_pairs_and_gradients"),
}


def draw_plate(passes, *, source=None, lesson=None):
    """One sheet of a step.

    passes: Passes of a model with an RPN and a mask head (`watch_step` with NAMES); source(file) and lesson(name):
    addresses that the words of a box lead to, None for none  ->  Sheet
    """
    return _Plate(passes, source or (lambda file: None), lesson or (lambda name: None)).sheet


class _Plate:
    def __init__(self, passes, source, lesson):
        self.passes, self.source, self.lesson = passes, source, lesson
        missing = ["RPN"] * (passes.config.system in OUTSIDE) + [name for name in NAMES if name not in passes.of]
        if missing:
            raise ArgumentError(f"draw_plate: needs a model with an RPN and a mask head; it has no {missing[0]}")
        self.backbone = passes.config.backbone
        self.named = {"body": BODIES[self.backbone.kind], "pyramid": PYRAMIDS[self.backbone.fpn]}
        self.show = Thumbnails(passes.image)
        self.sheet = Sheet(WIDTH, HEIGHT, "Mask R-CNN in one training step: forward above, backward below")
        self.words()
        forward, backward = self.rows()
        for key in COLUMNS:
            self.column(key, TOP, forward[key], back=False)
            self.column(key, 2 * SPINE - TOP - BAND, backward[key], back=True)
        self.arrows()
        self.losses()

    def of(self, name):
        return self.passes.of[name]

    def rows(self):
        """{column: [(label, array)]} of both halves."""
        body, pyramid, rpn = self.of("backbone.body"), self.of("backbone"), self.of("rpn")
        boxes = [self.of(f"roi_heads.box_{part}") for part in ("roi_pool", "head", "predictor")]
        masks = [self.of(f"roi_heads.mask_{part}") for part in ("roi_pool", "head", "predictor")]
        levels = [self.backbone.level_name(level) for level in self.backbone.levels]
        stages = [f"C{level + 2}" for level in range(len(body.y))]
        dimages = self.passes.dimages
        forward = {
            "picture": [("image", self.passes.image[None]), ("x", self.of("normalize").y)],
            "body": list(zip(stages, body.y)),
            "pyramid": list(zip(levels, pyramid.y)),
            "rpn": [*self.by_level("", rpn.y[0]), ("deltas", rpn.y[1]), ("proposals", self.passes.proposals)],
            "pool": [("RoIs", self.passes.rois), ("for boxes", boxes[0].y), ("for masks", masks[0].y)],
            "heads": [("box head", boxes[1].y), ("mask head", masks[1].y)],
            "answers": [("classes", boxes[2].y[0]), ("deltas", boxes[2].y[1]), ("masks", masks[2].y)],
        }
        backward = {
            "picture": [("dimage", dimages), ("dx", self.of("normalize").dy)],
            "body": list(zip([f"d{name}" for name in stages], body.dy)),
            "pyramid": list(zip([f"d{name}" for name in levels], pyramid.dy)),
            "rpn": [*self.by_level("d", rpn.dy[0]), ("ddeltas", rpn.dy[1])],
            "pool": [("for boxes", boxes[0].dy), ("for masks", masks[0].dy)],
            "heads": [("box head", boxes[1].dy), ("mask head", masks[1].dy)],
            "answers": [("dclasses", boxes[2].dy[0]), ("ddeltas", boxes[2].dy[1]), ("dmasks", masks[2].dy)],
        }
        return forward, backward

    def by_level(self, before, logits):
        """The RPN's logits (N, A) as maps of the two finest levels."""
        start, rows, names = 0, [], map(self.backbone.level_name, self.backbone.levels)
        cells = [level.shape[1] * level.shape[2] for level in self.of("backbone").y]
        each = logits.shape[1] // sum(cells)  # anchors of a cell
        for name, level, count in zip(names, self.of("backbone").y[:2], cells):
            part = logits[:, start : start + count * each].reshape(*level.shape[:3], each)
            rows.append((f"{before}logits {name}", part))
            start += count * each
        return rows

    # ------------------------------------------------------------ what is drawn

    def words(self):
        sheet = self.sheet
        sheet.text(40, 56, "Mask R-CNN, one training step", size=34, bold=True)
        what = (
            "Forward runs to the right above, backward to the left below. Every picture is an array of one real step."
        )
        sheet.text(40, 84, what, size=15, color="muted")
        legend = "From ink to paper where nothing is negative, else blue above zero, orange below, dark at zero."
        sheet.text(40, HEIGHT - 24, legend, size=14, color="muted")

    def column(self, key, top, rows, *, back):
        left, width, title, file, lesson = COLUMNS[key]
        title, file = self.named.get(key, (title, file))
        way = "up" if back else "down"
        self.sheet.box(left, top, width, BAND, edge=way)
        self.sheet.text(left + 12, top + 24, f"d {title}" if back else title, size=17, bold=True, color=way)
        foot = top + BAND - 12
        self.sheet.text(left + 12, foot - 17, file, size=11, color="muted", mono=True, link=self.source(file))
        words = f"lesson {lesson[:2]}"
        self.sheet.text(left + 12, foot, words, size=11, color="muted", link=self.lesson(lesson))
        room = BAND - 88
        most = min(room / len(rows) - 22, TALLEST)
        sizes = [self.look(label, array, width - 24, most) for label, array in rows]
        spare = (room - sum(height + 20 for *_, height in sizes)) / len(rows)
        y = top + 40
        for (label, array), (look, wide, high) in zip(rows, sizes):
            self.sheet.text(left + 12, y + 12, label, size=12, bold=True)
            shape = "" if array is None else "×".join(map(str, array.shape))
            self.sheet.text(left + width - 12, y + 12, shape, size=11, color="muted", mono=True, anchor="end")
            if look:
                self.sheet.picture(left + 12, y + 18, wide, high, look)
            else:
                self.sheet.text(left + 12, y + 30, "none", size=12, color="muted")
            y += high + 20 + min(max(spare, 2), 24)

    def look(self, label, array, room, most):
        """A picture of an array and the size it is drawn in, within a width and a height; (None, 0, 14) of nothing."""
        look = None if array is None else self.show(np.asarray(array), label, side=64, maps=3)
        if look is None:
            return None, 0, 14
        scale = min(room / look.width, most / look.height)
        return look, look.width * scale, look.height * scale

    def arrows(self):
        keys = list(COLUMNS)
        up, down = TOP + BAND / 2, 2 * SPINE - TOP - BAND / 2
        for one, other in zip(keys, keys[1:]):
            right, left = COLUMNS[one][0] + COLUMNS[one][1], COLUMNS[other][0]
            data = (one, other) == ("rpn", "pool")
            self.sheet.line([(right + 4, up), (left - 4, up)], color="line" if data else "down", width=3, dashed=data)
            if not data:
                self.sheet.line([(left - 4, down), (right + 4, down)], color="up", width=3)
        self.around("pyramid", "pool")

    def around(self, one, other):
        """The pyramid goes past the RPN to RoIAlign, and the gradient of the crops comes back the same way."""
        start, end = COLUMNS[one][0] + COLUMNS[one][1] / 2, COLUMNS[other][0] + COLUMNS[other][1] / 2
        over, under = TOP - 14, 2 * SPINE - TOP + 14
        self.sheet.line([(start, TOP), (start, over), (end, over), (end, TOP - 1)], color="down", width=3)
        low = 2 * SPINE - TOP
        self.sheet.line([(end, low), (end, under), (start, under), (start, low + 1)], color="up", width=3)
        middle = (start + end) / 2
        self.sheet.text(middle, over - 6, "the pyramid itself", size=12, color="down", anchor="middle")
        words = "dP: what RoIAlign sends back is added to what the RPN sends"
        self.sheet.text(middle, under + 18, words, size=12, color="up", anchor="middle")
        gap = COLUMNS["rpn"][0] + COLUMNS["rpn"][1] + 25
        low = 2 * SPINE - TOP - BAND / 2
        for place, words in ((-6, "no"), (8, "gradient")):
            self.sheet.text(gap, low + place, words, size=10, color="muted", anchor="middle")

    def losses(self):
        """Each loss on the spine, under what it judges and over the gradient that it starts."""
        losses = self.passes.losses
        places = {"rpn": [n for n in losses if n.startswith("rpn")]}
        places["answers"] = [n for n in losses if n not in places["rpn"]]
        for key, names in places.items():
            left, width, *_ = COLUMNS[key]
            spread = 150
            first = left + width / 2 - spread * (len(names) - 1) / 2
            first = min(first, WIDTH - 40 - 70 - spread * (len(names) - 1))
            for k, name in enumerate(names):
                x = first + k * spread
                inside = min(max(x, left + 20), left + width - 20)
                inside += 14 * (k - (len(names) - 1) / 2) if x != inside else 0
                low = 2 * SPINE - TOP - BAND
                self.sheet.line([(inside, TOP + BAND), (x, SPINE - 24)], color="down", width=2.4)
                self.sheet.line([(x, SPINE + 24), (inside, low)], color="up", width=2.4)
                self.sheet.box(x - 66, SPINE - 24, 132, 48, edge="ink")
                self.sheet.text(x, SPINE - 4, name.replace("_", " "), size=13, bold=True, anchor="middle")
                self.sheet.text(x, SPINE + 14, f"{losses[name]:.3f}", size=12, mono=True, anchor="middle")
        self.sheet.text(40, SPINE + 5, "what forward keeps, backward finds", size=14, color="muted")
        for key in ("body", "pyramid"):
            middle = COLUMNS[key][0] + COLUMNS[key][1] / 2
            points = [(middle, TOP + BAND), (middle, 2 * SPINE - TOP - BAND)]
            self.sheet.line(points, dashed=True)
