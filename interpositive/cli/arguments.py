"""Arguments of a command, looked at before Hydra parses them: its closed options, and what is no text for a person."""

from __future__ import annotations

from collections.abc import Sequence

from hydra._internal.utils import get_args_parser

from interpositive.cli.config_files import DEEPEST, HIDDEN_MARKS, LONG_NUMBER
from interpositive.errors import ConfigError

_CLOSED_OPTIONS = {
    "experimental_rerun": "a pickled config is not opened: it could run anything",
    "config_path": "every verb has its configuration in the package",
    "config_name": "every verb has one configuration",
    "shell_completion": "completion in the shell is not offered",
}
_MODES = ("run", "multirun", "cfg", "info", "shell_completion")
_LONGEST_OVERRIDE = 10_000


def refuse_arguments(arguments: Sequence[str]) -> None:
    """Raise ``ConfigError`` for options of Hydra that are closed, and for overrides that are no text for a person."""
    for argument in arguments:
        hidden = HIDDEN_MARKS.search(argument) or next(
            (c for c in argument if not c.isprintable() and c not in "\n\t"), ""
        )
        if hidden:
            raise ConfigError("an argument hides a mark", found=ascii(argument)[:200], expected="visible text")
        if LONG_NUMBER.search(argument):
            raise ConfigError(f"{argument.partition('=')[0][:80]} is given a number without end")
        if len(argument) > _LONGEST_OVERRIDE or _nesting(argument) > DEEPEST:
            raise ConfigError(
                f"{argument[:40]}… is too large for an argument",
                found=f"{len(argument)} characters, {_nesting(argument)} deep",
                expected=f"at most {_LONGEST_OVERRIDE} characters, {DEEPEST} deep",
                remedy="write it into a YAML of your own",
            )
    given = vars(get_args_parser().parse_args(list(arguments)))
    modes = [f"--{mode.replace('_', '-')}" for mode in _MODES if given.get(mode)]
    if len(modes) > 1:
        raise ConfigError("a command does one thing", found=" ".join(modes), expected="one of them")
    if given.get("resolve") and not given.get("cfg"):
        raise ConfigError(
            "--resolve is about what --cfg shows", found="--resolve alone", expected="--cfg job --resolve"
        )
    for option, why in _CLOSED_OPTIONS.items():
        if given.get(option):
            raise ConfigError(
                why,
                found=f"--{option.replace('_', '-')} {given[option]}",
                remedy="name the folder of your own configuration with --config-dir, and give the overrides themselves",
            )


def _nesting(text: str) -> int:
    depth = deepest = 0
    for character in text:
        depth += (character in "[{(") - (character in ")}]")
        deepest = max(deepest, depth)
    return deepest
