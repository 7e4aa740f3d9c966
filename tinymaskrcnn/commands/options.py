"""Options that several commands share, and how command-line words become a configuration."""

import argparse
import contextlib
import dataclasses
import math
import os
from dataclasses import dataclass
from pathlib import Path

from ..config import Config, ConfigError, from_dict, scene_preset, tour_preset
from ..config_changes import flat_names, override
from ..config_rules import SYSTEMS
from ..errors import DataError, shown
from ..files import parse_json, read_json


def faster_rcnn_c4_preset():
    """Faster R-CNN without a pyramid, as it was first."""
    from ..models.faster_rcnn import C4

    return override(Config(), {"model.system": "faster_rcnn"} | C4)


def handwriting_preset():
    """The detector of photographed handwriting that the package ships."""
    from ..zoo.handwriting import handwriting_preset

    return handwriting_preset()


def mnist_preset():
    """Scenes of MNIST's digits, and what their strokes ask of a model: what --data mnist alone sets, too."""
    from ..models.for_scenes import model_for

    config = override(Config(), {"scenes.source": "mnist"})
    return override(config, model_for(config.scenes))


PRESETS = {  # what `train` starts from
    None: Config,
    "mnist": mnist_preset,
    "tour": tour_preset,
    "handwriting": handwriting_preset,
    "faster_rcnn_c4": faster_rcnn_c4_preset,
}

SKIP_BROKEN = "leave out the pictures with broken annotations instead of stopping, and say how many"

def add_device(parser):
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to compute (default: cpu)")
    parser.add_argument(
        "--threads",
        type=positive,
        metavar="N",
        help="CPU threads (default: TINYMASKRCNN_THREADS, or as many as this process may use cores)",
    )


def threads_of(args, ranks):
    """The threads of --threads; on several ranks, where nobody said how many, a fair share of the machine's cores."""
    if ranks is None or args.threads is not None or "TINYMASKRCNN_THREADS" in os.environ:
        return args.threads
    from ..train.ranks.launch import fair_threads

    return fair_threads(ranks)


def add_tf32(parser):
    parser.add_argument("--tf32", action="store_true", help="with --device cuda: faster and coarser matrix products")


def apply_tf32(args):
    """Switch the card as --tf32 says; a ConfigError where there is no card to switch."""
    if not args.tf32:
        return
    if args.device != "cuda":
        raise ConfigError("--tf32 is a setting of the GPU: add --device cuda")
    from ..devices import set_tf32

    set_tf32(True)


def positive(text):
    """An argparse type: a whole number from 1 up."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number, at least 1; got {text!r}")
    return int(text)


def share(text):
    """An argparse type: a number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 1; got {text!r}")
    return value


def check_threads(threads):
    """Say at once, before anything is read, that TINYMASKRCNN_THREADS makes no sense; --threads goes before it."""
    wanted = os.environ.get("TINYMASKRCNN_THREADS", "").strip()
    if threads is not None or not wanted:
        return
    try:
        positive(wanted)
    except argparse.ArgumentTypeError as error:
        raise ConfigError(f"TINYMASKRCNN_THREADS {error}") from None


def add_data(parser, help):
    parser.add_argument("--data", metavar="digits|mnist|DIR", help=help)


def add_annotations(parser):
    parser.add_argument("--annotations", metavar="JSON", help="pictures of your own: annotations in COCO's format")
    parser.add_argument("--images", metavar="DIR", help="the folder with the annotated pictures")


def given_annotations(args):
    """(annotations, images) that were named, or None; one without the other is a ConfigError."""
    if not args.annotations and not args.images:
        return None
    if not args.annotations or not args.images:
        raise ConfigError("--annotations needs --images DIR, the folder of the pictures, and the other way round")
    return args.annotations, args.images


@contextlib.contextmanager
def offering_skip_broken(boxes_only):
    """Add to what is said of broken annotations which options of the command help.

    boxes_only: the option, with its value, by which only boxes are asked for; None where there is none.
    """
    from ..data.coco_selection import BrokenAnnotations, UnknownCategories

    try:
        yield
    except (BrokenAnnotations, UnknownCategories) as error:
        if not error.skippable:
            raise
        advice = "--skip-broken leaves out what cannot be used, and its pictures."
        if boxes_only and "box" not in error.parts:
            advice += f" {boxes_only} asks for boxes only."
        raise type(error)(f"{error}\n{advice}", skippable=False, parts=error.parts) from error


def given_options(args, names):
    """Those of some options that were given, as they are written on the command line."""
    values = {name: getattr(args, name) for name in names}
    return [f"--{n.replace('_', '-')}" for n, v in values.items() if v is not None and v is not False and v != []]


def data_source(word, *, also=""):
    """What --data means: (source, data_dir); None when nothing was said. `also` names what else a command takes."""
    if word is None:
        return None, None
    if word in ("digits", "mnist"):
        return word, None
    if not Path(word).is_dir():
        raise ConfigError(f"--data must be 'digits', 'mnist' or a folder with MNIST's files{also}; got {shown(word)}")
    return "mnist", word


@dataclass(frozen=True)
class Start:
    """A Config to start from, and the names of the settings in it that somebody wrote: no system changes them."""

    config: Config
    written: frozenset

    @classmethod
    def of(cls, config):
        """Whatever differs from what the configuration's system sets by itself, or from what its scenes ask for."""
        from ..models.for_scenes import model_for, still_wanted
        from ..models.systems import chosen

        return cls(config, frozenset(chosen(config)) | still_wanted(model_for(config.scenes), config).keys())

    def as_system(self, name, *, scenes):
        """The Config with what a system sets by its name. scenes: also those that the system is shown on."""
        if name not in SYSTEMS:  # none was named, or what it has to be is said where it is set
            return self.config
        return override(self.config, self.without_written(_settings_of(name, scenes=scenes)))

    def without_written(self, settings):
        """Of {dotted setting: value} what nobody wrote."""
        return {name: value for name, value in settings.items() if name not in self.written or name == "model.system"}


def read_start(path):
    """A Start from a JSON file like a run's config.json; entries that are missing keep their defaults.

    Such a file says everything, so that of what it says only that was chosen which its system does not say by itself.
    Of a shorter file, which somebody wrote, it is every entry; the system that it names sets the others.
    """
    entries = read_json(path, error=ConfigError)
    of_run = isinstance(entries, dict) and "data_dir" in entries
    if isinstance(entries, dict):
        entries.pop("data_dir", None)
    written = frozenset(flat_names(entries)) if isinstance(entries, dict) else frozenset()
    if of_run or _settings_of("mask_rcnn", scenes=False).keys() <= written:
        return Start.of(from_dict(Config, entries, str(path)))
    model = entries.get("model") if isinstance(entries, dict) else None
    name = model.get("system") if isinstance(model, dict) else None
    if isinstance(name, str) and name in SYSTEMS:
        for setting, value in _settings_of(name, scenes=True).items():
            _add(entries, setting.split("."), value)
    return Start(from_dict(Config, entries, str(path)), written)


def _settings_of(name, *, scenes):
    from ..models.systems import scene_settings, system_settings

    return system_settings(name, scenes=False) | (scene_settings(name) if scenes else {})


def _add(entries, path, value):
    """Add an entry to tables within tables where it is not there."""
    *parents, last = path
    for parent in parents:
        entries = entries.setdefault(parent, {})
        if not isinstance(entries, dict):  # what it has to be is said when the file is taken
            return
    entries.setdefault(last, value)


def parse_setting(word):
    """ "scenes.noise=0.3" -> ("scenes.noise", 0.3); a value that is not JSON is taken as text."""
    name, equals, text = word.partition("=")
    if not equals:
        raise ConfigError(f"--set needs NAME=VALUE, for example scenes.noise=0.3; got {shown(word)}")
    try:
        return name.strip(), parse_json(text, name)
    except DataError:
        return name.strip(), text


def build_config(args):
    """The configuration that the options of `train` describe, in this order: preset or file, scenes, options, --set."""
    from ..models.for_scenes import model_for, still_wanted

    if args.config and args.preset:
        raise ConfigError("--config and --preset both say where to start from; leave one out")
    words = dict(parse_setting(word) for word in args.set)
    start = read_start(args.config) if args.config else Start.of(PRESETS[args.preset]())
    config = start.as_system(words.get("model.system", args.system), scenes=not args.scenes)
    if args.scenes:
        config = dataclasses.replace(config, scenes=scene_preset(args.scenes))
    source, _ = data_source(args.data)
    named = {
        "train.steps": args.steps,
        "train.seed": args.seed,
        "train.batch_size": args.batch_size,
        "train.learning_rate": args.learning_rate,
        "scenes.source": source,
    }
    settings = {name: value for name, value in named.items() if value is not None} | words
    scenes = override(config, {name: value for name, value in settings.items() if name.startswith("scenes.")}).scenes
    config = override(config, start.without_written(still_wanted(model_for(scenes), config)))
    return override(config, backbone_settings(args.backbone, config.model) | settings)


def add_system(parser):
    names = ", ".join(SYSTEMS)
    parser.add_argument("--system", choices=SYSTEMS, metavar="NAME", help=f"{names} (default: mask_rcnn)")


def add_backbone(parser):
    parser.add_argument("--backbone", metavar="NAME", help="another one: resnet50, vgg16_bn-c4, plain-c4 ...")


def backbone_settings(name, model):
    """What a backbone sets by its name, in a model with these settings; nothing without one."""
    if name is None:
        return {}
    from ..models.backbones.presets import backbone_settings

    return backbone_settings(name, model)


def override_by_words(config, words):
    """The configuration after all --set NAME=VALUE."""
    return override(config, dict(parse_setting(word) for word in words))


def replace_steps(config, steps):
    return dataclasses.replace(config, train=dataclasses.replace(config.train, steps=steps))
