"""Frames leave the machine when the command line says so: no file that it does not name turns sending on, or says to
whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from interpositive.errors import ConfigError

GROUPS = ("wandb", "engine")
# By what a configuration sends, and the values with which it does not; a cluster's owner can run what he likes where
# somebody turns to it.
_STAYING: dict[str, tuple[str | None, ...]] = {
    "wandb.mode": ("offline", "disabled"),
    "wandb.entity": (None,),
    "engine.address": (None,),
}


def named_senders(overrides: Sequence[str]) -> set[str]:
    """The files of these groups that a command line chooses by name, without their ending."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    return {f"{each.key_or_group}/{each.value()}" for each in parsed if each.key_or_group in GROUPS}


def refuse_foreign_sender(config: Any, file: str, named: set[str]) -> None:
    """Raise ``ConfigError`` for a file from elsewhere that would send, or say to whom, and was not chosen for that."""
    plain: Any = OmegaConf.to_container(config, resolve=False)
    for group in GROUPS:
        node = plain.get(group) if isinstance(plain, dict) else None
        if node is None or (file in named and file.startswith(f"{group}/")):
            continue
        if not isinstance(node, dict):
            raise ConfigError(f"{group} in {file} is no group of keys", found=node)
        told = [key for key, staying in _of(group) if node.get(key.partition(".")[2], staying[0]) not in staying]
        if told:
            raise ConfigError(
                f"{told[0]} is not for this file to say",
                found=f"{', '.join(told)} in {file}",
                expected="the command line to say what is sent, and to whom",
                remedy=_remedy(group),
            )


def refuse_unasked_sending(config: Any, overrides: Sequence[str]) -> None:
    """Raise ``ConfigError`` if a composed configuration would send and the command line does not say so."""
    asked = {each.key_or_group for each in OverridesParser.create().parse_overrides(list(overrides))}
    for group in GROUPS:
        for key, staying in _of(group) if group in config else ():
            found = OmegaConf.select(config, key, throw_on_resolution_failure=False, default=staying[0])
            if found not in staying and not asked & {group, key}:
                expected = " or ".join(each or "null" for each in staying)
                raise ConfigError(
                    f"{key} was not chosen on the command line",
                    found=config[group],
                    expected=f"{expected}, unless the command line says otherwise",
                    remedy=_remedy(group),
                )


def _of(group: str) -> list[tuple[str, tuple[str | None, ...]]]:
    return [(key, staying) for key, staying in _STAYING.items() if key.startswith(f"{group}.")]


def _remedy(group: str) -> str:
    typed = "wandb=online" if group == "wandb" else "engine.address=<cluster>"
    return f"{typed} on the command line; {group}=<name> for a file {group}/<name>.yaml of your own, which may say it"
