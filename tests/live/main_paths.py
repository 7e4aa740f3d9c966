"""The main paths of the package, one after another, and what comes out of them: on any Python, whatever it can start.

`python -m live.main_paths` (from tests/) prints them as one line of JSON.
"""

import ast
import contextlib
import io
import json
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
FOREIGN = {"hypothesis"}  # what some lesson uses and the package does not need
RIGHT = "x, weight = cache\nreturn dy @ weight.T, x.T @ dy, dy.sum(axis=0)"
MEAN = RIGHT.replace("sum", "mean")


def imports_of_lessons():
    """Import all that the lessons import; how many statements that are."""
    done = set()
    for path in sorted((ROOT / "lessons").glob("0*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if names and not {name.split(".")[0] for name in names} & FOREIGN:
                done.add(ast.unparse(node))
    for statement in sorted(done):
        exec(statement, {})
    return len(done)


def found_in_three_scenes():
    """What the shipped detector says of three scenes."""
    from tinymaskrcnn.config import tour_preset
    from tinymaskrcnn.data.loader import open_stream
    from tinymaskrcnn.experiment import open_detector

    stream = open_stream(tour_preset(), split="test")
    found = open_detector("tour").detect([stream.scene(i)[0] for i in range(3)])
    return [{name: getattr(one, name).tolist() for name in ("labels", "scores", "boxes")} for one in found]


def judged():
    """How well the shipped detector's answers fit three scenes."""
    from tinymaskrcnn.config import tour_preset
    from tinymaskrcnn.data.loader import open_stream
    from tinymaskrcnn.evaluation.evaluator import Evaluator
    from tinymaskrcnn.experiment import open_detector

    stream, evaluator = open_stream(tour_preset(), split="test"), Evaluator(iou_type="segm")
    scenes = [stream.scene(i) for i in range(3)]
    for (_, truth), found in zip(scenes, open_detector("tour").detect([image for image, _ in scenes])):
        evaluator.add(truth, found)
    return {name: float(evaluator.summarize()[name]) for name in ("AP", "AP50")}


def one_step():
    """One training step of the shipped detector: its losses and the length of its gradient."""
    from tinymaskrcnn.config import tour_preset
    from tinymaskrcnn.data.loader import open_stream
    from tinymaskrcnn.train.trainer import Trainer, computing
    from tinymaskrcnn.zoo.shipped import load_tour_detector

    config = tour_preset()
    model = load_tour_detector()
    model.train()
    trainer = Trainer(model, open_stream(config, split="train"), config.train)
    batch = trainer.stream.batch(0)
    with computing():
        row = trainer.train_step([batch])
    return {name: row[name] for name in row if name not in ("step", "learning_rate")}


def two_steps_of_a_run(folder):
    """The losses of a run folder that was trained, and read again from its checkpoint."""
    from tiny_settings import TINY_RUN

    from tinymaskrcnn import Config, Experiment
    from tinymaskrcnn.commands.options import override
    from tinymaskrcnn.train.metrics import read_rows

    config = override(Config(), TINY_RUN | {"train.steps": 2, "train.checkpoint_every": 1, "train.eval_scenes": 1})
    Experiment.start(folder / "run", config).train()
    again = Experiment.open(folder / "run")
    weights = sum(float(abs(parameter.value).sum()) for parameter in again.model.parameters())
    return [row["loss"] for row in read_rows(again.run.metrics_file)] + [weights]


def homework(folder):
    """The verdicts on a file with a right function and one with a mistake that has a name, and its picture."""
    from tinymaskrcnn.homework.check import check_file, explanation, headline
    from tinymaskrcnn.homework.feedback import picture_of
    from tinymaskrcnn.homework.release import student_file

    said, pictures = [], []
    for body in (RIGHT, MEAN):
        lines = "\n    ".join(body.split("\n"))
        path = folder / "hw01.py"
        path.write_text(student_file("hw01").replace('raise NotImplementedError("hw01.linear_backward")', lines))
        for verdict in check_file(path, only=["linear_backward", "softmax_forward"][: 1 + (body == MEAN)]):
            said.append([headline(verdict), *explanation(verdict)])
            pictures.append(picture_of(verdict) is not None)
    return {"said": said, "pictures": pictures}


def products():
    """What makes the products of the kernels, and how far from NumPy's it is: of whole matrices, of stacks, turned."""
    import numpy as np

    from tinymaskrcnn.kernels.products import product
    from tinymaskrcnn.kernels.wasm import gemm

    rng, far = np.random.default_rng(0), 0.0
    for M, K, N in (4, 1, 8), (13, 7, 11), (588, 32, 32), (3, 5, 40), (40, 5, 3), (36, 36, 999):
        a, b = rng.standard_normal((2, M, K), np.float32), rng.standard_normal((2, K, N), np.float32)
        turned = a.swapaxes(1, 2).copy().swapaxes(1, 2), b.swapaxes(1, 2).copy().swapaxes(1, 2)
        for one, other in (a, b), turned, (a[0], b[0]), (a[:, ::-1], b):
            far = max(far, float(abs(product(one, other) - one @ other).max()))
    return {"by": product.__name__, "vectors": gemm.loaded() is not None, "far": far}


def doctor():
    """What `tinymaskrcnn doctor` prints, and its exit status."""
    from tinymaskrcnn import cli

    with contextlib.redirect_stdout(io.StringIO()) as out:
        status = cli.main(["doctor"])
    return {"status": status, "out": out.getvalue()}


def main(clock=time.perf_counter):
    """All of them: {name: what came out}, and the seconds that each took."""
    out, seconds = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for name, path in {
            "lessons": imports_of_lessons,
            "found": found_in_three_scenes,
            "judged": judged,
            "step": one_step,
            "run": lambda: two_steps_of_a_run(Path(folder)),
            "products": products,
            "homework": lambda: homework(Path(folder)),
            "doctor": doctor,
        }.items():
            began = clock()
            out[name] = path()
            seconds[name] = round(clock() - began, 2)
    return out | {"seconds": seconds}


if __name__ == "__main__":
    print(json.dumps(main()))
