"""Names and shapes of backbones and pyramids in torchvision's layout, and the maps they keep, without any array."""


def body_shapes(name, config):
    """{name: shape} of the body that a BackboneConfig asks for."""
    if config.kind == "vgg":
        names = [[f"{number}_{k}" for k in range(1, depth + 1)] for number, depth in enumerate(config.depths, start=1)]
    elif config.kind == "plain":
        names = [[f"{number}"] for number in range(1, 5)]
    else:
        return _resnet(name, config)
    shapes, channels = {}, config.in_channels
    for group, width in zip(names, config.widths):
        for layer in group:
            shapes |= conv_norm(name, channels, width, 3, config.norm, names=(f"conv{layer}", f"bn{layer}"))
            channels = width
    return shapes


def pyramid_shapes(name, config):
    """{name: shape} of the pyramid, none where there is a single map."""
    channels, norm = config.fpn_channels, config.fpn_norm
    if config.fpn in ("c4", "c5"):
        return {}
    if config.fpn == "no_lateral":
        inner = {"inner_block": config.stage_channels[-1]}
    else:
        inner = {f"inner_blocks.{i}": width for i, width in enumerate(config.stage_channels)}
    layers = ["layer_block"] if config.fpn == "p2" else [f"layer_blocks.{i}" for i in range(4)]
    shapes = {}
    for block, width in inner.items():
        shapes |= conv_norm(f"{name}.{block}", width, channels, 1, norm)
    for block in layers:
        shapes |= conv_norm(f"{name}.{block}", channels, channels, 3, norm)
    return shapes


def stage_shapes(name, i, config):
    """Stage i of a ResNet, from 0."""
    shapes, channels, width = {}, (config.stem_width, *config.widths)[i], config.widths[i]
    for j in range(config.depths[i]):
        halves = j == 0 and (i > 0 or config.stem == "3x3")
        block = f"{name}.{j}"
        shapes |= _block(block, channels, width, config)
        if halves or channels != width:
            shapes[f"{block}.downsample.0.weight"] = (width, channels, 1, 1)
            shapes |= _norm(f"{block}.downsample.1", width, config.norm)
        channels = width
    return shapes


def with_bias(name, shape, outputs=None):
    return {f"{name}.weight": shape, f"{name}.bias": (outputs or shape[0],)}


def conv_norm(name, channels, outputs, kernel, norm="", names=("0", "1")):
    """A convolution with a bias, or one without and a norm behind it."""
    shape, (conv, behind) = (outputs, channels, kernel, kernel), names
    if not norm:
        return with_bias(f"{name}.{conv}", shape)
    return {f"{name}.{conv}.weight": shape} | _norm(f"{name}.{behind}", outputs, norm)


def _norm(name, channels, kind="batch"):
    statistics = () if kind == "group" else ("running_mean", "running_var")
    return {f"{name}.{part}": (channels,) for part in ("weight", "bias", *statistics)}


def _resnet(name, config):
    kernel = int(config.stem[0])
    shapes = {f"{name}.conv1.weight": (config.stem_width, config.in_channels, kernel, kernel)}
    shapes |= _norm(f"{name}.bn1", config.stem_width, config.norm)
    for i in range(3 if config.has_res5 else 4):
        shapes |= stage_shapes(f"{name}.layer{i + 1}", i, config)
    return shapes


def _block(name, channels, width, config):
    """Convolutions of a residual block as (outputs, inputs, kernel), each with its norm."""
    if config.block == "basic":
        convs = [(width, channels, 3), (width, width, 3)]
    else:
        inner = width * config.group_width // 256 * config.groups
        convs = [(inner, channels, 1), (inner, inner // config.groups, 3), (width, inner, 1)]
    shapes = {}
    for k, (outputs, inputs, kernel) in enumerate(convs, start=1):
        shapes |= {f"{name}.conv{k}.weight": (outputs, inputs, kernel, kernel)} | _norm(
            f"{name}.bn{k}", outputs, config.norm
        )
    return shapes


# ---------------------------------------------------------------- maps


def kept_maps(config):
    """[(stride, channels)] of what the convolutions of a body put out, but for those inside a branch."""
    if config.kind == "vgg":
        return [(2**i, width * depth) for i, (width, depth) in enumerate(zip(config.widths, config.depths))]
    if config.kind == "plain":
        return [(2**i, width) for i, width in enumerate(config.widths)]
    stages = [(2 ** (2 + i), stage_width(config, i)) for i in range(3 if config.has_res5 else 4)]
    return [(2, config.stem_width), *stages]


def stage_width(config, i):
    """The channels that the blocks of stage i of a ResNet put out, all together."""
    wide = 2 if config.block == "basic" else 1  # layers of a block with all its channels
    return config.widths[i] * config.depths[i] * wide


def first_map(config):
    """(stride, channels) of what the first convolution puts out."""
    return (2, config.stem_width) if config.kind == "resnet" else (1, config.widths[0])


def last_maps(config):
    """[(stride, channels)] of C2, C3 and so on."""
    count = 3 if config.fpn == "c4" else 4
    return [(2 ** (2 + i), channels) for i, channels in enumerate(config.stage_channels[:count])]


def looked_at(config):
    """The strides of the maps that proposals and heads look at."""
    return [2**level for level in config.levels]
