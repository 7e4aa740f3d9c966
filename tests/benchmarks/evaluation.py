"""Time our evaluation and pycocotools' on the same files, side by side in one run.

python tests/benchmarks/evaluation.py [--images 5000] [--detections 100] [--repeats 1] [--kinds bbox,segm,keypoints]

Made-up pictures of COCO's size (480 x 640, 80 classes, seven objects each, ellipses as masks; one class with 17
keypoints) are written as an annotation file (polygons) and a results file (run lengths). Each program is timed from
these files to the figures: reading, then evaluating. Seconds are those of the processor, of one thread. With --repeats
both run in turn and medians are printed.
"""

import argparse
import contextlib
import io
import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np  # noqa: E402

HEIGHT, WIDTH, CLASSES, OBJECTS, JOINTS = 480, 640, 80, 7, 17


def outline(box, points=24):
    """The ellipse in a box as one of COCO's polygons."""
    x1, y1, x2, y2 = box
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    x, y = (x1 + x2) / 2 + np.cos(angle) * (x2 - x1) / 2, (y1 + y2) / 2 + np.sin(angle) * (y2 - y1) / 2
    return [np.stack([x, y], axis=1).round(2).ravel().tolist()]


def run_lengths(box):
    """The mask of the ellipse in a box as COCO's results hold it, made column by column."""
    from tinymaskrcnn.data import rle

    x1, y1, x2, y2 = box
    columns = np.arange(max(int(x1), 0), min(int(np.ceil(x2)), WIDTH))
    across = np.clip(2 * (columns + 0.5 - x1) / (x2 - x1) - 1, -1, 1)
    half = np.sqrt(1 - across**2) * (y2 - y1) / 2
    top = np.clip(np.round((y1 + y2) / 2 - half), 0, HEIGHT - 1).astype(int)
    bottom = np.clip(np.round((y1 + y2) / 2 + half), top + 1, HEIGHT).astype(int)
    edges = np.stack([columns * HEIGHT + top, columns * HEIGHT + bottom], axis=1).ravel()
    return rle.to_coco(rle.RLE((HEIGHT, WIDTH), np.diff(edges, prepend=0, append=HEIGHT * WIDTH)))


def draw_boxes(rng, count):
    side = np.exp(rng.uniform(np.log(12), np.log(300), (count, 2)))
    corner = rng.uniform(0, 1, (count, 2)) * np.maximum([WIDTH, HEIGHT] - side, 1)
    return np.concatenate([corner, np.minimum(corner + side, [WIDTH, HEIGHT])], axis=1).round(2)


def draw_image(rng, kind, detections):
    """Objects and detections of one picture: (boxes, labels, points) each, and the scores."""
    classes = 1 if kind == "keypoints" else CLASSES
    boxes, labels = draw_boxes(rng, OBJECTS), rng.integers(1, classes + 1, OBJECTS)
    points = boxes[:, None, :2] + rng.random((OBJECTS, JOINTS, 2)) * (boxes[:, 2:] - boxes[:, :2])[:, None]
    copies = rng.integers(0, OBJECTS, detections // 2)
    moved = boxes[copies] + rng.normal(0, 8, (len(copies), 4))
    moved = np.concatenate([moved[:, :2], np.maximum(moved[:, 2:], moved[:, :2] + 4)], axis=1)
    moved = np.clip(moved, [0, 0, 2, 2], [WIDTH - 2, HEIGHT - 2, WIDTH, HEIGHT])
    strangers = draw_boxes(rng, detections - len(copies))
    found = np.concatenate([moved, strangers]).round(2)
    guess = np.concatenate([labels[copies], rng.integers(1, classes + 1, len(strangers))])
    near = points[copies] + rng.normal(0, 6, (len(copies), JOINTS, 2))
    far = strangers[:, None, :2] + rng.random((len(strangers), JOINTS, 2)) * 50
    return (boxes, labels, points), (found, guess, np.concatenate([near, far])), rng.random(detections)


def write_files(folder, kind, images, detections):
    """annotations.json and results.json with nothing in them but what `kind` compares."""
    rng = np.random.default_rng(0)
    annotations = []
    with open(folder / "results.json", "w") as file:
        for i in range(images):
            truth, found, scores = draw_image(rng, kind, detections)
            for box, label, points in zip(*truth):
                annotations.append(_entry(i, box, label, points, kind, truth=True))
                annotations[-1] |= {
                    "id": len(annotations),
                    "iscrowd": 0,
                    "area": float(np.prod(box[2:] - box[:2]) * 0.7),
                }
            for k, (box, label, points) in enumerate(zip(*found)):
                entry = _entry(i, box, label, points, kind, truth=False) | {"score": round(float(scores[k]), 5)}
                file.write(("[" if i == k == 0 else ",\n") + json.dumps(entry))
        file.write("]")
    dataset = {
        "images": [{"id": i, "height": HEIGHT, "width": WIDTH} for i in range(images)],
        "categories": [{"id": k, "name": str(k)} for k in range(1, CLASSES + 1)],
        "annotations": annotations,
    }
    (folder / "annotations.json").write_text(json.dumps(dataset))


def _entry(image_id, box, label, points, kind, *, truth):
    entry = {"image_id": image_id, "category_id": int(label)}
    if kind == "bbox" or truth:
        entry["bbox"] = [float(v) for v in (*box[:2], *(box[2:] - box[:2]).round(2))]
    if kind == "segm":
        entry["segmentation"] = outline(box) if truth else run_lengths(box)
    if kind == "keypoints":
        last = np.full((JOINTS, 1), 2.0 if truth else 1.0)
        entry["keypoints"] = np.concatenate([points.round(1), last], axis=1).ravel().tolist()
        entry |= {"num_keypoints": JOINTS} if truth else {}
    return entry


def time_ours(folder, kind):
    """Seconds to read and to evaluate, and the figures."""
    from tinymaskrcnn.data.annotations import Annotations
    from tinymaskrcnn.evaluation import evaluate_results, load_results

    start = time.process_time()
    truth = Annotations(folder / "annotations.json")
    results = load_results(folder / "results.json", category_ids=truth.category_ids, sizes=truth.sizes)
    read = time.process_time()
    figures = evaluate_results(truth.targets(iou_type=kind), results, iou_type=kind)
    return read - start, time.process_time() - read, list(figures.values())


def time_pycocotools(folder, kind):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        start = time.process_time()
        truth = COCO(str(folder / "annotations.json"))
        found = truth.loadRes(str(folder / "results.json"))
        read = time.process_time()
        oracle = COCOeval(truth, found, kind)
        oracle.evaluate()
        oracle.accumulate()
        oracle.summarize()
        return read - start, time.process_time() - read, list(oracle.stats)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--detections", type=int, default=100, help="per image")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--kinds", default="bbox,segm,keypoints")
    args = parser.parse_args()

    print(f"{args.images} images x {args.detections} detections, median of {args.repeats}; CPU seconds")
    print(f"{'':<10} {'':<12} {'read':>8} {'evaluate':>9} {'both':>8}   faster")
    for kind in args.kinds.split(","):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_files(folder, kind, args.images, args.detections)
            times = {"ours": [], "pycocotools": []}
            for _ in range(args.repeats):
                for who, run in (("ours", time_ours), ("pycocotools", time_pycocotools)):
                    *seconds, figures = run(folder, kind)
                    times[who].append([*seconds, sum(seconds), *figures])
        medians = {who: np.median(rows, axis=0) for who, rows in times.items()}
        ratios = medians["pycocotools"][:3] / medians["ours"][:3]
        for who, row in medians.items():
            print(f"{kind:<10} {who:<12} {row[0]:>8.2f} {row[1]:>9.2f} {row[2]:>8.2f}", flush=True)
        difference = np.abs(medians["ours"][3:] - medians["pycocotools"][3:]).max()
        print(f"{kind:<10} {'ratio':<12} {ratios[0]:>8.2f} {ratios[1]:>9.2f} {ratios[2]:>8.2f}   ", end="")
        print(f"largest difference of the figures {difference:.1e}")


if __name__ == "__main__":
    main()
