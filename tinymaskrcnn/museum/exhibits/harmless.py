"""Three that change nothing, so that `nothing is wrong` is a possible answer; who finds one is mistaken."""

from ..exhibit import Exhibit

EXHIBITS = (
    Exhibit(
        name="smooth-l1-by-the-book",
        title="Smooth L1 in two branches, as papers print it",
        edits=(
            (
                "ops/losses.py",
                "element = bend * bend / (2 * beta) + (size - bend)",
                "element = xp.where(size < beta, size * size / (2 * beta), size - 0.5 * beta)",
            ),
        ),
        origin="Fast R-CNN, equation 3. It looks like misprinted-smooth-l1, and is the same function as the package's.",
        seen="Nothing: the values agree to the last digits.",
        view="smooth_l1",
        harmless=True,
    ),
    Exhibit(
        name="other-ranks",
        title="The order of a sample by other numbers",
        edits=(
            (
                "targets/roi.py",
                "rank = keys + chosen + positive  # keys lie in (0, 1]",
                "rank = keys + 2 * chosen + 4 * positive  # keys lie in (0, 1]",
            ),
        ),
        origin="Positives first, then negatives, then padding: any numbers that keep the three apart will do.",
        seen="Nothing: only the order counts.",
        view="roi_sample",
        harmless=True,
    ),
    Exhibit(
        name="gaps-between-groups",
        title="NMS groups with gaps between their numbers",
        edits=(
            (
                "models/rpn.py",
                "group = xp.arange(len(proposals))[:, None] * len(self.config.anchor_sizes) + level",
                "group = xp.arange(len(proposals))[:, None] * 1000 + level",
            ),
        ),
        origin="torchvision moves the boxes of each group far away from all others instead; here groups are "
        "numbers, and any numbers that differ will do.",
        seen="Nothing: boxes of different levels and pictures still do not compete.",
        view="proposals",
        harmless=True,
    ),
)
