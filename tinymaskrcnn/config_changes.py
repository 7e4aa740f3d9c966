"""A Config with some settings changed, and which settings two of them tell apart: {dotted name: value}."""

from .config import Config, from_dict, to_dict
from .errors import ConfigError, meant, shown


def override(config, settings):
    """A new configuration with dotted entries replaced: {"scenes.noise": 0.3}; ConfigError names an unknown one."""
    table = to_dict(config)
    known = flat_names(table)
    for name, value in settings.items():
        if name not in known:
            close = meant(name, known)
            raise ConfigError(f"there is no setting {shown(name)}" + (f"; did you mean {close}?" if close else ""))
        *parents, last = name.split(".")
        entry = table
        for parent in parents:
            entry = entry[parent]
        entry[last] = value
    return from_dict(Config, table)


def flat_names(table, prefix=""):
    """All dotted names of a nested table."""
    names = []
    for name, value in table.items():
        names += flat_names(value, f"{prefix}{name}.") if isinstance(value, dict) else [f"{prefix}{name}"]
    return names


def differences(config, base):
    """The settings in which two Configs differ, as the first has them: {dotted name: value}."""
    tables = to_dict(config), to_dict(base)
    values = {name: tuple(_at(table, name) for table in tables) for name in flat_names(tables[0])}
    return {name: value for name, (value, other) in values.items() if value != other}


def _at(table, name):
    for part in name.split("."):
        table = table[part]
    return table
