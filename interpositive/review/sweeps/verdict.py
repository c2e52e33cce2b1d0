"""What a sweep found, in sentences: the best trials, by how much, and every reason for doubt."""

from __future__ import annotations

from collections.abc import Sequence

from interpositive.records.sweep_record import Objective, TrialRecord
from interpositive.review.sweeps.figures import SweepFigures, parameter_words, sign_of
from interpositive.review.sweeps.subject import SweepSubject
from interpositive.review.verdicts import alike, short_number

_FEW_TRIALS = 8


def counts(subject: SweepSubject) -> str:
    """How many trials were asked for, and how many ended how."""
    figures = subject.figures
    parts = [(len(figures.judged) + len(figures.unjudged), "finished"), (len(figures.failed), "failed")]
    parts += [(subject.num_missing, "to come")] if subject.num_missing else []
    return f"{subject.record.num_trials}: " + ", ".join(f"{number} {state}" for number, state in parts)


def state_sentence(subject: SweepSubject) -> str:
    """Why the page is not the last word, empty once every trial has ended."""
    if not subject.num_missing:
        return ""
    return (
        f"This sweep has not ended: {subject.num_missing} of {subject.record.num_trials} trials are still to come. "
        "It is running or was stopped, and the same command goes on with it."
    )


def verdict(subject: SweepSubject) -> list[str]:
    """What was found, a sentence or two for each objective; says so if nothing was."""
    figures = subject.figures
    if not figures.judged:
        why = "every trial failed; the reasons are below" if figures.failed else "no trial has finished"
        return [f"There is nothing to choose from: {why}."]
    told = [sentence] if (sentence := _nothing_gained(subject)) else []
    if len(figures.objectives) == 1:
        objective = figures.objectives[0]
        told += [_best_sentence(subject, objective, "Best"), _compared(subject, objective)]
        return [sentence for sentence in told if sentence]
    told.append(_front_sentence(figures))
    for objective in figures.objectives:
        how = "Highest" if objective.direction == "maximize" else "Lowest"
        best = _best_sentence(subject, objective, f"{how} {objective.title}")
        told.append(f"{best} {_compared(subject, objective)}".rstrip())
    if figures.balanced is not None:
        trial = figures.trial(figures.balanced)
        values = ", ".join(objective_words(objective, trial) for objective in figures.objectives)
        told.append(
            f"Between them: trial {trial.number} is nearest to the best of everything, each objective's span on the "
            f"front counting alike: {values}, with {setting(figures, trial)}."
        )
    return told


def doubts(subject: SweepSubject) -> list[str]:
    """Why the best may not be the best."""
    figures, record = subject.figures, subject.record
    if not figures.judged:
        return []
    num = len(figures.judged)
    told = []
    if any(space.key == "seed" for space in record.space):
        told.append("The seed was varied too: part of what differs between trials is chance.")
    else:
        told.append(
            "Each setting was trained once, from one seed: how far another seed would move a trial is not known, so "
            "small differences may be chance."
        )
    if num > 1:
        told.append(
            f"The best of {num} was chosen by the very numbers shown here, and flatters itself: evaluate it on test "
            "takes before it is believed."
        )
    if num < _FEW_TRIALS:
        told.append(f"{num} finished {'trial is' if num == 1 else 'trials are'} few to learn from.")
    told += [sentence for objective in figures.objectives if (sentence := _held_out_doubt(subject, objective))]
    return told


def setting(figures: SweepFigures, trial: TrialRecord) -> str:
    """A trial's parameters in short."""
    held = [(axis.title, trial.parameters.get(axis.name)) for axis in figures.parameter_axes]
    return ", ".join(f"{title} {parameter_words(value)}" for title, value in held) or "nothing varied"


def value_words(objective: Objective, value: float) -> str:
    """A number of an objective with its unit."""
    return f"{short_number(value)} {objective.unit}".strip()


def objective_words(objective: Objective, trial: TrialRecord) -> str:
    """An objective's title with a trial's number."""
    return f"{objective.title} {value_words(objective, trial.values[objective.name])}"


def trial_words(figures: SweepFigures, trial: TrialRecord) -> str:
    """A trial in one line: its number, its objectives, its parameters."""
    values = ", ".join(objective_words(objective, trial) for objective in figures.objectives)
    return f"trial {trial.number}: {values}; {setting(figures, trial)}"


def trials_words(numbers: Sequence[int]) -> str:
    """Trials by number: ``trial 3``, ``trials 3, 5 and 8``."""
    if len(numbers) == 1:
        return f"trial {numbers[0]}"
    return f"trials {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


def _best_sentence(subject: SweepSubject, objective: Objective, how: str) -> str:
    figures = subject.figures
    best = figures.best[objective.name]
    trial = figures.trial(best[0])
    value = value_words(objective, trial.values[objective.name])
    of = f" of {len(figures.judged)}" if len(figures.objectives) == 1 and len(figures.judged) > 1 else ""
    if len(best) > 1:
        return f"{how}{of}: {trials_words(best)}, level at {value}."
    name = f"{objective.title} " if len(figures.objectives) == 1 else ""
    return f"{how}{of}: trial {trial.number} with {name}{value} ({setting(figures, trial)})."


def _nothing_gained(subject: SweepSubject) -> str:
    """In which objectives no trial is better than what needs no training; empty where one always is."""
    lost = []
    for objective in subject.figures.objectives:
        number, sign = subject.figures.best[objective.name][0], sign_of(objective)
        value = subject.figures.trial(number).values[objective.name]
        if any(sign * other >= sign * value for other in subject.untrained(objective, number).values()):
            lost.append(objective.title)
    if not lost:
        return ""
    return f"Nothing gained by training yet: in {' and '.join(lost)} no trial is better than what needs no training."


def _compared(subject: SweepSubject, objective: Objective) -> str:
    """How the best stands to the next, the first and the median trial, and to what needs no training."""
    figures = subject.figures
    number = figures.best[objective.name][0]
    standing, ranked = figures.standing(number, objective), figures.ranked(objective)
    parts = []
    if len(figures.best[objective.name]) < len(ranked):
        following = ranked[len(figures.best[objective.name])]
        ahead = sign_of(objective) * (standing.value - following.values[objective.name])
        if following.number != standing.first:
            parts.append(f"{_gain(objective, ahead)} than the next, trial {following.number}")
    if standing.first is not None:
        windows = _windows_won(subject, objective, number, standing.first)
        first = "the first trial" if standing.first == 0 else f"the first that finished, trial {standing.first}"
        parts.append(f"{_gain(objective, standing.gain_over_first)} than {first}{windows}")
    if len(figures.judged) > 2:
        parts.append(f"{_gain(objective, standing.gain_over_median)} than the median trial")
    sign = sign_of(objective)
    others = subject.untrained(objective, number)
    if others:
        method = max(others, key=lambda name: sign * others[name])
        parts.append(
            f"{_gain(objective, sign * (standing.value - others[method]))} than {method}, which is not trained"
        )
    return f"That is {'; '.join(parts)}." if parts else ""


def _gain(objective: Objective, gain: float) -> str:
    if gain == 0:
        return "no better"
    return f"{alike(abs(gain), figures=3)[0]} {objective.unit}".strip() + (" better" if gain > 0 else " worse")


def _windows_won(subject: SweepSubject, objective: Objective, number: int, other: int) -> str:
    """On how many held-out windows a trial beats another, where both were judged on the same."""
    mine, theirs = subject.by_window(objective, number), subject.by_window(objective, other)
    if not mine or set(mine) != set(theirs):
        return ""
    won = sum(sign_of(objective) * (mine[window] - theirs[window]) > 0 for window in mine)
    return f" (on {won} of {len(mine)} held-out windows)"


def _front_sentence(figures: SweepFigures) -> str:
    num, front = len(figures.judged), figures.front
    if len(front) == 1:
        if num == 1:
            return "One trial finished."
        return f"Trial {front[0]} is at least as good as every other in everything, and better in something."
    names = " and ".join(objective.title for objective in figures.objectives)
    members = trials_words(sorted(front)).capitalize()
    return (
        f"No single trial is best in everything. {members} make up the Pareto front of {num}: whoever "
        f"wants more of one of {names} than they have pays with another."
    )


def _held_out_doubt(subject: SweepSubject, objective: Objective) -> str:
    """How wide the best trial's own interval is, and how many others it holds."""
    figures = subject.figures
    number = figures.best[objective.name][0]
    course = subject.courses.get(number)
    if course is None or course.kept_step is None or objective.name != f"held_out/{course.score}/{course.method}":
        return ""
    low, high = course.kept.score_low, course.kept.score_high
    if low is None or high is None:
        return f"{objective.title} comes from one held-out window."
    inside = sum(low <= trial.values[objective.name] <= high for trial in figures.judged if trial.number != number)
    ends = alike(low, high)
    told = (
        f"Over {len(course.windows)} held-out windows trial {number}'s mean {objective.title} lies between {ends[0]} "
        f"and {ends[1]} {objective.unit}".rstrip()
        + " with 95 %"
    )
    others = f"{inside} other {'trial lies' if inside == 1 else 'trials lie'} within that" if inside else ""
    return f"{told}; {others}." if others else f"{told}."
