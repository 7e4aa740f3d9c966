"""Learn nuclei from one half of a microscope picture, find those of the other half.

    python tests/benchmarks/finetune_nuclei.py DATA OUT [words for `tinymaskrcnn train`]

DATA holds img2d.tif and mask2d.tif (one fluorescence picture and its numbered nuclei, a test picture of StarDist from
BBBC038, CC0). Writes both halves as PNG with COCO annotations into OUT/data and trains in OUT/run.
"""

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from tinymaskrcnn import cli
from tinymaskrcnn.data import rle

SMALLEST = 10  # pixels of a nucleus that the cut between the halves leaves
SETTINGS = {
    "model.resize_shorter": 512,  # twice as large: nuclei of 20 pixels become 40
    "model.resize_longer": 1024,
    "model.backbone.widths": [16, 32, 32, 32],
    "model.rpn.anchor_sizes": [[24], [40], [56], [80], [112]],
    "model.rpn.pre_nms_top_n": [512, 1000],
    "model.rpn.post_nms_top_n": [128, 400],
    "model.roi.canonical_size": 56.0,
    "model.roi.nms_iou": 0.3,
    "model.roi.detections_per_image": 150,
    "coco.crop": 96,
    "train.checkpoint_every": 100,
}


def halves(picture, labels, out):
    """Write left.png, left.json (training) and right.png, right.json (evaluation)."""
    out.mkdir(parents=True, exist_ok=True)
    middle = picture.shape[1] // 2
    for name, columns in (("left", slice(0, middle)), ("right", slice(middle, None))):
        grey = np.clip(picture[:, columns], 0, 255).astype(np.uint8)  # this picture uses the lowest 8 of its 16 bits
        Image.fromarray(grey).save(out / f"{name}.png")
        (out / f"{name}.json").write_text(json.dumps(annotations(f"{name}.png", labels[:, columns])))


def annotations(file_name, labels):
    """A COCO file for one picture from its label picture, in which pixel value k belongs to nucleus k."""
    objects = []
    for k in np.unique(labels[labels > 0]).tolist():
        mask = labels == k
        ys, xs = np.nonzero(mask)
        if len(ys) >= SMALLEST:
            x, y = int(xs.min()), int(ys.min())
            box = [x, y, int(xs.max()) + 1 - x, int(ys.max()) + 1 - y]
            entry = {"id": k, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": len(ys), "bbox": box}
            objects.append(entry | {"segmentation": rle.to_coco(rle.encode(mask))})
    height, width = labels.shape
    pictures = [{"id": 1, "file_name": file_name, "height": height, "width": width}]
    return {"images": pictures, "annotations": objects, "categories": [{"id": 1, "name": "nucleus"}]}


def main(data, out, *words):
    data, out = Path(data), Path(out)
    arrays = (np.asarray(Image.open(data / name)) for name in ("img2d.tif", "mask2d.tif"))
    halves(*arrays, out / "data")
    files = ["--annotations", out / "data/left.json", "--val-annotations", out / "data/right.json"]
    settings = [word for name, value in SETTINGS.items() for word in ("--set", f"{name}={json.dumps(value)}")]
    options = ["--images", out / "data", "--out", out / "run", "--batch-size", 4, "--steps", 600, *settings, *words]
    return cli.main(["train", "--data", "coco", *map(str, [*files, *options])])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
