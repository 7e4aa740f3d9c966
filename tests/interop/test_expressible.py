"""What the files of others have no word for is refused in one line that names the setting."""

import dataclasses

import numpy as np
import pytest
from tiny_model import tiny_config

from tinymaskrcnn.errors import ConfigError
from tinymaskrcnn.interop import expressible
from tinymaskrcnn.interop.onnx import onnx_model
from tinymaskrcnn.interop.torchvision import to_state_dict
from tinymaskrcnn.models.build import build_model

BACKBONES = [{"kind": "vgg", "norm": ""}, {"kind": "plain", "norm": ""}]
UNKNOWN = [
    *({"fpn": fpn} for fpn in ("no_lateral", "no_top_down", "p2", "c4", "c5")),
    *({"mask_kind": kind} for kind in ("agnostic", "softmax", "fc")),
    *({"pooling": pooling} for pooling in ("pool", "warp", "prroi")),
]


@pytest.mark.parametrize("changes", UNKNOWN, ids=str)
def test_no_way_out_says_something_else(changes):
    model = build_model(tiny_config(**changes), rng=np.random.default_rng(0)).eval()
    part, given = list(changes.items())[0]
    for way, who in ((onnx_model, "the ONNX export"), (to_state_dict, "torchvision")):
        with pytest.raises(ConfigError, match=rf"^{who} has no word for model\.\w+\.{part} '{given}'; it must be"):
            way(model)


@pytest.mark.parametrize("changes", BACKBONES, ids=str)
def test_of_backbones_torchvision_knows_the_resnet_alone(changes):
    model = build_model(tiny_config(**changes), rng=np.random.default_rng(0)).eval()
    with pytest.raises(ConfigError, match="^torchvision has no word for model.backbone.kind '.*'; it must be 'resnet'"):
        to_state_dict(model)


def test_ink_is_made_before_a_picture_goes_into_a_file_and_torchvision_makes_none():
    """The user of the file makes it, of pictures that are as large as the network wants them."""
    config = dataclasses.replace(tiny_config(), ink=True)
    model = build_model(config, rng=np.random.default_rng(0)).eval()
    with pytest.raises(ConfigError, match="^torchvision has no word for model.ink True; it must be False"):
        to_state_dict(model)
    assert "to_ink" in {p.key: p.value for p in onnx_model(model).metadata_props}["input"]
    config = dataclasses.replace(config, resize_shorter=64, resize_longer=96)
    resized = build_model(config, rng=np.random.default_rng(0)).eval()
    with pytest.raises(ConfigError, match="cannot make ink.*resize_shorter 64; it must be 0"):
        onnx_model(resized)


def test_the_default_and_what_has_no_mask_head_pass():
    for config in (tiny_config(), dataclasses.replace(tiny_config(mask_kind="fc"), heads=("box",))):
        expressible.refuse_unknown(config, who="anybody", knows=expressible.OF_TORCHVISION)
