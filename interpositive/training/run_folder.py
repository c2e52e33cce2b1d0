"""What a run folder holds beside checkpoints: the config it was started with, the log, what made it."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import interpositive.training  # noqa: F401  isort: skip
import torch
import yaml

from interpositive.errors import ConfigError, StorageError
from interpositive.records.code_state import CODE_DIFF_NAME
from interpositive.records.digests import sha256_of_file
from interpositive.records.held_out_course import HELD_OUT_COURSE_NAME
from interpositive.records.provenance import ENVIRONMENT_NAME, PROVENANCE_NAME
from interpositive.records.publishing import storage_error, write_file_whole
from interpositive.records.reproduction import compare_configs
from interpositive.records.run_record import RUN_RECORD_NAME

CONFIG_NAME = "config.yaml"
METRICS_NAME = "metrics.csv"
WINDOWS_NAME = "windows.csv"
ARCHIVE_NAME = "archive"
PREVIEWS_NAME = "previews"
LOGS_NAME = "logs"
# What tells how a run went; other files of its folder (a sweep's, a page) are written by others, and later too.
_PAPERS = (
    *(CONFIG_NAME, PROVENANCE_NAME, ENVIRONMENT_NAME, CODE_DIFF_NAME),
    *(METRICS_NAME, WINDOWS_NAME, HELD_OUT_COURSE_NAME),
)
# What is there before the configuration is written: the lock, W&B's folder, what processes say, a sweep's notes.
_BEFORE_CONFIG = ("run.lock", "wandb", LOGS_NAME, "trial")
_PACKAGES = ("torch", "torchvision", "pytorch-lightning", "numpy", "opencv-python-headless", "av", "decord")


def software_versions() -> dict[str, str]:
    """Versions of this package and of what shapes its results."""
    return {"interpositive": version("interpositive"), "python": platform.python_version()} | {
        name: version(name) for name in _PACKAGES if _installed(name)
    }


def machine_description() -> str:
    """Processor, cores in use and accelerator, for the record."""
    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no accelerator"
    return f"{platform.machine()} {platform.system()}, {torch.get_num_threads()} threads, {device}"


def refuse_strange_folder(folder: Path, key: str) -> None:
    """Raise ``StorageError`` for a run folder that holds what no run writes: somebody's home is no place for one."""
    try:
        if not folder.is_dir():
            found = ["a file"] if folder.exists() else []
        else:
            found = [] if (folder / CONFIG_NAME).is_file() else [path.name for path in folder.iterdir()]
    except OSError as error:
        raise storage_error(error, folder) from None
    strange = sorted(name for name in found if not name.startswith((".", *_BEFORE_CONFIG)))
    if strange:
        raise StorageError(
            f"{key}={folder} is not a run folder",
            found=", ".join(strange[:5]),
            expected=f"a folder that does not exist yet, an empty one, or one that holds {CONFIG_NAME}",
        )


def refuse_finished(folder: Path) -> None:
    """Raise ``StorageError`` for a folder that holds a finished run."""
    if (folder / RUN_RECORD_NAME).exists():
        raise StorageError(
            f"{folder} already holds a finished run", remedy="give another run folder, or move this one away"
        )


def keep_config(folder: Path, config_text: str) -> None:
    """Write the config; ``StorageError`` if the folder holds an unfinished run of another one, naming keys that differ.

    What a run is computed on is not what it is: with another ``compute`` it goes on. ``ConfigError`` for a config
    there that cannot be read.
    """
    path = folder / CONFIG_NAME
    if path.exists():
        try:
            then, now = _without_compute(path.read_text()), _without_compute(config_text)
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            raise ConfigError(
                f"{path} is not the configuration of a run",
                found=" ".join(str(error).split())[:300],
                expected="what the run wrote there when it began",
                remedy="restore it from a copy, or give another run folder",
            ) from None
        if differing := [finding.line() for finding in compare_configs(then, now, ())]:
            raise StorageError(
                f"{folder} holds an unfinished run of another configuration",
                found=f"{path} differs from the present settings in {'; '.join(differing[:3])}"
                + (f" and {len(differing) - 3} more" if differing[3:] else ""),
                remedy="resume with the same settings, or give another run folder",
            )
    write_file_whole(path, config_text)


def _without_compute(config_text: str) -> Mapping[str, Any]:
    """A config's keys but one, and its comments, which name the catalogue; ``ValueError`` if it has no keys."""
    plain = yaml.safe_load(config_text)
    if not isinstance(plain, dict):
        raise ValueError(f"{type(plain).__name__} instead of keys and values")
    comments = [line for line in config_text.splitlines() if line.startswith("#")]
    return {key: value for key, value in plain.items() if key != "compute"} | {"comments": comments}


def paper_digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each file beside the record that tells how the run went, by name."""
    return {name: sha256_of_file(folder / name) for name in _PAPERS if (folder / name).is_file()}


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True
