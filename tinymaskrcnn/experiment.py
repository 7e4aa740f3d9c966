"""An experiment from end to end, in a few calls: train, evaluate, draw. The command line is a thin coat over this.

experiment = Experiment.start("runs/first")
experiment.train()
print(experiment.evaluate()["segm"]["AP"])
experiment.draw()
"""

import contextlib
import dataclasses
import functools
import sys
from pathlib import Path

import numpy as np

from .capacity import require
from .config import Config
from .counting import counted
from .data.coco import CocoStream
from .data.loader import open_stream
from .data.proposals.stream import given_for
from .data.resizing import resize_to_config, resized_size
from .devices import to_device
from .errors import ArgumentError, shown
from .evaluation.evaluator import Evaluator
from .evaluation.mask_quality import MaskQuality
from .evaluation.oks import default_sigmas
from .evaluation.paste import paste_encoded
from .evaluation.results import ResultsWriter
from .explain.pictures import ExplainsPictures
from .interop.model_file import load_model
from .models.build import build_model
from .models.postprocess import paste_masks
from .models.shapes import detect_bytes
from .nn.state import at_rest
from .structures import check_pictures, collate
from .train.alternating import stopped_in
from .train.anchor_report import anchor_report
from .train.checkpoint import naming
from .train.checks import check_experiment, check_memory, remarks
from .train.diagnose import overflow_named
from .train.finetune import freeze_stages, load_fitting
from .train.metrics import read_rows
from .train.pretrain import crop_accuracy, new_classifier, transplant
from .train.procedures import PROCEDURES, Training
from .train.ranks.launch import check_together, same_run, same_weights
from .train.ranks.sharing import own_part, put_together
from .train.rcnn_stages import require_fits
from .train.run import FollowedRun, RunFolder, next_run_path
from .train.trainer import Trainer, computing
from .zoo.scales import in_sizes
from .zoo.shipped import DEFAULT, is_shipped, load_shipped

KINDS = {"box": "bbox", "mask": "segm", "keypoint": "keypoints"}  # what a head's work is judged by


class Detector(ExplainsPictures):
    """A model and where it computes: pictures in, detections out."""

    def __init__(self, model, *, device="cpu", threads=None):
        self.model = model if device == "cpu" else model.to_device(device)
        self.device = device
        self.threads = threads

    @property
    def class_names(self):
        return self.model.config.class_names

    def detect(self, images, *, encoded=False, proposals=None, original_sizes=None):
        """Find objects in a list of (H, W, C) float pictures in 0..1 of any sizes; one Detections per picture.

        encoded: masks become a list of RLE instead of an array, and never stand in memory as pixels. proposals: for
        each picture boxes (P, 4) in its pixels, best first; without them a model without an RPN has them searched for.
        original_sizes (N, 2): the heights and widths in whose pixels detections are wanted; those of the pictures.
        """
        images = check_pictures(images, channels=self.model.config.backbone.in_channels)
        if len(images) == 0:
            return []
        self._require_memory(images)
        batch = collate([resize_to_config(image, self.model.config) for image in images])
        given = given_for(images, batch.sizes, self.model.config, found=proposals)
        originals = np.array([image.shape[:2] for image in images] if original_sizes is None else original_sizes)
        del images  # large ones need not outlive their resizing
        dtype = next(self.model.named_parameters())[1].value.dtype
        find = functools.partial(
            self.model.detect,
            to_device(batch.images.astype(dtype, copy=False), self.device),
            sizes=batch.sizes,  # a device would be waited for, to have them back
            original_sizes=originals,
            paste=paste_encoded if encoded else paste_masks,
            **{name: to_device(array, self.device) for name, array in given.items()},
        )
        resting = at_rest(self.model) if self.model.training else contextlib.nullcontext()  # all its parts are walked
        with resting, computing(self.threads), overflow_named(self.model, find):
            return find()

    def _require_memory(self, images):
        """Raise ArgumentError, with the bytes, when these pictures cannot fit; the memory of a device is not asked."""
        if self.device == "cpu":
            sizes = [resized_size(*image.shape[:2], self.model.config) for image in images]
            height, width = size = tuple(map(max, zip(*sizes)))
            what = f"finding objects in {len(images)} picture{'s'[: len(images) > 1]} of {width}x{height} pixels"
            needed = detect_bytes(self.model.config, size, pictures=len(images))
            require(needed, what, advice="; give fewer or smaller ones at a time", error=ArgumentError)


class Experiment(Detector):
    """A run folder, its model, and where it computes."""

    def __init__(self, run, *, device="cpu", threads=None, ranks=None):
        check_experiment(run.config)
        self.run = run
        self.config = run.config
        self.data_dir = run.data_dir
        self.device = device
        self.threads = threads
        self.ranks = ranks
        self.model = _new_model(self.config, device)
        self._streams = {}  # by split and parts: the index of a large annotation file is made once
        self._said = set()

    @classmethod
    def start(
        cls,
        path=None,
        config=None,
        *,
        data_dir=None,
        device="cpu",
        threads=None,
        weights=None,
        known=None,
        backbone=None,
        ranks=None,
    ):
        """Begin a new run in an empty folder (runs/001, runs/002, ... when none is named).

        weights {name: array} are taken over where they fit (fine-tuning); `experiment.fresh` names what starts anew.
        known: the class names of these weights, background first, where they are not those of config: rows of a class
        are taken over by its name. backbone: a pretrained one instead, see `train.pretrain.load_backbone`. ranks: a
        Communicator, of several processes that train together.
        """
        config = config or Config()
        check_experiment(config)  # everything that can be wrong is found before a folder is made
        check_memory(config, device=device)
        if ranks is not None:
            check_together(config, ranks)
        model = _new_model(config, device)
        fresh = load_fitting(model, weights, class_names=known) if weights is not None else []
        if backbone is not None:
            transplant(model, backbone)
        path = Path(path or next_run_path())
        leads = ranks is None or ranks.first
        if ranks is not None:
            path = Path(ranks.from_first(str(path).encode()).decode())
        given = {"data_dir": data_dir, "folder": path / "proposals" if leads else None}
        streams = {split: open_stream(config, split=split, **given) for split in ("train", "test")}
        run = (RunFolder if leads else FollowedRun).create(path, config, data_dir=data_dir)
        experiment = cls(run, device=device, threads=threads, ranks=ranks)
        experiment.model, experiment.fresh = model, fresh
        experiment._streams = {(split, None): stream for split, stream in streams.items()}
        for stream in streams.values():
            experiment._say_left_out(stream)
        if (weights, backbone) != (None, None):  # a run that is killed early must not resume from random weights
            learner = new_classifier(model, config.train.seed, device=device) if _learns_crops(config) else model
            run.save(Trainer(learner, streams["train"], config.train, device=device).state_dict())
        for remark in remarks(config, fresh=weights is None and backbone is None):
            experiment._say(f"warning: {remark}")
        return experiment

    @classmethod
    def open(cls, path, *, device="cpu", threads=None, weights=True, ranks=None):
        """An existing run with the weights of its last checkpoint, ready to detect, evaluate, draw, or train on."""
        folder = RunFolder.open(path) if ranks is None else same_run(ranks, lambda: RunFolder.open(path))
        experiment = cls(folder, device=device, threads=threads, ranks=ranks)
        if _learns_crops(experiment.config):
            raise ArgumentError(f"{path} holds a pretrained backbone and no detector; a training can begin with it")
        if weights:
            with naming(experiment.run.checkpoint_file):
                model, step = same_weights(ranks, experiment.run.load(part="model") if experiment.leads else None)
                experiment.model.load_state_dict(model)
            require_fits(experiment.run, model)
            if unfinished := stopped_in(experiment.config, step):
                experiment._say(f"warning: {path} {unfinished}")
        return experiment

    @property
    def leads(self):
        """Whether it is this process that writes and speaks: rank 0, or the only one."""
        return self.ranks is None or self.ranks.first

    def use_data(self, source, data_dir=None):
        """Draw the scenes from other digits than the run was trained on: "digits", or "mnist" and its folder."""
        self._streams = {}
        if source is not None:
            self.config = dataclasses.replace(
                self.config, scenes=dataclasses.replace(self.config.scenes, source=source)
            )
            self.data_dir = data_dir
        return self

    def use_annotations(self, annotations, images):
        """Evaluate on other pictures: a COCO json and its folder. Categories are told apart by their names."""
        files = dataclasses.replace(self.config.coco, val_annotations=str(annotations), val_images=str(images))
        files = dataclasses.replace(files, annotations=files.annotations or str(annotations), val_list="")
        self.config = dataclasses.replace(self.config, coco=files)
        self._streams = {}
        return self

    def leave_out_broken(self):
        """From here on, leave out pictures with annotations that cannot be used instead of stopping at them."""
        self.config = dataclasses.replace(self.config, coco=dataclasses.replace(self.config.coco, skip_broken=True))
        self._streams = {}
        return self

    def stream(self, split="train", *, parts=None):
        """The scenes or pictures of a split: train, validation and test scenes never share a digit.

        parts: those of the heads ("box", "mask", "keypoint") for which annotations must be sound; all when None.
        """
        if (split, parts) not in self._streams:
            folder = self.run.path / "proposals" if self.leads else None
            given = {"data_dir": self.data_dir, "parts": parts, "folder": folder}
            stream = open_stream(self.config, split=split, **given)
            self._streams[split, parts] = stream
            self._say_left_out(stream)
        return self._streams[split, parts]

    def _say_left_out(self, stream):
        for note in stream.dataset.notes if isinstance(stream, CocoStream) else ():
            self._say(note)

    def _say(self, note):
        """Say something on the console, once."""
        if note not in self._said:
            print(note, file=sys.stderr, flush=True)
        self._said.add(note)

    def scenes(self, count, *, split="test"):
        """The first scenes (or pictures) of a split as a list of (image, Target)."""
        stream = self.stream(split)
        return [stream.scene(i) for i in range(_limited(count, stream))]

    def anchor_report(self, *, scenes=100):
        """How well the anchors fit the objects of some training scenes (of pictures that are not cut: of each once)."""
        stream = self.stream("train")
        whole = isinstance(stream, CocoStream) and not self.config.coco.crop
        numbers = range(min(scenes, len(stream)) if whole else scenes)
        with computing(self.threads):
            layouts = map(stream.layout, counted(numbers, label=f"comparing anchors with {len(numbers)} scenes"))
            report = anchor_report(layouts, self.config.model.rpn, levels=self.config.model.backbone.levels)
        return dataclasses.replace(report, looked_at=self._looked_at(len(numbers)))

    def _looked_at(self, count):
        """What the anchor report has counted objects in: in windows an object is met again and again."""
        if not self.config.coco.annotations:
            return f"{count} training scenes"
        if self.config.coco.crop:
            return f"{count} random windows of the training pictures (each that shows an object counts it)"
        return f"{count} training pictures"

    def train(self, *, on_start=lambda step: None, watchers=()):
        """Train from the last checkpoint (or the beginning) to the last step; False when Ctrl-C came first.

        watchers: what looks on meanwhile, see `train.procedures.Training`
        """
        check_memory(self.config, device=self.device)
        if self.ranks is not None:
            check_together(self.config, self.ranks)
        if proposals := self.stream().proposals:
            proposals.prepare(self.config.train.steps * self.config.train.accumulate)
        training = Training(self.model, self.stream(), self.run, self.device, self.ranks, tuple(watchers))
        with computing(self.threads):
            finished = PROCEDURES[self.config.train.procedure](training, on_start=on_start)
        self.model.eval()
        return finished

    def evaluate(self, *, scenes=None, split="test", kinds=None, area_ranges=None, save_results=None):
        """COCO's figures for boxes, and for masks and keypoints where model and data have them, on held-out scenes.

        ->  {"bbox": {"AP": ...}, "segm": {...}, "keypoints": {...}}; of a run on annotated pictures, on all of these;
        of a model that scores its masks also {"mask_scores": what `MaskQuality` says}

        kinds: only these of "bbox", "segm" and "keypoints"; then nothing else about the annotations matters.
        save_results, a path, also writes what was found in COCO's results format, with the ids of the annotation file
        (of scenes: their numbers, and labels for categories).
        """
        stream, kinds = self._judged(split, kinds)
        if scenes is None:
            scenes = len(stream) if isinstance(stream, CocoStream) else self.config.train.eval_scenes
        if scenes < 1:
            raise ArgumentError(f"evaluate: scenes must be at least 1; got {scenes}")
        options = {"area_ranges": area_ranges} if area_ranges else {}
        options["sigmas"] = default_sigmas(self.config.model.roi.num_keypoints)
        evaluators = {kind: Evaluator(iou_type=kind, **options) for kind in kinds}
        if "segm" in kinds and self.config.model.roi.mask_iou_widths:
            evaluators["mask_scores"] = MaskQuality()
        scenes = _limited(scenes, stream)
        size = self.config.train.batch_size
        proposals = stream.proposals and stream.proposals.found(range(scenes))
        with computing(self.threads), _results_writer(save_results, stream, self._say) as add_result:
            numbers = own_part(range(0, scenes, size), self.ranks)
            for first in counted(numbers, label=f"evaluating on {scenes} {split} scenes"):
                images, truths = zip(*(stream.encoded(i) for i in range(first, min(first + size, scenes))))
                given = proposals and proposals[first : first + size]
                detections = self.detect(images, encoded=True, proposals=given)
                for i, (truth, found) in enumerate(zip(truths, detections), start=first):
                    add_result(i, found)
                    for evaluator in evaluators.values():
                        evaluator.add(truth, found)
        put_together(evaluators.values(), self.ranks)
        return {kind: evaluator.summarize() for kind, evaluator in evaluators.items()}

    def crop_accuracy(self, *, scenes=None):
        """Of a pretrained backbone, how many crops of held-out scenes it names rightly: see `train.pretrain`."""
        stream, settings = self.stream("test"), self.config.train
        classifier = new_classifier(self.model, settings.seed, device=self.device)
        with naming(self.run.checkpoint_file):
            classifier.load_state_dict(self.run.load().model)
        scenes = _limited(settings.eval_scenes if scenes is None else scenes, stream)
        numbers = range(-(-scenes // settings.batch_size))
        with computing(self.threads):
            batches = (stream.batch(i).to_device(self.device) for i in counted(numbers, label="naming crops"))
            return crop_accuracy(classifier, batches, rng=np.random.default_rng(settings.seed))

    def _judged(self, split, kinds):
        """The stream of a split, and the kinds of figures that can be had of it: those asked for, or all there are."""
        heads = self.config.model.heads
        strange = [kind for kind in kinds or () if kind not in [KINDS[head] for head in heads]]
        if strange or (kinds is not None and not kinds):
            wanted = ", ".join(KINDS[head] for head in heads)
            raise ArgumentError(f"evaluate: kinds must be some of {wanted} for this model; got {shown(kinds)}")
        asked = None if kinds is None else tuple(head for head in heads if KINDS[head] in kinds)
        stream = self.stream(split, parts=asked)
        missing = [p for p in asked or heads if isinstance(stream, CocoStream) and p not in stream.dataset.parts]
        for part in missing:
            sentence = f"{stream.dataset.path}: no object has a {part}, by which to judge {KINDS[part]}"
            if asked:
                raise ArgumentError(sentence)
            self._say(f"{sentence}: left out")
        return stream, [KINDS[head] for head in asked or heads if head not in missing]

    def draw(self, *, scenes=4, split="test"):
        """Write detections.png (truth beside prediction) and curves.png into the run folder; returns their paths."""
        from . import visualize

        stream = self.stream(split)
        images, truths = zip(*(stream.encoded(i) for i in range(_limited(scenes, stream))))
        proposals = stream.proposals and stream.proposals.found(range(len(images)))
        found = self.detect(images, encoded=True, proposals=proposals)
        names = {"class_names": self.class_names, "keypoint_names": self.model.config.keypoint_names}
        drawn = {"detections.png": visualize.detections_figure(images, truths, found, **names)}
        if rows := read_rows(self.run.metrics_file):
            drawn["curves.png"] = visualize.curves_figure(rows)
        for name, figure in drawn.items():
            visualize.save_figure(figure, self.run.path / name)
        return [self.run.path / name for name in drawn]


@contextlib.contextmanager
def _results_writer(path, stream, say=print):
    """add(i, found), which writes what was found in scene (or picture) i, or does nothing when there is no path."""
    if path is None:
        yield lambda i, found: None
        return
    dataset, category_ids = None, None
    if isinstance(stream, CocoStream):
        dataset = stream.dataset
        categories = {label: category for category, label in dataset.labels.items()}
        category_ids = [categories.get(label) for label in range(1, len(dataset.class_names))]
    with ResultsWriter(path, category_ids=category_ids) as writer:
        image_id = (lambda i: dataset.pictures[stream.number(i)].id) if dataset else (lambda i: i)
        yield lambda i, found: writer.add(found, image_id=image_id(i))
    if writer.left_out:
        say(f"{path}: left out {writer.left_out} found objects of classes that {dataset.path} has no category for")


def open_detector(path, *, device="cpu", threads=None):
    """A Detector: of a run folder, of a file by `tinymaskrcnn convert`, of the package by name (None: handwriting)."""
    where = {"device": device, "threads": threads}
    if path is None or is_shipped(path):
        return in_sizes(Detector(load_shipped(path or DEFAULT), **where))
    return in_sizes(Detector(load_model(path), **where) if Path(path).is_file() else Experiment.open(path, **where))


def _new_model(config, device):
    model = build_model(config.model, rng=np.random.default_rng(config.train.seed))
    freeze_stages(model, config.train.frozen_stages)
    return model if device == "cpu" else model.to_device(device)


def _learns_crops(config):
    """Whether a run trains a backbone alone, as a classifier of crops, and no detector."""
    return config.train.procedure == "pretrain"


def _limited(count, stream):
    """Scenes never end, nor do the pictures of a training; those of an evaluation do."""
    return min(count, len(stream)) if isinstance(stream, CocoStream) and not stream.augment else count
