"""What a sweep varies, in Hydra's own words: ``a,b``, ``choice()``, ``range()``, ``interval()``, ``tag(log, …)``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, QuotedString, RangeSweep

from interpositive.errors import ConfigError
from interpositive.records.sweep_record import Parameter, ParameterSpace

# The sweep says where each trial's run lies; all share what is prepared, and train or are only looked at.
SAME_FOR_ALL = ("run_folder", "dry_run", "dailies.prepared_folder", "production.workspace")


@dataclass(frozen=True)
class SweptKey:
    """A key with more than one value: its ``space``, and how each choice is said as an override.

    ``key_element`` is the key as on the command line, with its plus signs.
    """

    space: ParameterSpace
    key_element: str
    texts: tuple[str, ...] = ()

    def override(self, value: Parameter) -> str:
        """The override that gives the key one of its values; ``ConfigError`` for a value it cannot have."""
        if not self.space.choices:
            return f"{self.key_element}={value!r}"
        for choice, text in zip(self.space.choices, self.texts, strict=True):
            # One, 1.0 and true are equal in Python, and three settings here.
            if type(choice) is type(value) and choice == value:
                return f"{self.key_element}={text}"
        raise ConfigError(
            f"a trial has a value of {self.space.key} that the sweep does not vary",
            found=value,
            expected=", ".join(self.texts),
        )


def read_space(
    params: Mapping[str, Any], arguments: Sequence[str], loader: ConfigLoader | None, *, enumerated: bool
) -> tuple[list[SweptKey], list[str]]:
    """What is swept, and the overrides that are the same for all trials.

    ``params`` are swept keys of a YAML, ``arguments`` overrides of the command line, which win. With ``enumerated``
    every value of a range is a choice and an interval is a ``ConfigError``.
    """
    parser = OverridesParser.create(config_loader=loader)
    told = [f"{key}={'null' if value is None else value}" for key, value in params.items()]
    found = {each.get_key_element(): each for each in parser.parse_overrides([*told, *arguments])}
    swept, fixed = [], []
    for override in found.values():
        if override.is_sweep_override():
            swept.append(_swept_key(override, enumerated))
        else:
            assert override.input_line is not None
            fixed.append(override.input_line)
    return swept, fixed


def _swept_key(override: Override, enumerated: bool) -> SweptKey:
    key = override.key_or_group
    if override.is_hydra_override() or key in SAME_FOR_ALL:
        raise ConfigError(
            f"{key} cannot differ from trial to trial",
            found=override.input_line,
            expected="one value for the whole sweep",
        )
    value = override.value()
    if getattr(value, "shuffle", False):
        raise ConfigError(
            f"{key} has values in an order that nothing remembers",
            found=override.input_line,
            expected="the same without shuffle(…)",
            remedy="hydra/sweeper=optuna hydra.sweeper.sampler=random draws in an order of its seed",
        )
    if isinstance(value, IntervalSweep):
        if enumerated:
            raise ConfigError(
                f"{key} has no end of values in an interval",
                found=override.input_line,
                expected="a,b,c or range(from,to,step) in a grid",
                remedy="hydra/sweeper=optuna draws from intervals",
            )
        return SweptKey(_interval(key, value, override.input_line), override.get_key_element())
    is_log = _is_log(key, value, override.input_line)
    if isinstance(value, RangeSweep) and not enumerated:
        return SweptKey(_range(key, value, is_log, override.input_line), override.get_key_element())
    texts = list(override.sweep_string_iterator())
    choices = [_scalar(each) for each in override.sweep_iterator()]
    if any(isinstance(choice, float) and not math.isfinite(choice) for choice in choices):
        raise ConfigError(f"{key} is given a value that no record holds", found=override.input_line, expected="numbers")
    if len(set(texts)) != len(texts):
        raise ConfigError(f"{key} is given a value twice", found=override.input_line, expected="each value once")
    if not texts:
        raise ConfigError(f"{key} is given no value", found=override.input_line, expected="one or more")
    return SweptKey(ParameterSpace(key=key, choices=choices), override.get_key_element(), tuple(texts))


def _interval(key: str, sweep: IntervalSweep, said: str | None) -> ParameterSpace:
    low, high, is_log = sweep.start, sweep.end, _is_log(key, sweep, said)
    assert low is not None and high is not None
    if not (math.isfinite(low) and math.isfinite(high) and low < high) or (is_log and low <= 0):
        raise ConfigError(
            f"{key} has no such interval",
            found=said,
            expected="interval(low, high) with low below high, and above 0 for tag(log, …)",
        )
    is_integer = isinstance(low, int) and isinstance(high, int)
    return ParameterSpace(key=key, low=float(low), high=float(high), is_integer=is_integer, is_log=is_log)


def _range(key: str, sweep: RangeSweep, is_log: bool, said: str | None) -> ParameterSpace:
    values = sorted(sweep.range())
    if not values or is_log:
        raise ConfigError(
            f"{key} has no such range", found=said, expected="range(from, to, step) with a value in it, and no tag"
        )
    return ParameterSpace(
        key=key,
        low=float(values[0]),
        high=float(values[-1]),
        is_integer=all(isinstance(value, int) for value in values),
        step=float(abs(sweep.step)),
    )


def _is_log(key: str, sweep: Any, said: str | None) -> bool:
    unknown = sorted(sweep.tags - {"log"}) if hasattr(sweep, "tags") else []
    if unknown:
        raise ConfigError(f"{key} has a tag that means nothing here", found=said, expected="tag(log, interval(…))")
    return "log" in getattr(sweep, "tags", ())


def _scalar(value: Any) -> Parameter:
    if isinstance(value, QuotedString):
        return value.text
    if value is None or isinstance(value, str | int | float | bool):
        return value
    # Lists and mappings are known by how they are said.
    return Override._get_value_element_as_str(value)
