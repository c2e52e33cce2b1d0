from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from interpositive.errors import RunFolderError
from interpositive.review.drawing import axis_marks, padded
from interpositive.review.learned import course_verdict, learned_section
from interpositive.review.page import write_review

Build = Callable[..., Path]


def test_runs_without_a_course_say_nothing_of_it(make_run: Build) -> None:
    assert learned_section(None) == ""
    assert "While it learned" not in write_review(make_run(6)).read_text()


def test_section_shows_score_loss_and_flicker_with_the_kept_and_the_flagged(told: SimpleNamespace) -> None:
    section = learned_section(told.course())
    plots = re.findall(r"<h4>(\w+)<", section)
    assert plots == ["psnr_hole", "loss", "e_warp_rel_dis_hole", "local_flicker_dis_hole"]
    assert "Kept: step 1,400, chosen by psnr_hole: 28.32 dB (95 %: 27.62 to 28.92)." in section
    assert "Training ended: no gain in 3 evaluations in a row." in section
    assert "<strong>Step 1,800: </strong>flicker rose from 1.2 % to 2.5 % while the loss fell" in section
    assert section.count('class="checkpoint kept"') == 2 * len(plots), "in the plot and in its legend"
    assert section.count('<line x1="544.7" y1="16" x2="544.7" y2="166" class="doubt">') == len(plots)
    assert section.count('class="whisker"') == 3 * 10


def test_what_rises_is_drawn_higher(told: SimpleNamespace) -> None:
    section = learned_section(told.course())
    plot = section[section.index("<h4>local_flicker_dis_hole") :]
    heights = [float(y) for y in re.findall(r'<circle cx="[\d.]+" cy="([\d.]+)"[^>]*class="checkpoint', plot)[:10]]
    assert heights[-1] < heights[6] < 166, "a higher flicker is drawn higher"


@pytest.mark.parametrize("num_points", [0, 1])
def test_a_course_that_hardly_began_is_told(told: SimpleNamespace, num_points: int) -> None:
    section = learned_section(told.course(num_points, kept=0, flagged=(), windows=1))
    assert ("No checkpoint was judged." in section) == (num_points == 0)
    assert "nan" not in section
    assert "95 %" not in section, "one window has no interval"


def test_head_of_the_page_warns_most_if_the_kept_checkpoint_is_flagged(told: SimpleNamespace) -> None:
    assert course_verdict(told.course(flagged=())) is None
    assert course_verdict(told.course(flagged=(7, 8))) == (
        False,
        "2 checkpoints were flagged while it learned; the one that was kept was not.",
    )
    bad, sentence = course_verdict(told.course(flagged=(6,))) or (False, "")
    assert bad
    assert sentence.startswith("The checkpoint that was kept, step 1,400, is flagged: flicker rose")


def test_a_run_that_was_trained_and_not_evaluated_has_a_page(make_rich_run: Build) -> None:
    folder = make_rich_run(6)
    shutil.rmtree(folder / "evaluation")
    page = write_review(folder).read_text()
    assert "Trained, and not evaluated yet" in page
    assert "While it learned" in page
    (folder / "held_out.json").unlink()
    with pytest.raises(RunFolderError, match="run interpositive evaluate first"):
        write_review(folder)


def test_a_broken_course_is_refused(make_rich_run: Build) -> None:
    folder = make_rich_run(6)
    (folder / "held_out.json").write_text("{}")
    with pytest.raises(RunFolderError, match="not a held-out course"):
        write_review(folder)


def test_axes_are_marked_with_round_numbers() -> None:
    assert axis_marks(0.0, 1.0) == pytest.approx([0, 0.5, 1.0])
    assert axis_marks(24.1, 28.9) == pytest.approx([26, 28])
    assert axis_marks(2.0, 2.0) == [2.0]
    assert padded([0.0, 0.0]) == (0.0, 0.06)
    assert padded([28.0, 30.0]) == pytest.approx((27.88, 30.12))
