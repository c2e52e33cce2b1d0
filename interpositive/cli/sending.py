"""Frames leave the machine when the command line says so: no file that it does not name turns sending on, or says to
whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from interpositive.errors import ConfigError

GROUP = "wandb"
_STAYING = ("offline", "disabled")
_REMEDY = "wandb=online on the command line; wandb=<name> for a file wandb/<name>.yaml of your own, which may name both"


def named_senders(overrides: Sequence[str]) -> set[str]:
    """The files of the group ``wandb`` that a command line chooses by name, without their ending."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    return {f"{GROUP}/{override.value()}" for override in parsed if override.key_or_group == GROUP}


def refuse_foreign_sender(config: Any, file: str, named: set[str]) -> None:
    """Raise ``ConfigError`` for a file from elsewhere that would send, or say to whom, and was not chosen for that."""
    plain: Any = OmegaConf.to_container(config, resolve=False)
    node = plain.get(GROUP) if isinstance(plain, dict) else None
    if node is None or file in named:
        return
    if not isinstance(node, dict):
        raise ConfigError(f"{GROUP} in {file} is no group of keys", found=node)
    told = [f"{GROUP}.entity"] if node.get("entity") is not None else []
    told += [f"{GROUP}.mode"] if node.get("mode", "offline") not in _STAYING else []
    if told:
        raise ConfigError(
            f"{told[0]} is not for this file to say",
            found=f"{', '.join(told)} in {file}",
            expected="the command line to say what is sent, and to whom",
            remedy=_REMEDY,
        )


def refuse_unasked_sending(config: Any, overrides: Sequence[str]) -> None:
    """Raise ``ConfigError`` if a composed configuration would send and the command line does not say so."""
    if OmegaConf.select(config, f"{GROUP}.mode", throw_on_resolution_failure=False) in _STAYING or GROUP not in config:
        return
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    if not any(override.key_or_group in (GROUP, f"{GROUP}.mode") for override in parsed):
        raise ConfigError(
            "wandb.mode was not chosen on the command line",
            found=config[GROUP],
            expected=f"{' or '.join(_STAYING)}, unless the command line says otherwise",
            remedy=_REMEDY,
        )
