"""Hydra builds launchers, sweepers, callbacks and log handlers from its own node before any verb runs, and reads
any file that a configuration names: all of it is looked at first, and what could run, read or write more is refused."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, RangeSweep
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigResult, ConfigSource
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from interpositive.cli.config_files import read_config_file
from interpositive.cli.interpolations import bounded_interpolation, close_resolvers, refuse_closed_interpolations
from interpositive.cli.sending import GROUPS, named_senders, refuse_foreign_sender, refuse_unasked_sending
from interpositive.cli.sweeps.plugins import OWN_SWEEPERS
from interpositive.errors import ConfigError, InterpositiveError

_GRIDS = ("interpositive.cli.sweeps.plugins.GridSweeper", "hydra._internal.core_plugins.basic_sweeper.BasicSweeper")
# Others that are installed have keys of their own, some of which name functions to call.
_PLUGINS: dict[str, tuple[str, ...]] = {
    "hydra.launcher._target_": (
        "hydra._internal.core_plugins.basic_launcher.BasicLauncher",
        "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher",
        "hydra_plugins.hydra_submitit_launcher.submitit_launcher.LocalLauncher",
        "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher",
    ),
    "hydra.sweeper._target_": (*_GRIDS, "interpositive.cli.sweeps.plugins.OptunaSweeper"),
}
_LOGGING_CLASSES = {
    "logging.StreamHandler",
    "logging.FileHandler",
    "logging.NullHandler",
    "logging.Formatter",
    "colorlog.ColoredFormatter",
}
_STREAMS = {"ext://sys.stdout", "ext://sys.stderr"}
_BUILDING_PARTS = ("callbacks", "launcher", "sweeper", "job_logging", "hydra_logging")
# An interpolation could stand for a whole node that is not seen here; these are texts.
_TEXTS = ("${hydra.job.name}", "${hydra.job.num}", "${hydra.sweep.dir}", "${hydra.sweep.subdir}")
_REMEDY = "remove it; launchers and sweepers are chosen by name, such as hydra/launcher=joblib"

# What a configuration file beside the package's own may say to Hydra: how to search, and on what machines.
_OPEN_PARTS = ("sweeper", "launcher", "mode")
# Of a launcher: command lines that a queue runs, and places that it writes to.
_SHELL_FIELDS = ("setup", "python", "additional_parameters", "srun_args", "use_srun", "submitit_folder", "temp_folder")
_CLOSED_KEYS = {
    "hydra.searchpath": "it can name packages, which would run to be read; name a folder with --config-dir",
    "hydra.job.env_copy": "set variables in the shell that starts the command",
    "hydra.job.env_set": "set variables in the shell that starts the command",
    "hydra.help": "help is the package's own",
    "hydra.hydra_help": "help is the package's own",
}
_MOST_TRIALS = 100_000
# joblib evaluates it.
_PRE_DISPATCH = re.compile(r"all|[0-9]{1,6}(\*n_jobs)?")
# A launcher of this machine starts so many processes at once.
_BOUNDS = {"sweeper.num_trials": _MOST_TRIALS, "launcher.n_jobs": 1024, "launcher.tasks_per_node": 1024}
# That defaults lists lead to, each as often as they name it.
_MOST_FILES = 2_000


@contextmanager
def guarded_hydra(help_header: str, own_folder: Path) -> Iterator[None]:
    """Inside, every config that Hydra composes (run, sweep, ``--cfg``) is looked at before anything is built of it, and
    Hydra knows our sweepers.

    ``help_header`` is the first line of ``--help``; ``own_folder`` holds the package's own configuration.
    """
    # Hydra finds its plugins anew, and has a class of files other than the one that could be imported.
    Plugins.instance()
    files = SourcesRegistry.instance().resolve("file")
    senders: set[str] = set()
    num_files = 0
    load, embed = ConfigLoaderImpl.load_configuration, ConfigLoaderImpl._load_single_config
    load_file, load_once = files.load_config, CachingConfigRepository.load_config

    def load_and_look(loader: ConfigLoaderImpl, config_name: Any, overrides: list[str], *rest: Any, **more: Any) -> Any:
        nonlocal num_files
        num_files = 0
        # Hydra has registered its resolvers since the guard was set up.
        close_resolvers()
        growth.restart()
        _refuse_closed_keys(overrides)
        senders.clear()
        senders.update(named_senders(overrides))
        with _composing(overrides):
            config: DictConfig = load(loader, config_name, overrides, *rest, **more)
        plain: Any = OmegaConf.to_container(config, resolve=False)
        hydra_node = plain.pop("hydra")
        refuse_closed_interpolations(plain)
        refuse_closed_interpolations(
            {key: value for key, value in hydra_node.items() if key not in ("overrides", "runtime")}, "hydra"
        )
        refuse_machinery(hydra_node)
        _refuse_endless_sweeps(hydra_node)
        refuse_unasked_sending(config, overrides)
        with open_dict(config):
            config.hydra.help.header = help_header
            config.hydra.help.footer = ""
        return config

    def load_within_bounds(source: ConfigSource, config_path: str) -> ConfigResult:
        path = Path(source.path, source._normalize_file_name(config_path))
        if ".." in path.parts or not path.resolve().is_relative_to(Path(source.path).resolve()):
            raise ConfigError(f"{config_path} leads out of its folder", found=path.resolve(), expected=source.path)
        read_config_file(path)
        found: ConfigResult = load_file(source, config_path)
        if not OmegaConf.is_dict(found.config):
            raise ConfigError(f"{path} is no configuration", found="a list or a value", expected="keys and values")
        refuse_closed_interpolations(OmegaConf.to_container(found.config, resolve=False), "", str(path))
        return found

    def load_counted(repository: CachingConfigRepository, config_path: str) -> ConfigResult | None:
        nonlocal num_files
        num_files += 1
        if num_files > _MOST_FILES:
            raise ConfigError(
                "defaults lists lead to too many files", found=config_path, expected=f"at most {_MOST_FILES}"
            )
        return load_once(repository, config_path)

    def embed_and_look(loader: ConfigLoaderImpl, default: Any, repo: Any) -> ConfigResult:
        found: ConfigResult = embed(loader, default, repo)
        scheme, _, folder = found.path.partition("://")
        if scheme == "file" and Path(folder).resolve() != own_folder.resolve():
            _refuse_foreign_machinery(found.config, default.config_path)
            refuse_foreign_sender(found.config, default.config_path, senders)
        return found

    for sweeper in OWN_SWEEPERS:
        Plugins.instance().register(sweeper)
    with (
        mock.patch.object(Plugins, "is_in_toplevel_plugins_module", staticmethod(_is_known)),
        mock.patch.object(ConfigLoaderImpl, "load_configuration", load_and_look),
        mock.patch.object(ConfigLoaderImpl, "_load_single_config", embed_and_look),
        mock.patch.object(files, "load_config", load_within_bounds),
        mock.patch.object(CachingConfigRepository, "load_config", load_counted),
        bounded_interpolation() as growth,
    ):
        yield


def _is_known(name: str) -> bool:
    """Hydra would build plugins from its own packages alone, and ours lie in this one."""
    return any(name in known for known in _PLUGINS.values())


def refuse_machinery(hydra_node: Any) -> None:
    """Raise ``ConfigError`` naming the first key of Hydra's node that would build or load something foreign."""
    if hydra_node["job"].get("env_set"):
        raise ConfigError(
            "hydra.job.env_set is not for configuration",
            found=", ".join(hydra_node["job"]["env_set"]),
            remedy="set these variables in the shell that starts the command",
        )
    params = hydra_node["sweeper"].get("params") if isinstance(hydra_node["sweeper"], dict) else None
    groups = {"launcher": hydra_node["launcher"], "sweeper": hydra_node["sweeper"], "sweeper.params": params or {}}
    for key, node in groups.items():
        if not isinstance(node, dict):
            raise ConfigError(f"hydra.{key} is no group of keys", found=node, remedy=_REMEDY)
    for key in params or ():
        if str(key).lstrip("+~").startswith(("hydra", *GROUPS)):
            expected = f"keys of a run, not of Hydra, {' or '.join(GROUPS)}"
            raise ConfigError(f"hydra.sweeper.params.{key} is closed", expected=expected)
    for key, most in _BOUNDS.items():
        part, _, name = key.partition(".")
        number = hydra_node[part].get(name)
        if isinstance(number, int | float) and not number <= most:
            raise ConfigError(f"hydra.{key} is too large", found=number, expected=f"at most {most}")
    evaluated = hydra_node["launcher"].get("pre_dispatch", "all")
    _refuse_unless(bool(_PRE_DISPATCH.fullmatch(str(evaluated))), "hydra.launcher.pre_dispatch", evaluated)
    for part in _BUILDING_PARTS:
        _look(hydra_node.get(part), f"hydra.{part}", part.endswith("logging"))


def _look(node: object, where: str, is_logging: bool) -> None:
    if isinstance(node, dict):
        for key, value in node.items():
            place = f"{where}.{key}"
            if key == "_target_":
                _refuse_unless(value in _PLUGINS.get(place, ()), place, value)
            elif is_logging and key in ("class", "()", "factory"):
                _refuse_unless(value in _LOGGING_CLASSES, place, value)
            elif not (is_logging and key == "filename"):
                _look(value, place, is_logging)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            _look(value, f"{where}[{index}]", is_logging)
    elif isinstance(node, str):
        rest = node
        for text in _TEXTS:
            rest = rest.replace(text, "")
        _refuse_unless("${" not in rest, where, node)
        _refuse_unless("://" not in node or node in _STREAMS, where, node)
        # A queue's batch file has a line for each of a launcher's texts; a second line would be a command.
        _refuse_unless(node.isprintable() or not where.startswith("hydra.launcher."), where, ascii(node))


def _refuse_unless(allowed: bool, where: str, found: object) -> None:
    if not allowed:
        raise ConfigError(f"{where} would run something outside this package", found=found, remedy=_REMEDY)


def _refuse_foreign_machinery(config: Any, file: str) -> None:
    """A file from elsewhere decides nothing about Hydra itself: where it writes, logs and looks, or what it runs."""
    plain: Any = OmegaConf.to_container(config, resolve=False)
    node = plain.get("hydra") if isinstance(plain, dict) else None
    if node is None:
        return
    if not isinstance(node, dict):
        raise ConfigError(f"hydra in {file} is no group of keys", found=node)
    launcher = node.get("launcher")
    closed = [
        f"hydra.{key}.{next(iter(part))}" if isinstance(part, dict) and part else f"hydra.{key}"
        for key, part in node.items()
        if key not in _OPEN_PARTS
    ]
    if isinstance(launcher, dict):
        closed += [f"hydra.launcher.{key}" for key in launcher if key in _SHELL_FIELDS and launcher[key]]
    if closed:
        raise ConfigError(
            f"{closed[0]} is not for configuration files",
            found=f"{', '.join(closed)} in {file}",
            expected="only " + ", ".join(f"hydra.{part}" for part in _OPEN_PARTS) + " without commands and folders",
            remedy="remove it from the file; what you trust can be given on the command line",
        )


def _refuse_closed_keys(overrides: Sequence[str]) -> None:
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        for key, why in _CLOSED_KEYS.items():
            whole = isinstance(override.value(), dict) and key.startswith(f"{override.key_or_group}.")
            if whole or f"{override.key_or_group}.".startswith(f"{key}."):
                raise ConfigError(f"{key} is closed: {why}", found=override.input_line, remedy="leave it out")


@contextmanager
def _composing(overrides: Sequence[str]) -> Iterator[None]:
    """Nothing of this package runs while Hydra composes: what fails there is a mistake in what it was given."""
    try:
        yield
    except (InterpositiveError, HydraException, OmegaConfBaseException, YAMLError, OSError):
        raise
    except (Exception, RecursionError) as error:
        raise ConfigError(
            "the configuration cannot be composed",
            found=f"{type(error).__name__}: {str(error)[:300]}",
            remedy="look at " + (" ".join(overrides)[:300] or "the package's own files"),
        ) from None


def _refuse_endless_sweeps(hydra_node: Any) -> None:
    if hydra_node["sweeper"].get("_target_") not in _GRIDS:
        return
    params = hydra_node["sweeper"].get("params") or {}
    lines = [*hydra_node["overrides"]["task"], *(f"{key}={value}" for key, value in params.items())]
    counts = {
        override.input_line: _num_values(override) for override in OverridesParser.create().parse_overrides(lines)
    }
    if math.prod(counts.values()) > _MOST_TRIALS:
        longest = max(counts, key=lambda line: counts[line])
        raise ConfigError(
            "the sweep has too many trials", found=longest, expected=f"at most {_MOST_TRIALS} trials in all"
        )


def _num_values(override: Override) -> int:
    value = override._value
    if isinstance(value, ChoiceSweep):
        return len(value.list)
    if not isinstance(value, RangeSweep) or value.start is None or value.stop is None:
        return 1
    count = (value.stop - value.start) / value.step if value.step else math.inf
    return math.ceil(max(1, min(count, _MOST_TRIALS + 1))) if count == count else _MOST_TRIALS + 1
