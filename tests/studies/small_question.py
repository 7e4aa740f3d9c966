"""A question so small that a test can train all of it, and rows that were never trained."""

from tiny_settings import TINY_PARTS, TINY_RUN

from tinymaskrcnn.studies.question import Arm, Question
from tinymaskrcnn.studies.rows import Row

SMALL = TINY_RUN | TINY_PARTS
SMALL |= {"model.roi.box_size": 7, "scenes.digits_per_image": (1, 2), "train.steps": 2, "train.eval_scenes": 3}
ARMS = (
    Arm("first"),
    Arm("second", {"model.roi.pooling": "pool"}, expect="lower", published="1 against 2"),
    Arm("third", test={"model.roi.nms_iou": 0.9}, expect="null"),
)


def question(arms=ARMS, *, settings=(), **more):
    told = {"name": "small", "title": "Is it?", "measure": "bbox.AP", "effect": 0.1, "published": "P.", "why": "W."}
    return Question(**(told | {"arms": arms, "settings": SMALL | dict(settings)} | more))


class Told:
    """Rows from a table {arm: {seed: AP, or a message of what failed}}, asked for by plans of a question."""

    def __init__(self, asked, table):
        self.rows = {}
        for arm in asked.arms:
            for seed, value in table.get(arm.name, {}).items():
                plan = asked.plan(arm, seed)
                if isinstance(value, str):
                    row = Row.of(plan, failed=value)
                else:
                    row = Row.of(plan, figures={"bbox": {"AP": value}})
                self.rows[plan.digest, plan.seed] = row

    def get(self, plan):
        return self.rows.get((plan.digest, plan.seed))
