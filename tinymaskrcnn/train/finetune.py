"""Fine-tuning: start from weights that were learned elsewhere, and keep the first layers as they are.

What the first layers of a network see, edges and textures, serves any picture; the last layers belong to their classes.
So weights are taken over wherever they fit, in the heads class by class and by name, what is left starts anew, and the
lowest stages may stay fixed.
"""

import numpy as np

from ..errors import CheckpointError, listed
from ..models.backbones import frozen
from ..nn.layers import BatchNorm2d
from ..nn.module import Module
from ..nn.more_layers import FrozenBatchNorm2d
from ..plain_arrays import check_floats

HEADS = ("roi_heads.", "rpn.")  # what may differ from the weights that are taken over
PER_CLASS = ("roi_heads.box_predictor.", "roi_heads.mask_predictor.mask_fcn_logits.")  # each class has its rows
NO_CLASS = "N/A"  # what COCO's lists say at a label without a category


def load_fitting(model, arrays, *, class_names=None):
    """Copy arrays into a model wherever name and shape fit; what does not fit in its heads stays as it is, fresh.

    {name: array}  ->  [names that were not taken over]
    class_names (background first) are those the arrays were learned for, and the model's own unless given: what belongs
    to a class is taken over by the class's name, and the rows of classes that the arrays do not know stay fresh.
    Everything outside the heads must fit: CheckpointError names what does not. Arrays that the model has no place for
    (the mask head, for a model that finds boxes only) are left.
    """
    state = model.state_dict()
    if class_names is not None:
        arrays = _by_class_name(arrays, state, tuple(class_names), model.config.class_names)
    fresh = [name for name, own in state.items() if name not in arrays or arrays[name].shape != own.shape]
    for name in (name for name in state if name not in fresh):
        check_floats(f"the weights: {name}", arrays[name], error=CheckpointError)
    wrong = [name for name in fresh if not name.startswith(HEADS)]
    if wrong:
        raise CheckpointError(
            f"the weights are of another network: {listed(wrong, most=4)} are missing there or differ in shape; "
            "only heads may differ"
        )
    model.load_state_dict({name: own if name in fresh else arrays[name] for name, own in state.items()})
    return fresh


def shared_classes(class_names, known):
    """The classes, background aside, that stand in both lists: {name: (label here, label there)}."""
    here, there = ({name: labels.index(name) for name in labels[1:]} for labels in (list(class_names), list(known)))
    return {name: (here[name], there[name]) for name in here if name in there and name != NO_CLASS}


def _by_class_name(arrays, state, theirs, own):
    """The arrays with what belongs to a class moved to that class's label; the other rows are those of `state`.

    A head that shares no class with the arrays is left out: a background that was told from other things is no start.
    """
    if theirs == own:
        return arrays
    moved = dict(arrays)
    labels = [(0, 0), *shared_classes(own, theirs).values()]
    for name in [name for name in state if name.startswith(PER_CLASS) and name in arrays]:
        if state[name].shape[-1] % len(own):  # a mask for all classes together belongs to none
            continue
        array, fresh = moved.pop(name), state[name]
        numbers = fresh.shape[-1] // len(own)  # 1 of a class, or the 4 deltas of its box: classes stand last
        if len(labels) > 1 and array.shape == (*fresh.shape[:-1], numbers * len(theirs)):
            rows = fresh.reshape(*fresh.shape[:-1], len(own), numbers).copy()
            here, there = np.transpose(labels)
            rows[..., here, :] = array.reshape(*fresh.shape[:-1], len(theirs), numbers)[..., there, :]
            moved[name] = rows.reshape(fresh.shape)
    return moved


def freeze_stages(model, count):
    """Keep the backbone's stem and its first `count` stages as they are; -1 changes nothing.

    A batch norm that is kept uses its running statistics, and no longer follows the batches.
    """
    if count == -1:
        return model
    body = model.backbone.body
    frozen.freeze_stages(body, count)
    for part in (body.stem, *body.stages[:count]):
        _settled(part)
    return model


def _settled(module):
    """The same module with frozen batch norms; everything inside is changed in place."""
    if isinstance(module, BatchNorm2d):
        frozen = FrozenBatchNorm2d(len(module.weight.value), eps=module.eps)
        for name in ("weight", "bias", "running_mean", "running_var"):
            getattr(frozen, name).value = getattr(module, name).value
        return frozen
    for name, value in vars(module).items():
        if isinstance(value, Module):
            setattr(module, name, _settled(value))
        elif isinstance(value, (list, tuple)) and any(isinstance(item, Module) for item in value):
            setattr(module, name, type(value)(_settled(item) if isinstance(item, Module) else item for item in value))
    return module
