"""A sweep on one screen."""

from __future__ import annotations

from interpositive.records.sweep_record import TRIALS_FOLDER
from interpositive.review.screens import Screen
from interpositive.review.sweeps import verdict as words
from interpositive.review.sweeps.subject import SweepSubject

_MOST_FRONT = 8
_MOST_FAILED = 4


def sweep_screen(subject: SweepSubject) -> Screen:
    """What was asked, how many trials ended how, what was found, and what failed."""
    record, figures = subject.record, subject.figures
    aims = [f"{objective.title} ({objective.direction})" for objective in record.objectives]
    rows = [
        ("made", record.created),
        ("what", f"sweep for {record.task}, production {record.production}, settings chosen by {record.sampler}"),
        ("varies", ", ".join(axis.name for axis in figures.parameter_axes) or "nothing"),
        ("aims", ", ".join(aims)),
        ("trials", words.counts(subject)),
    ]
    rows += [("not ended", words.state_sentence(subject))] if subject.num_missing else []
    rows += [("found", sentence) for sentence in words.verdict(subject)]
    if figures.pairs:
        rows += [("on front", words.trial_words(figures, figures.trial(n))) for n in figures.front[:_MOST_FRONT]]
    rows += [("doubt", sentence) for sentence in words.doubts(subject)]
    for trial in figures.failed[:_MOST_FAILED]:
        lines = trial.reason.splitlines() or ["no reason was recorded"]
        rows.append(("failed", f"trial {trial.number}: {lines[0]}"))
    if len(figures.failed) > _MOST_FAILED:
        rows.append(("failed", f"and {len(figures.failed) - _MOST_FAILED} more"))
    rows += [
        ("runs", f"{subject.folder / TRIALS_FOLDER}"),
        ("look at it", f"interpositive review path={subject.folder}"),
    ]
    return Screen(f"{subject.title} — {subject.folder}", rows)
