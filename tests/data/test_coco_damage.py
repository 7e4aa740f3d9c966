"""What the check calls sound trains, is judged and is drawn; what it calls broken is left out, counted and said."""

import contextlib
import io
import json
import os
import warnings

import annotated
import damaged_coco
import numpy as np
import pytest
from drawn_examples import share
from PIL import Image

from tinymaskrcnn import Experiment
from tinymaskrcnn.config import BackboneConfig, CocoConfig, Config, ModelConfig, RoIConfig, RPNConfig, TrainConfig
from tinymaskrcnn.data.coco import CocoDataset
from tinymaskrcnn.data.coco_check import check_coco, fit_to_model
from tinymaskrcnn.errors import TinyMaskRCNNError

CASES = int(os.environ.get("TINYMASKRCNN_DAMAGED_FILES", share(60)))  # thousands, when one has the time


def small_model(dataset=None, *, shorter=32, longer=48):
    names = dataset.class_names if dataset else ("background",)
    points = max(1, len(dataset.keypoint_names)) if dataset else 1
    roi = {"head_width": 16, "mask_widths": (8,), "mask_deconv_width": 8, "samples_per_image": 8}
    return ModelConfig(
        num_classes=len(names),
        class_names=names,
        heads=dataset.offers if dataset else ("box",),
        image_mean=(0.5,) * 3,
        image_std=(0.25,) * 3,
        resize_shorter=shorter,
        resize_longer=longer,
        backbone=BackboneConfig(
            depths=(1,) * 4, widths=(8,) * 4, stem_width=8, fpn_channels=8, norm="group", in_channels=3
        ),
        rpn=RPNConfig(samples_per_image=8),
        roi=RoIConfig(**roi, keypoint_widths=(8,), num_keypoints=points),
    )


def use(path, folder, *, crop, skip_broken=False, draw=False, **size):
    """Train a step with every head that the file has, judge, draw  ->  the dataset."""
    dataset = CocoDataset.open(path, folder, model=small_model(**size), skip_broken=skip_broken)
    files = CocoConfig(str(path), str(folder), crop=crop, skip_broken=skip_broken)
    train = TrainConfig(steps=1, batch_size=2, learning_rate=0.001)
    experiment = Experiment.start(
        folder / f"run {skip_broken}", Config(small_model(dataset, **size), coco=files, train=train)
    )
    assert experiment.train() and set(experiment.evaluate()) >= {"bbox"}
    if draw:
        experiment.draw()
    return dataset


def objects_of(dataset):
    return sum(map(len, dataset.objects.values()))


def tried(seed, folder):
    """Damage a file; what is wrong with what became of it, or None."""
    rng = np.random.default_rng(seed)
    contents = damaged_coco.sound(rng)
    annotated.write(folder, contents)
    said = [damaged_coco.damage(contents, rng, folder) for _ in range(1 + seed % 2)]
    path = folder / "annotations.json"
    path.write_text(json.dumps(contents))
    with contextlib.redirect_stderr(io.StringIO()) as console:
        try:
            report = fit_to_model(check_coco(path, folder), small_model())
            crop, draw = 9 * int(seed % 3 == 0), seed % 10 == 0  # drawing costs more than all the rest
            dataset = use(path, folder, crop=crop, skip_broken=not report.ok, draw=draw)
        except TinyMaskRCNNError as error:
            fine = "Nothing is left" in str(error) or "holds" in str(error) or "needs a list" in str(error)
            return None if fine and len(str(error)) <= 500 else (said, "refused", str(error))
        except Exception as error:
            return said, "sound" if report.ok else "broken", repr(error)
    repeated = any("twice" in note for note in dataset.notes)
    counted = [note for note in dataset.notes if "left out" in note and "objects and" in note]
    if objects_of(dataset) < len(contents["annotations"]) and not counted and not repeated:
        return said, "silent", dataset.notes
    if any(console.getvalue().count(note) != 1 for note in dataset.notes):
        return said, "not said once", console.getvalue()
    kept = {picture.id for picture in dataset.pictures}
    if kept & {p.picture_id for p in report.problems if p.part in dataset.parts}:
        return said, "a picture with something broken stayed", report.table()
    return None


@pytest.mark.filterwarnings("ignore")
def test_damaged_files(tmp_path):
    found = []
    for seed in range(CASES):
        folder = tmp_path / str(seed)
        folder.mkdir()
        if wrong := tried(seed, folder):
            found.append((seed, *wrong))
    assert not found


# ---------------------------------------------------------------- odd, and sound


def odd_file(folder):
    """Nothing in it is wrong: floats at the border, tiny objects, crowds, pictures on their side, large ones, a dot."""
    contents = annotated.entries()
    annotated.write(folder, contents)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("L", (30, 20), 90).save(folder / "turned.jpg", exif=exif)
    Image.new("RGB", (5000, 30)).save(folder / "sub.png")
    (folder / "deep" / "er").mkdir(parents=True)
    Image.new("1", (1, 1)).save(folder / "deep" / "er" / "dot.png")
    contents["images"] += [
        {"id": 2**40, "file_name": "turned.jpg", "height": 30, "width": 20},
        {"id": 0, "file_name": "sub.png", "height": 30, "width": 5000, "license": None},
        {"id": -5, "file_name": "deep/er/dot.png", "height": 1, "width": 1},
    ]
    spots = [[9, 9, 1, 1], [12.3, 4.7, 0.4, 0.3], [39.5, 31.5, 0.5, 0.5], [-0.7, -0.9, 12.2, 9.1], [0, 0, 40.9, 32.9]]
    contents["annotations"] += [annotated.annotation(30 + k, 10, 3, spot) for k, spot in enumerate(spots)]
    contents["annotations"] += [
        annotated.annotation(50, 2**40, 3, [3.25, 10, 16.75, 20]),
        annotated.annotation(51, 0, 3, [0.5, 0.5, 4999, 29]),
        annotated.annotation(52, -5, 3, [0, 0, 1, 1]),
        annotated.annotation(
            53, 0, 3, [100, 3, 20, 20], iscrowd=1, segmentation={"size": [30, 5000], "counts": [90000, 3000, 57000]}
        ),
    ]
    contents["categories"] += [{"id": 90, "name": "unused"}, {"id": 0, "name": "naught", "supercategory": None}]
    path = folder / "annotations.json"
    path.write_text(json.dumps(contents))
    return path


@pytest.mark.parametrize("without", [(), ("segmentation",), ("keypoints", "num_keypoints"), ("area", "iscrowd")])
def test_odd_files_are_sound_and_train(tmp_path, without):
    path = odd_file(tmp_path)
    contents = json.loads(path.read_text())
    for entry in contents["annotations"]:
        for name in without:
            if not (name == "iscrowd" and entry.get("iscrowd")):
                entry.pop(name, None)
    path.write_text(json.dumps(contents))
    size = {"shorter": 64, "longer": 512}
    report = fit_to_model(check_coco(path, tmp_path), small_model(**size))
    assert report.table().endswith("sound (6 pictures, 12 objects, 4 classes)") and not report.notes
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        assert objects_of(use(path, tmp_path, crop=0, **size)) == 12
