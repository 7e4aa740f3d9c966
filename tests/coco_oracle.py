"""COCO's own evaluation, pycocotools, of the same truths and detections."""

import contextlib
import io

import numpy as np

from tinymaskrcnn.data import rle


def xywh(box):
    x1, y1, x2, y2 = (float(v) for v in box)
    return [x1, y1, x2 - x1, y2 - y1]


def coco_masks(masks):
    """Masks, arrays or RLE, as pycocotools holds them."""
    from pycocotools import mask

    if isinstance(masks, np.ndarray):
        return [mask.encode(np.asfortranarray(one, np.uint8)) for one in masks]
    return [rle.to_coco(one) for one in masks]


def coco_annotations(truths, first_id=1):
    """The list of annotations of COCO's files, image i having the id i."""
    annotations = []
    for i, truth in enumerate(truths):
        crowd = truth.crowd if truth.crowd is not None else np.zeros(len(truth), bool)
        masks = coco_masks(truth.masks) if truth.masks is not None else None
        for g in range(len(truth)):
            entry = {"id": first_id + len(annotations), "image_id": i, "category_id": int(truth.labels[g])}
            entry |= {"bbox": xywh(truth.boxes[g]), "iscrowd": int(crowd[g])}
            if masks is not None:
                entry["segmentation"] = masks[g]
            if truth.areas is not None:
                entry["area"] = float(truth.areas[g])
            elif masks is not None:
                entry["area"] = float(rle.area(rle.from_coco(masks[g])))
            else:
                entry["area"] = entry["bbox"][2] * entry["bbox"][3]
            if truth.keypoints is not None:
                entry["keypoints"] = [float(v) for v in truth.keypoints[g].ravel()]
                entry["num_keypoints"] = int((truth.keypoints[g, :, 2] > 0).sum())
            annotations.append(entry)
    return annotations


def coco_results(detections, iou_type):
    """The list of a results file that holds nothing but what is compared."""
    results = []
    for i, found in enumerate(detections):
        masks = coco_masks(found.masks) if iou_type == "segm" else None
        for d in range(len(found)):
            entry = {"image_id": i, "category_id": int(found.labels[d]), "score": float(found.scores[d])}
            if iou_type == "bbox":
                entry["bbox"] = xywh(found.boxes[d])
            elif iou_type == "segm":
                entry["segmentation"] = masks[d]
            else:
                entry["keypoints"] = [float(v) for v in found.keypoints[d].ravel()]
            results.append(entry)
    return results


def pycocotools_truth(dataset):
    """pycocotools' COCO of a dataset in memory, or of a file."""
    from pycocotools import coco

    with contextlib.redirect_stdout(io.StringIO()):
        if not isinstance(dataset, dict):
            return coco.COCO(str(dataset))
        truth = coco.COCO()
        truth.dataset = dataset
        truth.createIndex()
    return truth


def pycocotools_figures(truth, results, iou_type, *, area_ranges=None, max_detections=None, sigmas=None):
    """The finished COCOeval: its eval (arrays) and stats. results is a list of entries or a file."""
    from pycocotools import coco, cocoeval

    with contextlib.redirect_stdout(io.StringIO()):
        found = truth.loadRes(results) if results else coco.COCO()
        oracle = cocoeval.COCOeval(truth, found, iou_type)
        if area_ranges is not None:
            oracle.params.areaRng, oracle.params.areaRngLbl = [list(r) for r in area_ranges.values()], list(area_ranges)
        if max_detections is not None:
            oracle.params.maxDets = list(max_detections)
        if sigmas is not None:
            oracle.params.kpt_oks_sigmas = np.array(sigmas)
        oracle.evaluate()
        oracle.accumulate()
        oracle.summarize()
    return oracle


def pycocotools_evaluation(truths, detections, iou_type, area_ranges, max_detections, classes, sigmas=None):
    """The finished COCOeval of these images: its eval (arrays) and stats."""
    dataset = {
        "info": {},
        "images": [{"id": i, "height": 1, "width": 1} for i in range(len(truths))],  # only polygons need the size
        "categories": [{"id": k + 1, "name": str(k)} for k in range(classes)],
        "annotations": coco_annotations(truths),
    }
    return pycocotools_figures(
        pycocotools_truth(dataset),
        coco_results(detections, iou_type),
        iou_type,
        area_ranges=area_ranges,
        max_detections=max_detections,
        sigmas=sigmas,
    )
