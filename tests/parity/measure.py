"""The largest difference from torchvision per family of operators, live or against the stored answers."""

import importlib.util

from parity import comparison
from parity.operators import CONFIGURATIONS, Configuration


def torchvision_installed():
    return all(importlib.util.find_spec(name) for name in ("torch", "torchvision"))


def stored():
    """{configuration: (arrays, settings, torchvision's results)} of the stored ones."""
    return {_parse(name): record for name, record in comparison.load().items()}


def live():
    """The same for all configurations, answered now."""
    from parity.torch_operators import theirs

    records = {}
    for configuration in CONFIGURATIONS:
        arrays, settings = configuration.draw()
        records[configuration] = arrays, settings, theirs(configuration, arrays, settings)
    return records


def _parse(name):
    family, number = name.rsplit("-", 1)
    return Configuration(family, int(number))


def by_family(records):
    """{family: (configurations, largest relative error)} over the outputs and all gradients."""
    found = {}
    for configuration, (arrays, settings, want) in records.items():
        error = comparison.largest_difference(configuration.ours(arrays, settings), want)
        count, worst = found.get(configuration.family, (0, 0.0))
        found[configuration.family] = count + 1, max(worst, error)
    return found
