"""Hydra builds launchers, sweepers, callbacks and log handlers from its own node before any verb runs: it is looked
at first, and what could run foreign code is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.plugin import Plugin
from hydra.plugins.sweeper import Sweeper
from omegaconf import DictConfig, OmegaConf, open_dict

from interpositive.cli.sweeps.plugins import OWN_SWEEPERS
from interpositive.errors import ConfigError

_PLUGIN_PLACES: dict[str, type[Plugin]] = {"hydra.launcher._target_": Launcher, "hydra.sweeper._target_": Sweeper}
_LOGGING_CLASSES = {
    "logging.StreamHandler",
    "logging.FileHandler",
    "logging.NullHandler",
    "logging.Formatter",
    "colorlog.ColoredFormatter",
}
_STREAMS = {"ext://sys.stdout", "ext://sys.stderr"}
_BUILDING_PARTS = ("callbacks", "launcher", "sweeper", "job_logging", "hydra_logging")
_REMEDY = "remove it; launchers and sweepers are chosen by name, such as hydra/launcher=joblib"


@contextmanager
def guarded_hydra(help_header: str) -> Iterator[None]:
    """Inside, every config that Hydra composes (run, sweep, ``--cfg``) passes :func:`refuse_machinery` first, and
    Hydra knows our sweepers.

    ``help_header`` is the first line of ``--help``.
    """
    load = ConfigLoaderImpl.load_configuration

    def load_and_look(loader: ConfigLoaderImpl, *args: Any, **kwargs: Any) -> DictConfig:
        config: DictConfig = load(loader, *args, **kwargs)
        refuse_machinery(OmegaConf.to_container(config.hydra, resolve=False))
        with open_dict(config):
            config.hydra.help.header = help_header
            config.hydra.help.footer = ""
        return config

    for sweeper in OWN_SWEEPERS:
        Plugins.instance().register(sweeper)
    with (
        mock.patch.object(ConfigLoaderImpl, "load_configuration", load_and_look),
        mock.patch.object(Plugins, "is_in_toplevel_plugins_module", staticmethod(_is_installed)),
    ):
        yield


def _is_installed(name: str) -> bool:
    """Hydra would build plugins from its own packages alone, and ours lie in this one."""
    return any(name in _installed(kind) for kind in _PLUGIN_PLACES.values())


def refuse_machinery(hydra_node: Any) -> None:
    """Raise ``ConfigError`` naming the first key of Hydra's node that would build or load something foreign."""
    if hydra_node["job"].get("env_set"):
        raise ConfigError(
            "hydra.job.env_set is not for configuration files",
            found=", ".join(hydra_node["job"]["env_set"]),
            remedy="set these variables in the shell that starts the command",
        )
    for part in _BUILDING_PARTS:
        _look(hydra_node.get(part), f"hydra.{part}", part.endswith("logging"))


def _look(node: object, where: str, is_logging: bool) -> None:
    if isinstance(node, dict):
        for key, value in node.items():
            place = f"{where}.{key}"
            if key == "_target_":
                _refuse_unless(value in _installed(_PLUGIN_PLACES.get(place)), place, value)
            elif is_logging and key in ("class", "()", "factory"):
                _refuse_unless(value in _LOGGING_CLASSES, place, value)
            elif key != "filename":
                _look(value, place, is_logging)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            _look(value, f"{where}[{index}]", is_logging)
    elif isinstance(node, str):
        # An interpolation could stand for a whole node that is not seen here.
        _refuse_unless("${" not in node, where, node)
        _refuse_unless("://" not in node or node in _STREAMS, where, node)


def _installed(kind: type[Plugin] | None) -> set[str]:
    if kind is None:
        return set()
    return {f"{plugin.__module__}.{plugin.__qualname__}" for plugin in Plugins.instance().discover(kind)}


def _refuse_unless(allowed: bool, where: str, found: object) -> None:
    if not allowed:
        raise ConfigError(f"{where} would run something outside this package", found=found, remedy=_REMEDY)
