"""Numbers that a configuration may give: whole or not, and between which ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite

from interpositive.errors import ConfigError

Bounds = Mapping[str, tuple[float, float]]


def refuse_outside(bounds: Bounds, values: Mapping[str, object], where: str) -> None:
    """Raise ``ConfigError`` naming the first value that is no number, not finite, or outside its ends.

    Ends that are whole numbers ask for whole numbers. A list must hold such numbers alone; None is never looked at.
    """
    for name, (low, high) in bounds.items():
        for number in _numbers(values[name]):
            whole = isinstance(low, int) and isinstance(high, int)
            fits = isinstance(number, int if whole else int | float) and not isinstance(number, bool)
            if not fits or not isfinite(number) or not low <= number <= high:  # type: ignore[arg-type,operator]
                kind = "a whole number" if whole else "a number"
                raise ConfigError(
                    f"{where}.{name} is not {kind} that can be used",
                    found=ascii(values[name])[:200],
                    expected=f"{kind} from {low} to {high}",
                )


def _numbers(value: object) -> Iterator[object]:
    if isinstance(value, list | tuple):
        yield from value
    elif value is not None:
        yield value
