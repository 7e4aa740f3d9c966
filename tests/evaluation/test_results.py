"""Results files: written whole or not at all, read with every broken entry named, judged like pycocotools does."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from coco_cases import RANGES, SIZE, draw_image
from coco_oracle import coco_annotations, pycocotools_figures, pycocotools_truth
from drawn_examples import examples
from hypothesis import given
from hypothesis import strategies as st
from strict_device import xp

from tinymaskrcnn.data import rle
from tinymaskrcnn.data.annotations import Annotations
from tinymaskrcnn.errors import ArgumentError, DataError
from tinymaskrcnn.evaluation import evaluate_results, load_results, results, save_results
from tinymaskrcnn.structures import Detections, Target

REAL = Path(os.environ.get("TINYMASKRCNN_DATA", "")) / "coco" / "coco6"
needs_photographs = pytest.mark.skipif(
    "TINYMASKRCNN_DATA" not in os.environ or not REAL.is_dir(),
    reason="annotated photographs are not here: set TINYMASKRCNN_DATA to the folder that holds coco/coco6",
)
CATEGORIES = (3, 18, 90)  # with gaps, as COCO's


def found(count=2, *, masks=True, keypoints=True):
    boxes = np.array([[1, 2, 5, 8], [0.5, 0, 3, 4.25]], np.float32)[:count]
    dense = np.zeros((count, 10, 9), bool)
    dense[:, 2:6, 1:4] = True
    points = np.arange(count * 6, dtype=np.float32).reshape(count, 2, 3)
    scores = np.array([0.9, 0.1], np.float32)[:count]
    return Detections(boxes, np.array([2, 1])[:count], scores, dense if masks else None, points if keypoints else None)


def test_what_is_written_is_read(tmp_path):
    path, first, second = tmp_path / "results.json", found(), found(1)
    save_results(path, iter([first, second]), image_ids=[40, 7], category_ids=CATEGORIES)
    entries = json.loads(path.read_text())
    assert [entry["image_id"] for entry in entries] == [40, 40, 7]
    assert [entry["category_id"] for entry in entries] == [18, 3, 18]
    assert entries[0]["bbox"] == [1, 2, 4, 6] and entries[0]["keypoints"] == [0, 1, 2, 3, 4, 5]

    read = load_results(path, category_ids=CATEGORIES, sizes={7: (10, 9), 40: (10, 9), 41: (3, 3)})
    assert len(read) == 3 and read.image_ids.tolist() == [7, 40]
    assert read.parts == ("bbox", "segmentation", "keypoints")
    for image_id, wanted in ((40, first), (7, second)):
        got = read.detections(image_id)
        for name in ("boxes", "labels", "scores", "keypoints"):
            assert (getattr(got, name) == getattr(wanted, name)).all()
        assert (rle.decode_many(got.masks, size=(10, 9)) == wanted.masks).all()
    nothing = read.detections(41)
    assert len(nothing) == 0 and nothing.masks == [] and len(nothing.keypoints) == 0
    assert load_results(path).detections(40).labels.tolist() == [18, 3]
    assert os.listdir(tmp_path) == ["results.json"]


def test_the_scores_of_masks(tmp_path):
    """Beside those of the boxes, which other programs read; all entries have one, or none is read."""
    path, scored = tmp_path / "results.json", replace(found(), mask_scores=np.array([0.25, 0.5]))
    save_results(path, [scored], image_ids=[1])
    entries = json.loads(path.read_text())
    assert [(entry["score"], entry["mask_score"]) for entry in entries] == [
        (pytest.approx(0.9), 0.25),
        (pytest.approx(0.1), 0.5),
    ]
    read = load_results(path)
    assert (
        read.detections(1).mask_scores.tolist()
        == read.detections(1, iou_type="segm").mask_scores.tolist()
        == [0.25, 0.5]
    )
    assert len(read.detections(2).mask_scores) == 0
    save_results(path, [found()], image_ids=[1])
    assert load_results(path).detections(1).mask_scores is None
    for wrong in (None, "high", float("1e101")):
        entries[1]["mask_score"] = wrong
        path.write_text(json.dumps(entries))
        with pytest.raises(DataError, match="entry 1: mask_score must be a"):
            load_results(path)
    with pytest.raises(ArgumentError, match="scores must be finite"):
        save_results(path, [replace(scored, mask_scores=np.array([np.nan, 0]))], image_ids=[1])


def test_results_without_boxes(tmp_path):
    """They are put around the masks, else around the keypoints; areas are then left to those."""
    path = tmp_path / "results.json"
    save_results(path, [found()], image_ids=[0])
    entries = json.loads(path.read_text())
    for drop, box in (({"bbox"}, [1, 2, 4, 6]), ({"bbox", "segmentation"}, [0, 1, 3, 4])):
        path.write_text(json.dumps([{k: v for k, v in entry.items() if k not in drop} for entry in entries]))
        read = load_results(path)
        assert read.detections(0).boxes[0].tolist() == box
        assert read.areas(0) is None


def test_no_detection_at_all(tmp_path):
    path = tmp_path / "results.json"
    save_results(path, [], image_ids=[])
    read = load_results(path, sizes={})
    assert len(read) == 0 and len(read.detections(3)) == 0


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    path.write_text("old")

    def interrupted():
        yield found()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_results(path, interrupted(), image_ids=[1, 2])
    with pytest.raises(ArgumentError, match=r"label must be in 1\.\.1 to have a category id; got 2"):
        save_results(path, [found()], image_ids=[1], category_ids=[5])
    with pytest.raises(ArgumentError, match="boxes and scores must be finite"):
        broken = found(1)
        save_results(path, [Detections(broken.boxes * np.nan, broken.labels, broken.scores)], image_ids=[1])
    with pytest.raises(ValueError, match="shorter"):
        save_results(path, [found()], image_ids=[1, 2])

    with pytest.raises(DataError, match="there is no folder"):
        save_results(tmp_path / "missing" / "results.json", [], image_ids=[])

    def disk_full(*names):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", disk_full)
    with pytest.raises(OSError):
        save_results(path, [found()], image_ids=[1])
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["results.json"]


def test_categories_that_the_annotations_do_not_have(tmp_path):
    """Neither written, where they have no id, nor read, where that is asked for."""
    path = tmp_path / "results.json"
    save_results(path, [found()], image_ids=[1], category_ids=[None, 18])
    assert [entry["category_id"] for entry in json.loads(path.read_text())] == [18]
    save_results(path, [found()], image_ids=[1], category_ids=[5, 18])
    with pytest.raises(DataError, match="entry 1: there is no category 5"):
        load_results(path, category_ids=CATEGORIES)
    assert load_results(path, category_ids=CATEGORIES, skip_unknown=True).detections(1).labels.tolist() == [2]
    assert len(load_results(path, category_ids=[77], skip_unknown=True)) == 0


GOOD = {"image_id": 1, "category_id": 3, "score": 0.5, "bbox": [0, 0, 2, 2]}
MASK = {"size": [10, 9], "counts": [50, 40]}


@pytest.mark.parametrize(
    "second, message",
    [
        ({"score": float("nan")}, "not valid JSON: NaN is not a number"),
        ({"bbox": [0, 0, float("inf"), 1]}, "not valid JSON: Infinity is not a number"),
        ({"score": "0.5"}, "entry 1: score must be a finite number; got '0.5'"),
        ({"score": True}, "entry 1: score must be a finite number; got True"),
        ({"score": None}, "entry 1: score must be a finite number; got None"),
        ({"image_id": 5}, "entry 1: there is no image 5 among the 1"),
        ({"image_id": 10**30}, "entry 1: image_id must be a whole number"),
        ({"image_id": 1.5}, "entry 1: image_id must be a whole number; got 1.5"),
        ({"image_id": "1"}, "entry 1: image_id must be a whole number; got '1'"),
        ({"category_id": 4}, r"entry 1: there is no category 4; there are \[3, 18, 90\]"),
        ({"bbox": [0, 0, 1]}, "entry 1: bbox must be four finite numbers"),
        ({"bbox": [0, 0, 1, "1"]}, "entry 1: bbox must be four finite numbers"),
        ({"bbox": 7}, "entry 1: bbox must be four finite numbers"),
        ({"bbox": [0, 0, -1, 1]}, "entry 1: width and height must be at least 0"),
    ],
)
def test_broken_entries_are_named(tmp_path, second, message):
    path = tmp_path / "results.json"
    path.write_text(json.dumps([GOOD, GOOD | second]))
    with pytest.raises(DataError, match=message):
        load_results(path, category_ids=CATEGORIES, sizes={1: (10, 9)})


def test_numbers_too_large_for_a_float(tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps([GOOD, GOOD]).replace("0.5", "1e999"))
    with pytest.raises(DataError, match="not valid JSON: the number '1e999' is too large"):
        load_results(path)


@pytest.mark.parametrize(
    "mask, message",
    [
        ("abc", "entry 1: segmentation must be run-length encoded"),
        ([[1, 2, 3, 4, 5, 6]], "entry 1: segmentation must be run-length encoded"),
        ({"size": [10, 9]}, "entry 1: segmentation must be run-length encoded"),
        (MASK | {"size": [9, 10]}, r"entry 1: its mask must have the picture's size \[10, 9\]; got \[9, 10\]"),
        (MASK | {"size": [10**9, 10**9]}, r"entry 1: its mask must have the picture's size"),
        (MASK | {"counts": [50, 41]}, "entry 1: segmentation: .* must fill 10 x 9 = 90 pixels; they count 91"),
        (MASK | {"counts": [91, -1]}, "entry 1: segmentation: .* must fill"),
        (MASK | {"counts": "0o"}, "entry 1: segmentation: .*not a complete run-length string"),
        (MASK | {"counts": "PPY31"}, "entry 1: segmentation: .*"),
        (MASK | {"counts": "oooo1oooo1"}, "entry 1: segmentation: .* must fill"),
    ],
)
def test_broken_masks_are_named(tmp_path, mask, message):
    path = tmp_path / "results.json"
    text = rle.to_coco(rle.from_coco(MASK))
    entries = [{**GOOD, "segmentation": text}, {**GOOD, "segmentation": mask}]
    path.write_text(json.dumps(entries))
    with pytest.raises(DataError, match=message):
        load_results(path, sizes={1: (10, 9)}).detections(1)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "not valid JSON"),
        ("[{", "not valid JSON"),
        ('{"image_id": 1}', "a results file is a list of detections; got dict"),
        ("[1]", "entry 0 must have image_id, category_id and score; got 1"),
        ('[{"image_id": 1, "category_id": 2}]', "entry 0 must have image_id, category_id and score"),
        ('[{"image_id": 1, "category_id": 2, "score": 1}]', "entry 0 has neither bbox, segmentation nor keypoints"),
        ('[{"image_id": 1, "category_id": 2, "score": 1, "keypoints": [1, 2]}]', "entry 0: keypoints must be"),
        ("[" * 100_000, "nested too deep"),
        ("9" * 5000, "a number of 5000 digits is too large"),
    ],
)
def test_other_files_are_refused(tmp_path, text, message):
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        load_results(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is not a text in UTF-8"):
        load_results(path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_results_that_a_windows_shell_has_written_are_read(tmp_path, encoding):
    path = tmp_path / "results.json"
    path.write_text(json.dumps([GOOD]), encoding=encoding)
    assert load_results(path, category_ids=CATEGORIES).image_ids.tolist() == [1]


def test_an_image_that_is_not_judged_and_a_part_that_is_not_there(tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps([GOOD]))
    read = load_results(path)
    with pytest.raises(DataError, match=r"1 image\(s\) were not evaluated, or do not exist: \[1\]"):
        evaluate_results([], read)
    with pytest.raises(ArgumentError, match="iou_type 'segm' needs segmentation"):
        evaluate_results([], read, iou_type="segm")


# ---------------------------------------------------------------- against pycocotools


def compare_files(annotations, path, iou_type, **settings):
    """Largest difference of all figures between both programs, given the same two files."""
    pytest.importorskip("pycocotools", reason="pycocotools is the oracle of COCO's figures")
    truth = Annotations(annotations)
    read = load_results(path, category_ids=truth.category_ids, sizes=truth.sizes)
    ours = evaluate_results(truth.targets(iou_type=iou_type), read, iou_type=iou_type, **settings)
    theirs = pycocotools_figures(pycocotools_truth(annotations), str(path), iou_type, **settings).stats
    return np.abs(np.array(list(ours.values())) - theirs).max(), ours


def write_dataset(path, truths):
    images = [{"id": i, "height": SIZE, "width": SIZE} for i in range(len(truths))]
    annotations = coco_annotations(truths)
    for entry in annotations:
        entry["segmentation"] = {"size": [SIZE, SIZE], "counts": entry["segmentation"]["counts"].decode()}
    categories = [{"id": k, "name": str(k)} for k in (1, 2)]
    path.write_text(json.dumps({"images": images, "categories": categories, "annotations": annotations}))


@examples(25)
@given(seed=st.integers(0, 2**32 - 1), iou_type=st.sampled_from(list(results.PARTS)), drop=st.booleans())
def test_drawn_files_equal_pycocotools(tmp_path_factory, seed, iou_type, drop):
    pytest.importorskip("pycocotools", reason="pycocotools is the oracle of COCO's figures")
    rng, folder = np.random.default_rng(seed), tmp_path_factory.mktemp("coco")
    truths, detections = zip(*(draw_image(rng, 2) for _ in range(4)))
    if drop:  # COCO's own results files hold only what is compared
        detections = [Detections(d.boxes, d.labels, d.scores) for d in detections] if iou_type == "bbox" else detections
    write_dataset(folder / "annotations.json", truths)
    save_results(folder / "results.json", detections, image_ids=range(4))
    if drop and iou_type != "bbox":
        entries = json.loads((folder / "results.json").read_text())
        keep = {"image_id", "category_id", "score", results.PARTS[iou_type]}
        (folder / "results.json").write_text(json.dumps([{k: e[k] for k in keep} for e in entries]))
    if not sum(map(len, detections)):
        return
    area_ranges = dict(RANGES) if iou_type != "keypoints" else {n: r for n, r in RANGES.items() if n != "small"}
    difference, _ = compare_files(
        folder / "annotations.json", folder / "results.json", iou_type, area_ranges=area_ranges
    )
    assert difference <= 1e-12


def perturbed(truth, rng, *, copies=3):
    """Moved copies of the objects, with other sizes, masks and points, some with another class."""
    pick = np.tile(np.arange(len(truth)), copies)
    boxes = truth.boxes[pick] + rng.normal(0, 6, (len(pick), 4))
    boxes = np.concatenate([boxes[:, :2], np.maximum(boxes[:, 2:], boxes[:, :2] + 1)], axis=1)
    masks, keypoints = None, None
    if truth.masks is not None:
        moves = rng.integers(-4, 5, (len(pick), 2)).tolist()
        masks = [rle.encode(np.roll(rle.decode(truth.masks[k]), move, axis=(0, 1))) for k, move in zip(pick, moves)]
    if truth.keypoints is not None:
        keypoints = truth.keypoints[pick] + rng.normal(0, 4, (len(pick), *truth.keypoints.shape[1:]))
    labels = np.where(rng.random(len(pick)) < 0.1, truth.labels[pick][::-1], truth.labels[pick])
    return Detections(boxes, labels, rng.random(len(pick)), masks, keypoints)


@needs_photographs
@pytest.mark.parametrize(
    "file, iou_type", [("instances", "bbox"), ("instances", "segm"), ("keypoints", "keypoints"), ("keypoints", "segm")]
)
def test_a_real_results_file_equals_pycocotools(tmp_path, file, iou_type):
    """COCO's own annotations of photographs (polygons, a crowd, ids with gaps) and detections as a model's would be."""
    annotations, rng = REAL / f"{file}.json", np.random.default_rng(0)
    truth = Annotations(annotations)
    detections = [perturbed(target, rng) for _, target in truth.targets(iou_type=iou_type)]
    save_results(tmp_path / "all.json", detections, image_ids=list(truth.sizes), category_ids=truth.category_ids)
    entries = json.loads((tmp_path / "all.json").read_text())
    assert len(entries) >= 30
    only = {"image_id", "category_id", "score", results.PARTS[iou_type]}
    (tmp_path / "only.json").write_text(json.dumps([{k: e[k] for k in only} for e in entries]))
    for name in ("all.json", "only.json"):
        difference, figures = compare_files(annotations, tmp_path / name, iou_type)
        assert difference <= 1e-12
        assert 0.05 < figures["AP"] < 0.95  # neither hopeless nor perfect


@pytest.mark.parametrize(
    "change, message",
    [
        ({"bbox": [0, 0, 1e308, 1e308]}, "results.json: entry 0: bbox must be four finite numbers"),
        ({"score": 1e308}, "results.json: entry 0: score must be a number within 1e.100; got 1e.308"),
        ({"category_id": {"id": 1}}, "results.json: entry 0: category_id must be a whole number; got {'id': 1}"),
        ({"category_id": [1]}, "results.json: entry 0: category_id must be a whole number"),
    ],
)
def test_what_is_no_number_is_wrong_also_where_unknown_categories_are_left_out(tmp_path, change, message):
    entry = {"image_id": 1, "category_id": 1, "score": 0.5, "bbox": [0, 0, 1, 1]} | change
    (tmp_path / "results.json").write_text(json.dumps([entry]))
    with pytest.raises(DataError, match=message):
        load_results(tmp_path / "results.json", category_ids=[1], skip_unknown=True)


FINE = 2**24 + 1 + 2**-8  # float32 rounds it


def write(path, *entries):
    path.write_text(json.dumps([GOOD | entry for entry in entries]))
    return path


def test_no_digit_is_lost(tmp_path):
    entry = {"bbox": [FINE, 0.1, FINE, 0.3], "score": 0.1, "keypoints": [FINE, 0.1, 0.7]}
    path = write(tmp_path / "results.json", entry)
    found = load_results(path).detections(1)
    assert found.boxes.tolist() == [[FINE, 0.1, FINE + FINE, 0.1 + 0.3]]
    assert found.scores.tolist() == [0.1] and found.keypoints.tolist() == [[[FINE, 0.1, 0.7]]]
    assert load_results(path).areas(1).tolist() == [FINE * 0.3]
    save_results(path, [found], image_ids=[1])
    (again,) = json.loads(path.read_text())
    assert again["bbox"] == [FINE, 0.1, FINE, pytest.approx(0.3, rel=1e-15)] and again["score"] == 0.1
    assert again["keypoints"] == [FINE, 0.1, 0.7]
    single = Detections(found.boxes.astype(np.float32), found.labels, np.array([0.1], np.float32))
    save_results(path, [single], image_ids=np.array([1], np.int32))
    assert json.loads(path.read_text())[0]["score"] == float(np.float32(0.1))


@pytest.mark.parametrize("ids", [(3, 18, 90), (90, 3, 18), (18, 90, 3)])
def test_categories_in_any_order(tmp_path, ids):
    path = write(tmp_path / "results.json", *({"category_id": c} for c in (90, 3, 18, 3)))
    assert load_results(path, category_ids=ids).detections(1).labels.tolist() == [
        ids.index(c) + 1 for c in (90, 3, 18, 3)
    ]
    save_results(path, [load_results(path, category_ids=ids).detections(1)], image_ids=[1], category_ids=ids)
    assert [entry["category_id"] for entry in json.loads(path.read_text())] == [90, 3, 18, 3]


def test_unknown_categories_are_left_out_only_where_that_is_asked_for(tmp_path):
    path = write(tmp_path / "results.json", {"category_id": 5}, {"category_id": 3, "image_id": 2})
    for options in ({}, {"skip_unknown": False}):
        with pytest.raises(DataError, match=r"entry 0: there is no category 5; there are \[3\]"):
            load_results(path, category_ids=[3], **options)
    assert load_results(path, category_ids=[3], skip_unknown=True).image_ids.tolist() == [2]
    assert load_results(path, skip_unknown=True).image_ids.tolist() == [1, 2]  # there is no list to be unknown to


def test_what_is_left_out_is_counted(tmp_path):
    with results.ResultsWriter(tmp_path / "results.json", category_ids=[None, 18]) as writer:
        writer.add(found(), image_id=1)
        writer.add(found(1), image_id=2)
        assert writer.left_out == 1
        writer.add(found(), image_id=3)
    assert writer.left_out == 2 and len(json.loads((tmp_path / "results.json").read_text())) == 3


@pytest.mark.parametrize("label", [0, -1, 3])
def test_labels_without_a_category_are_not_written(tmp_path, label):
    one = found(1)
    with pytest.raises(ArgumentError, match=rf"label must be in 1\.\.2 to have a category id; got {label}"):
        save_results(
            tmp_path / "results.json",
            [Detections(one.boxes, np.array([label]), one.scores)],
            image_ids=[1],
            category_ids=[5, 6],
        )


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_scores_and_every_side_of_a_box_are_finite(tmp_path, number):
    one = found(masks=False, keypoints=False)
    for name, place in (("scores", 1), *(("boxes", (1, side)) for side in range(4))):
        values = getattr(one, name).copy()
        values[place] = number
        with pytest.raises(ArgumentError, match="image 7: boxes and scores must be finite to be written"):
            save_results(tmp_path / "results.json", [replace(one, **{name: values})], image_ids=[7])


@pytest.mark.parametrize(
    "entry, message",
    [
        ({"bbox": [0, 0, 1, -1]}, r"entry 1: width and height must be at least 0; got bbox \[0.0, 0.0, 1.0, -1.0\]"),
        ({"bbox": [0, -2e100, 1, 1]}, "entry 1: bbox must be four finite numbers"),
        ({"bbox": [0, 0, 1, 1, 1]}, "entry 1: bbox must be four finite numbers"),
        ({"bbox": [0, 0, 1, True]}, "entry 1: bbox must be four finite numbers"),
        ({"bbox": None}, "entry 1: bbox must be four finite numbers"),
        ({"score": -2e100}, "entry 1: score must be a number within 1e.100; got -2e.100"),
        ({"image_id": True}, "entry 1: image_id must be a whole number; got True"),
        ({"image_id": -(2**63)}, "entry 1: image_id must be a whole number"),
        ({"image_id": 2**63}, "entry 1: image_id must be a whole number"),
        ({"keypoints": [1, 2, 3, 4, 5, 6]}, "entry 1: keypoints must be finite numbers, three for each keypoint"),
        ({"keypoints": [1, 2]}, "entry 1: keypoints must be finite numbers"),
        ({"keypoints": []}, "entry 1: keypoints must be finite numbers"),
        ({"keypoints": [1, 2, "3"]}, "entry 1: keypoints must be finite numbers"),
    ],
)
def test_every_number_of_an_entry_is_looked_at(tmp_path, entry, message):
    path = write(tmp_path / "results.json", {"keypoints": [1, 2, 3]}, {"keypoints": [1, 2, 3]} | entry)
    with pytest.raises(DataError, match=message):
        load_results(path)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_keypoints_come_in_threes(tmp_path, count):
    with pytest.raises(DataError, match="entry 0: keypoints must be finite numbers, three for each keypoint"):
        load_results(write(tmp_path / "results.json", {"keypoints": [1] * count}))


def test_the_largest_numbers_are_taken(tmp_path):
    edge = {"image_id": 1 - 2**63, "score": -9.9e99, "bbox": [-9.9e99, 9.9e99, 9.9e99, 0], "category_id": 2**63 - 1}
    read = load_results(write(tmp_path / "results.json", edge, {"image_id": 2**63 - 1}))
    assert read.image_ids.tolist() == [1 - 2**63, 2**63 - 1]
    assert read.detections(1 - 2**63).labels.tolist() == [2**63 - 1] and read.areas(1 - 2**63).tolist() == [0]


def test_what_one_kind_of_comparison_needs(tmp_path):
    """The masks of two images, written as a string and as a list; boxes where they are not compared are zeros."""
    strings = [{"segmentation": rle.to_coco(rle.from_coco(MASK)), "bbox": [1, 2, 3, 4], "keypoints": [5, 6, 7]}]
    lists = [*strings, {"segmentation": MASK, "bbox": [1, 2, 3, 4], "keypoints": [5, 6, 7]}]
    for entries in (strings, lists):
        read = load_results(write(tmp_path / "results.json", *entries))
        boxes, masks, points = (read.detections(1, iou_type=kind) for kind in ("bbox", "segm", "keypoints"))
        assert boxes.masks is None and boxes.keypoints is None and boxes.boxes.tolist()[-1] == [1, 2, 4, 6]
        assert masks.keypoints is None and [m.counts.tolist() for m in masks.masks] == [[50, 40]] * len(entries)
        assert points.masks is None and points.keypoints.tolist() == [[[5, 6, 7]]] * len(entries)
        assert read.areas(1).tolist() == [12] * len(entries) and read.areas(2).tolist() == []
    bare = {k: v for k, v in GOOD.items() if k != "bbox"} | {"segmentation": MASK, "keypoints": [5, 6, 7, 1, 9, 1]}
    (tmp_path / "bare.json").write_text(json.dumps([bare]))
    read = load_results(tmp_path / "bare.json")
    for kind in ("segm", "keypoints"):
        assert read.detections(1, iou_type=kind).boxes.tolist() == [[0, 0, 0, 0]]
    assert read.detections(1).boxes.tolist() == rle.to_boxes([rle.from_coco(MASK)]).tolist()


def test_images_that_were_not_judged_are_counted_and_all_settings_reach_the_evaluator(tmp_path):
    box = np.array([[0, 0, 2, 2]], np.float32)
    read = load_results(write(tmp_path / "results.json", *({"image_id": i} for i in (9, 1, 5, 1))))
    truths = [(1, Target(box, np.array([3])))]
    with pytest.raises(DataError, match=r"2 image\(s\) were not evaluated, or do not exist: \[5, 9\]"):
        evaluate_results(iter(truths), read)
    truths += [(i, Target(box, np.array([3]))) for i in (5, 9)]
    figures = evaluate_results(truths, read, max_detections=(1, 7), area_ranges={"all": (0, 1e9), "mine": (1, 4)})
    assert list(figures) == ["AP", "AP50", "AP75", "APmine", "AR1", "AR7", "ARmine"] and figures["AR1"] == 1
    with pytest.raises(ArgumentError, match="iou_type must be 'bbox'"):
        evaluate_results(truths, read, iou_type="boxes")


def test_what_a_device_found_is_written(tmp_path):
    one = found()
    moved = replace(one, **{name: value if value is None else xp.asarray(value) for name, value in vars(one).items()})
    for path, detections in ((tmp_path / "here.json", one), (tmp_path / "there.json", moved)):
        save_results(path, [detections], image_ids=[1])
    assert (tmp_path / "here.json").read_text() == (tmp_path / "there.json").read_text()
