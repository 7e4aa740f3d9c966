"""Fine-tuning: start from weights that were learned elsewhere, and keep the first layers as they are.

What the first layers of a network see, edges and textures, serves any picture; the last layers belong to their classes.
So weights are taken over wherever they fit, heads for other classes start anew, and the lowest stages may stay fixed.
"""

from ..errors import CheckpointError
from ..nn.layers import BatchNorm2d, FrozenBatchNorm2d
from ..nn.module import Module

HEADS = ("roi_heads.", "rpn.")  # what may differ from the weights that are taken over


def load_fitting(model, arrays):
    """Copy arrays into a model wherever name and shape fit; what does not fit in its heads stays as it is, fresh.

    {name: array}  ->  [names that were not taken over]
    Everything outside the heads must fit: CheckpointError names what does not. Arrays that the model has no place for
    (the mask head, for a model that finds boxes only) are left.
    """
    state = model.state_dict()
    fresh = [name for name, own in state.items() if name not in arrays or arrays[name].shape != own.shape]
    wrong = [name for name in fresh if not name.startswith(HEADS)]
    if wrong:
        more = f" and {len(wrong) - 4} more" if len(wrong) > 4 else ""
        raise CheckpointError(
            f"the weights are of another network: {', '.join(wrong[:4])}{more} are missing there or differ in shape; "
            "only heads may differ"
        )
    model.load_state_dict({name: own if name in fresh else arrays[name] for name, own in state.items()})
    return fresh


def freeze_stages(model, count):
    """Keep the backbone's stem and its first `count` stages as they are; -1 changes nothing.

    A batch norm that is kept uses its running statistics, and no longer follows the batches.
    """
    if count == -1:
        return model
    body = model.backbone.body
    body.freeze_stages(count)
    for part in ("bn1", *(f"layer{i + 1}" for i in range(count))):
        setattr(body, part, _settled(getattr(body, part)))
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
