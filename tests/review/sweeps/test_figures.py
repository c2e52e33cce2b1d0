"""The numbers that pages and reports draw, against plain reckonings of the same."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from interpositive.records.sweep_record import Objective, ParameterSpace, SweepRecord, TrialRecord
from interpositive.review.sweeps.figures import SweepFigures, short_titles, sweep_figures
from interpositive.review.sweeps.influence import average_ranks, influences

UP = Objective(name="up", direction="maximize", title="up")
DOWN = Objective(name="down", direction="minimize", title="down")
THIRD = Objective(name="third", direction="maximize", title="third")


def figures_of(
    trials: list[TrialRecord], *objectives: Objective, space: tuple[ParameterSpace, ...] = ()
) -> SweepFigures:
    record = SweepRecord(
        name="s", created="", production="p", task="t", sampler="grid", seed=0, num_trials=len(trials),
        objectives=list(objectives), space=list(space), overrides=[],
    )  # fmt: skip
    return sweep_figures(record, trials)


def trials_with(*values: tuple[float, ...]) -> list[TrialRecord]:
    names = ("up", "down", "third")
    return [
        TrialRecord(number=n, parameters={}, state="finished", values=dict(zip(names, held, strict=False)))
        for n, held in enumerate(values)
    ]


def test_front_is_what_nobody_beats() -> None:
    draws = np.random.default_rng(3).integers(0, 6, (40, 3)).astype(float)
    trials = trials_with(*map(tuple, draws))
    figures = figures_of(trials, UP, DOWN, THIRD)
    wanted = draws * [1, -1, 1]
    unbeaten = {n for n, one in enumerate(wanted) if not any((o >= one).all() and (o > one).any() for o in wanted)}
    assert set(figures.front) == unbeaten
    assert 1 < len(unbeaten) < 40
    ups = [figures.trial(n).values["up"] for n in figures.front]
    assert ups == sorted(ups, reverse=True)
    assert [(pair.x.name, pair.y.name) for pair in figures.pairs] == list(
        itertools.combinations(("up", "down", "third"), 2)
    )
    flat = wanted[:, :2]
    of_two = {n for n, one in enumerate(flat) if not any((o >= one).all() and (o > one).any() for o in flat)}
    assert set(figures.pairs[0].numbers) == of_two


def test_level_trials_share_the_first_place_and_the_front() -> None:
    figures = figures_of(trials_with((1.0, 5.0), (3.0, 7.0), (3.0, 7.0), (2.0, 9.0)), UP, DOWN)
    assert figures.best == {"up": (1, 2), "down": (0,)}
    assert figures.front == (1, 2, 0)


def test_balanced_is_nearest_to_the_best_of_everything() -> None:
    figures = figures_of(trials_with((0.0, 0.0), (8.0, 30.0), (10.0, 100.0), (5.0, 90.0)), UP, DOWN)
    assert figures.front == (2, 1, 0)
    # Shares of the spans lost: 0.2 and 0.3 by trial 1, a whole one by each of the others.
    assert figures.balanced == 1
    assert figures.picks(5) == [2, 0, 1, 3]


def test_standing_counts_gains_towards_better() -> None:
    figures = figures_of(trials_with((1.0, 5.0), (3.0, 7.0), (2.0, 1.0)), UP, DOWN)
    lowest = figures.standing(2, DOWN)
    assert (lowest.value, lowest.first, lowest.gain_over_first, lowest.gain_over_median) == (1.0, 0, 4.0, 4.0)
    assert figures.standing(0, UP).first is None
    assert figures.history(DOWN) == [(0, 5.0, 5.0), (1, 7.0, 5.0), (2, 1.0, 1.0)]


def test_unfinished_failed_and_numberless_trials_are_kept_apart() -> None:
    trials = trials_with((1.0, 2.0), (1.0,), (1.0, math.nan))
    trials += [
        TrialRecord(number=3, parameters={}, state="failed"),
        TrialRecord(number=4, parameters={}, state="running"),
    ]
    figures = figures_of(trials, UP, DOWN)
    told = [[trial.number for trial in held] for held in (figures.judged, figures.unjudged, figures.failed)]
    assert told == [[0], [1, 2], [3]]
    assert figures.front == (0,)


def test_axes_place_values_by_their_scale() -> None:
    space = (
        ParameterSpace(key="a.rate", low=1e-4, high=1e-2, is_log=True),
        ParameterSpace(key="a.widths", choices=["small", "large", None]),
        ParameterSpace(key="b.rate", choices=[30, 4.5, 10]),
    )
    parameters = {"a.rate": 1e-3, "a.widths": None, "b.rate": 4.5}
    trial = TrialRecord(number=0, parameters=parameters, state="finished", values={"up": 2.0})
    rate, widths, other = figures_of([trial], UP, space=space).parameter_axes
    assert rate.place(1e-3) == pytest.approx(0.5)
    assert (widths.categories, widths.place("small"), widths.place(None)) == (("small", "large", "null"), 1 / 6, 5 / 6)
    assert other.categories == ("4.5", "10", "30")
    assert [axis.title for axis in (rate, widths, other)] == ["a.rate", "widths", "b.rate"]
    assert short_titles(["x", "a.x", "y.z"]) == {"x": "x", "a.x": "a.x", "y.z": "z"}


def test_influence_agrees_with_scipy_and_knows_chance() -> None:
    rng = np.random.default_rng(8)
    kinds = ["plain", "recursive", "deep"]
    trials = []
    for number in range(30):
        size, noise, kind = float(rng.integers(0, 6)), float(rng.normal()), kinds[number % 3]
        score = -2 * size + kinds.index(kind) + 0.5 * float(rng.normal())
        parameters = {"size": size, "noise": noise, "kind": kind, "still": 1}
        trials.append(TrialRecord(number=number, parameters=parameters, state="finished", values={"down": score}))
    space = (
        ParameterSpace(key="size", low=0, high=5),
        ParameterSpace(key="noise", low=-3, high=3),
        ParameterSpace(key="kind", choices=[*kinds]),
        ParameterSpace(key="still", choices=[1]),
    )
    told = {one.parameter.name: one for one in influences(figures_of(trials, DOWN, space=space))}
    scores = [-trial.values["down"] for trial in trials]
    assert np.array_equal(average_ranks(np.array(scores)), stats.rankdata(scores))
    correlation = stats.spearmanr([trial.parameters["size"] for trial in trials], scores).statistic
    assert told["size"].strength == pytest.approx(abs(correlation))
    assert (told["size"].slope, told["size"].stands_out) == (1, True)
    assert not told["noise"].stands_out
    assert told["kind"].best_value == "plain"
    ranks = stats.rankdata(scores)
    groups = [ranks[[trial.parameters["kind"] == kind for trial in trials]] for kind in kinds]
    between = sum(len(group) * (group.mean() - ranks.mean()) ** 2 for group in groups)
    assert told["kind"].strength == pytest.approx(math.sqrt(between / ((ranks - ranks.mean()) ** 2).sum()))
    assert "still" not in told
    # Spearman's 95 % point for 30 pairs without a tie is 0.362.
    assert told["noise"].chance == pytest.approx(0.362, abs=0.04)
    assert influences(figures_of(trials[:7], DOWN, space=space)) == []
