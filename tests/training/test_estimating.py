"""What an estimate is multiplied by is what a run does, and what is measured is a step as it is taken."""

from __future__ import annotations

import pytest

from interpositive.training.estimating import num_saves, num_validations
from interpositive.training.settings import TrainSettings
from interpositive.training.trying_steps import TriedSteps


@pytest.mark.parametrize(
    ("last", "validate", "checkpoint", "judge"), [(40, 20, 10, 15), (7, 3, 100, 100), (12, 12, 5, 4), (1, 5, 5, 5)]
)
def test_validations_and_saves_are_those_of_a_run(last: int, validate: int, checkpoint: int, judge: int) -> None:
    settings = TrainSettings(max_steps=last, validate_every=validate, checkpoint_every=checkpoint, judge_every=judge)
    steps = range(1, last + 1)
    assert num_validations(settings) == sum(step % validate == 0 or step == last for step in steps)
    saved = [step for step in steps if step % checkpoint == 0 or step % judge == 0 or step == last]
    assert num_saves(settings) == len(saved)


def test_workers_read_while_a_step_is_taken() -> None:
    tried = TriedSteps([1.0, 2.0, 9.0, 3.0], [4.0, 4.0, 5.0, 4.0], saving=0.0, closing=0.0, held_out=0.0)
    assert tried.step_seconds(0) == 7.0
    assert tried.step_seconds(1) == 4.0 and tried.step_seconds(1, 0.75) == 9.0
    assert tried.step_seconds(3, 0.75) == 5.0
