"""Configuration files of strangers, read within bounds: plain keys and values, so many and so deep and no more."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, Event, ScalarEvent

from interpositive.errors import ConfigError

MOST_BYTES = 1 << 20
MOST_NODES = 100_000
DEEPEST = 32
# A text may be said to be one; a number said to be one would be read by other rules.
_PLAIN_TAGS = {"!", "tag:yaml.org,2002:str"}
# Python reads no number of more digits, and means no harm by it.
_MOST_DIGITS = 100
LONG_NUMBER = re.compile(
    rf"[0-9_]{{{_MOST_DIGITS + 1},}}|0x[0-9a-fA-F_]{{{_MOST_DIGITS + 1},}}|[0-9]+(:[0-5]?[0-9]){{{_MOST_DIGITS // 2},}}"
)
# They let a line be read otherwise than it is, or tell a terminal what to do.
HIDDEN_MARKS = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\U000e0000-\U000e0fff]"
)
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_config_file(path: Path) -> str:
    """The text of a YAML that may be parsed; ``ConfigError`` naming the file and what is wrong with it."""
    try:
        # A pipe would wait for its writer for ever, and a device has no end.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ConfigError(f"{path} is no file", expected="a YAML file")
            content = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read", found=error.strerror) from None
    if len(content) > MOST_BYTES:
        raise ConfigError(f"{path} is too long for a configuration", expected=f"at most {MOST_BYTES} bytes")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8", found=f"byte {error.start}: {error.reason}") from None
    refuse_bombs(text, str(path))
    return text


def read_plain_yaml(text: str, where: str) -> dict[str, Any]:
    """A mapping from a text that somebody else may have written; ``ConfigError`` for anything else."""
    refuse_bombs(text, where)
    try:
        config = OmegaConf.create(text)
    except (OmegaConfBaseException, yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{where} is no configuration", found=str(error)[:300], expected="keys and values") from None
    # References are left as the text that they are: a configuration that was written whole has none.
    plain = OmegaConf.to_container(config, resolve=False)
    if not isinstance(plain, dict):
        raise ConfigError(f"{where} is no configuration", found=type(plain).__name__, expected="keys and values")
    return {str(key): value for key, value in plain.items()}


def refuse_bombs(text: str, where: str) -> None:
    """Raise ``ConfigError`` for a YAML that would grow when it is parsed, that hides marks, or has tags of its own.

    Nothing is built: the text is walked event by event, and what an alias stands for is counted, not repeated.
    """
    text = text.removeprefix("\ufeff")
    for number, words in enumerate(text.split("\n"), 1):
        _refuse_hidden(words, number, where)
    sizes: dict[str, int] = {}
    # Of every open collection: its anchor, and the nodes in it so far.
    open_nodes: list[tuple[str | None, int]] = [(None, 0)]
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            _refuse_strange(event, where)
            if isinstance(event, CollectionStartEvent):
                open_nodes.append((event.anchor, 1))
            elif isinstance(event, CollectionEndEvent):
                anchor, size = open_nodes.pop()
                if anchor:
                    sizes[anchor] = size
                _count(open_nodes, size)
            elif isinstance(event, AliasEvent):
                if event.anchor not in sizes:
                    raise ConfigError(f"{where} refers to *{event.anchor} where there is none before it")
                _count(open_nodes, sizes[event.anchor])
            elif isinstance(event, ScalarEvent):
                if event.anchor:
                    sizes[event.anchor] = 1
                _count(open_nodes, 1)
            if len(open_nodes) > DEEPEST or open_nodes[-1][1] > MOST_NODES:
                line = _line(event)
                raise ConfigError(
                    f"{where} is too large a configuration",
                    found=f"more by line {line}, with all that aliases stand for",
                    expected=f"at most {MOST_NODES} values, {DEEPEST} deep",
                )
    except yaml.YAMLError as error:
        raise ConfigError(
            f"{where} is no YAML", found=" ".join(str(error).split()), expected="keys and values"
        ) from None


def _count(open_nodes: list[tuple[str | None, int]], size: int) -> None:
    anchor, before = open_nodes[-1]
    open_nodes[-1] = (anchor, before + size)


def _line(event: Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0


def _refuse_hidden(text: str, line: int, where: str) -> None:
    if hidden := HIDDEN_MARKS.search(text):
        raise ConfigError(f"{where} hides a mark in line {line}", found=ascii(hidden.group()), expected="visible text")


def _refuse_strange(event: Event, where: str) -> None:
    tag = getattr(event, "tag", None)
    if tag is not None and tag not in _PLAIN_TAGS:
        line = _line(event)
        raise ConfigError(f"{where} has the tag {tag} in line {line}", expected="plain keys and values")
    if isinstance(event, ScalarEvent):
        # Of a text in quotes it is only known now what it says.
        _refuse_hidden(event.value, _line(event), where)
    if isinstance(event, ScalarEvent) and event.implicit[0] and LONG_NUMBER.search(event.value):
        line = _line(event)
        raise ConfigError(f"{where} has a number without end in line {line}", expected=f"at most {_MOST_DIGITS} digits")
