"""COCO's own evaluation, pycocotools, of the same truths and detections."""

import contextlib
import io

import numpy as np


def xywh(box):
    x1, y1, x2, y2 = (float(v) for v in box)
    return [x1, y1, x2 - x1, y2 - y1]


def pycocotools_evaluation(truths, detections, iou_type, area_ranges, max_detections, classes):
    """The finished COCOeval of these images: its eval (arrays) and stats (twelve figures)."""
    from pycocotools import coco, cocoeval, mask

    annotations, results = [], []
    for i, (truth, found) in enumerate(zip(truths, detections)):
        crowd = truth.crowd if truth.crowd is not None else np.zeros(len(truth), bool)
        for g in range(len(truth)):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": i,
                    "category_id": int(truth.labels[g]),
                    "bbox": xywh(truth.boxes[g]),
                    "area": float(truth.masks[g].sum()),
                    "iscrowd": int(crowd[g]),
                    "segmentation": mask.encode(np.asfortranarray(truth.masks[g], np.uint8)),
                }
            )
        for d in range(len(found)):
            entry = {"image_id": i, "category_id": int(found.labels[d]), "score": float(found.scores[d])}
            if iou_type == "bbox":
                entry["bbox"] = xywh(found.boxes[d])
            else:
                entry["segmentation"] = mask.encode(np.asfortranarray(found.masks[d], np.uint8))
            results.append(entry)
    with contextlib.redirect_stdout(io.StringIO()):
        gt = coco.COCO()
        gt.dataset = {
            "info": {},
            "images": [
                {"id": i, "height": truth.masks.shape[1], "width": truth.masks.shape[2]}
                for i, truth in enumerate(truths)
            ],
            "categories": [{"id": k + 1, "name": str(k)} for k in range(classes)],
            "annotations": annotations,
        }
        gt.createIndex()
        dt = gt.loadRes(results) if results else coco.COCO()
        oracle = cocoeval.COCOeval(gt, dt, iou_type)
        oracle.params.areaRng, oracle.params.areaRngLbl = [list(r) for r in area_ranges.values()], list(area_ranges)
        oracle.params.maxDets = list(max_detections)
        oracle.evaluate()
        oracle.accumulate()
        oracle.summarize()
    return oracle
