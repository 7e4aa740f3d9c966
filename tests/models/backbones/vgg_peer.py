"""torchvision's VGG as a backbone: maps and gradients of a narrow one, stored where torchvision is not.

Made anew from the folder of the tests, where torchvision is installed: python models/backbones/vgg_peer.py
"""

from pathlib import Path

import numpy as np

STORED = Path(__file__).parents[2] / "fixtures" / "vgg.npz"
KINDS = [(11, ""), (13, ""), (16, "batch"), (19, "")]
WIDTHS = (3, 4, 6, 5, 7)
STORED_KIND = (16, "batch")


def make(layers, norm, seed=0):
    """{name: array}: the picture, every weight, the maps C2 to C5, a gradient for each, and the gradients back."""
    import torch
    from torchvision.models.vgg import cfgs, make_layers

    torch.manual_seed(seed)
    papers = {11: "A", 13: "B", 16: "D", 19: "E"}[layers]
    narrow = dict(zip((64, 128, 256), WIDTHS[:3]))
    config, deep = [], 0
    for entry in cfgs[papers]:
        deep += entry == "M"
        config.append(entry if entry == "M" else narrow.get(entry, WIDTHS[3 if deep == 3 else 4]))
    network = make_layers(config, batch_norm=norm == "batch").double().train()
    network[0] = torch.nn.Conv2d(2, WIDTHS[0], 3, padding=1).double()
    for layer in network if norm else ():
        if isinstance(layer, torch.nn.Conv2d):
            layer.bias = None  # the norm behind it takes it away again: ours has none
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, 0.3 if parameter.ndim == 1 else 0, 0.5 if parameter.ndim == 1 else 0.4)
    x = torch.randn(2, 2, 32, 64, dtype=torch.float64, requires_grad=True)
    maps, y = [], x
    for layer in network:
        if isinstance(layer, torch.nn.MaxPool2d):
            maps.append(y)
        y = layer(y)
    maps = [*maps[2:], y]  # conv3_x, conv4_x, conv5_x and the last pooling
    dmaps = [torch.randn_like(m) for m in maps]
    sum((m * d).sum() for m, d in zip(maps, dmaps)).backward()
    kept = {"x": _last(x), "dx": _last(x.grad)}
    kept |= {f"map {i}": _last(m) for i, m in enumerate(maps)} | {f"dmap {i}": _last(d) for i, d in enumerate(dmaps)}
    for i, parameter in enumerate(network.parameters()):
        kept |= {f"weight {i}": _hwio(parameter), f"gradient {i}": _hwio(parameter.grad)}
    return kept


def _last(tensor):
    return tensor.detach().permute(0, 2, 3, 1).contiguous().numpy()


def _hwio(tensor):
    array = tensor.detach().numpy()
    return np.ascontiguousarray(array.transpose(2, 3, 1, 0)) if array.ndim == 4 else array.copy()


def load():
    with np.load(STORED, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


if __name__ == "__main__":
    np.savez_compressed(STORED, **make(*STORED_KIND))
    print(f"{STORED.name}: {STORED.stat().st_size / 1e3:.0f} kB")
