"""What has to hold before a training begins, and what is worth a remark: settings and memory."""

from ..capacity import require
from ..config_rules import check_relations
from ..config_whole import check_data
from ..models.idle import idle_in_words
from ..models.shapes import step_bytes, weights_bytes


def check_experiment(config):
    """Raise ConfigError when the parts of a configuration do not fit each other."""
    for part in (config.model.backbone, config.model.rpn, config.model, config.scenes):
        check_relations(part)
    check_data(config)


def check_memory(config, *, device="cpu"):
    """Raise ConfigError, with the bytes, when a training with these settings cannot fit into the memory that is free.

    Of pictures whose size is not known yet, nothing is counted; on a device only the host's part, the batch.
    """
    size = _smallest_picture(config)
    batch = 4 * config.train.batch_size * size**2 * config.model.backbone.in_channels
    if device == "cpu":
        arrays = 4 if config.train.optimizer == "adamw" else 3  # values, gradients, what the optimizer remembers
        arrays += config.train.average > 0  # and the mean of the values
        batch = step_bytes(config.model, (size, size), pictures=config.train.batch_size)
        batch += weights_bytes(config.model, arrays=arrays)
    require(
        batch, "a training step", advice="; lower train.batch_size, the size of the pictures, or the model's widths"
    )


def _smallest_picture(config):
    """The side of the smallest square picture that a training can bring; 0 where nobody knows yet."""
    if not config.coco.annotations:
        return config.scenes.image_size
    return config.model.resize_shorter or config.coco.crop


def remarks(config, *, fresh):
    """Sentences for a person about settings that are allowed and hardly meant. fresh: no weights were given."""
    if fresh and config.train.frozen_stages >= 0:
        frozen = config.train.frozen_stages
        yield f"train.frozen_stages={frozen} keeps layers as they were drawn at random: no weights were given"
    if idle := idle_in_words(config):
        yield idle
