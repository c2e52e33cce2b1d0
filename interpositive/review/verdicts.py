"""Who is best at what: comparisons of the chosen method with the baselines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from interpositive.records.measures import Measures, MetricInfo, ShotMeasures

# What an evaluation calls whichever method was chosen on a shot.
CHOSEN = "chosen"
# What an evaluation of finished pictures calls what it judged, and what it judged it against.
RESULT, AGAINST = "result", "against"


@dataclass(frozen=True)
class Mean:
    """A metric's mean over the shots where it was measured; ``value`` is None where it was on none."""

    value: float | None
    num_shots: int


def chosen_of(shot: ShotMeasures) -> str:
    """The method that a shot is about: the one chosen, or the result where nothing was to choose."""
    return shot.chosen_method or (RESULT if RESULT in shot.values else "")


def was_a_choice(shot: ShotMeasures) -> bool:
    """Whether somebody chose among methods; a finished result was only judged."""
    return shot.chosen_method not in ("", RESULT)


def method_label(method: str) -> str:
    """A method's name as a heading."""
    return method.capitalize() if method in (RESULT, AGAINST) else method


def methods_of(shot: ShotMeasures) -> list[str]:
    """Methods with values on a shot, the chosen one first, baselines in the order they were measured.

    An evaluation also keeps the chosen method's values as ``"chosen"``, which
    says nothing more of a single shot.
    """
    names = [name for name in shot.values if name != CHOSEN or shot.chosen_method not in shot.values]
    return sorted(names, key=lambda name: name != chosen_of(shot))


def best_methods(values: Mapping[str, float | None], direction: str) -> set[str]:
    """Methods that share the best value; none when fewer than two were measured, all are level, or none is better."""
    measured = {name: value for name, value in values.items() if value is not None}
    if len(measured) < 2 or len(set(measured.values())) == 1 or direction not in ("higher", "lower"):
        return set()
    best = max(measured.values()) if direction == "higher" else min(measured.values())
    return {name for name, value in measured.items() if value == best}


def metric_values(shot: ShotMeasures, metric: str) -> dict[str, float | None]:
    """One metric of every method on a shot, None where it was not measured."""
    return {method: shot.values[method].get(metric) for method in methods_of(shot)}


def mean_values(shots: Sequence[ShotMeasures], metric: str) -> dict[str, Mean]:
    """One metric's mean over shots, for every method; ``"chosen"`` takes each shot's own choice."""
    methods: dict[str, None] = {}
    for shot in shots:
        methods.update(dict.fromkeys(sorted(shot.values, key=lambda name: name != CHOSEN)))
    means = {}
    for method in methods:
        found = [value for shot in shots if (value := shot.values.get(method, {}).get(metric)) is not None]
        means[method] = Mean(sum(found) / len(found) if found else None, len(found))
    return means


def best_means(means: Mapping[str, Mean], direction: str) -> set[str]:
    """Methods with the best mean; none unless every measured method was measured on as many shots."""
    measured = {mean.num_shots for mean in means.values() if mean.num_shots}
    if len(measured) != 1:
        return set()
    return best_methods({name: mean.value for name, mean in means.items()}, direction)


def standing(shot: ShotMeasures, metrics: Iterable[MetricInfo]) -> str:
    """One sentence on how the chosen method, or the judged result, stands against the others on a shot."""
    chosen, chose = chosen_of(shot), was_a_choice(shot)
    led, level, beaten = [], [], []
    for metric in metrics:
        values = metric_values(shot, metric.name)
        if values.get(chosen) is None or sum(value is not None for value in values.values()) < 2:
            continue
        best = best_methods(values, metric.direction)
        if not best and metric.direction in ("higher", "lower"):
            level.append(metric.name)
        elif chosen in best:
            led.append(metric.name)
        elif best:
            beaten.append(f"{metric.name} ({', '.join(sorted(best))})" if chose else metric.name)
    if not led and not beaten and not level:
        return "Nothing was measured against a baseline." if chose else "Nothing was judged beside the result."
    parts = []
    if led:
        parts.append(("best in " if chose else "better in ") + ", ".join(led))
    if beaten:
        parts.append("behind in " + ", ".join(beaten))
    if level:
        parts.append(("level with all others in " if chose else "level in ") + ", ".join(level))
    if not chose:
        return f"Beside what it was judged against, the result is {'; '.join(parts)}."
    return f"Against the other methods, {chosen} is {'; '.join(parts)}."


def reasons(measures: Measures, shot: ShotMeasures | None, metric: str) -> list[str]:
    """Notes and comments that say why a metric is absent.

    They name it, or what its name begins with (``psnr`` of ``psnr_hole``), or
    speak of all metrics of its kind ("hole metrics" of ``psnr_hole``).
    """
    spoken = [*(shot.comments if shot else []), *measures.notes]
    name = metric.lower()
    return [note for note in dict.fromkeys(spoken) if _speaks_of(note.lower(), name)]


def _speaks_of(note: str, metric: str) -> bool:
    named = any(f"{metric}_".startswith(f"{word}_") for word in re.findall(r"[a-z0-9_]{3,}", note))
    return named or any(word in metric.split("_") for word in re.findall(r"([a-z0-9]+) metrics\b", note))


def short_number(value: float) -> str:
    """A number with four significant digits, and no exponent from 0.0001 to a million."""
    if value == 0:
        return "0"
    if 1e-4 <= abs(value) < 1e6:
        digits = max(0, 3 - _exponent(value))
        return f"{value:,.{digits}f}"
    return f"{value:.3g}"


def alike(*values: float, signed: bool = False, figures: int = 4) -> list[str]:
    """Numbers that are read together, all with as many decimals as the largest needs for so many figures."""
    largest = max(map(abs, values))
    if largest == 0:
        return ["0"] * len(values)
    sign = "+" if signed else ""
    if not 1e-4 <= largest < 1e6:
        shown = [f"{value:{sign}.{figures - 1}g}" for value in values]
    else:
        digits = max(0, figures - 1 - _exponent(largest))
        shown = [f"{value:{sign},.{digits}f}" for value in values]
    return [_plain_zero(text).replace("-", "\N{MINUS SIGN}") for text in shown]


def _plain_zero(text: str) -> str:
    return text.lstrip("+-") if not text.strip("+-0.,") else text


def _exponent(value: float) -> int:
    return int(f"{abs(value):e}".split("e")[1])
