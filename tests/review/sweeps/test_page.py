"""What the page of a sweep says, of sweeps that went well, badly or not yet to their end."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from interpositive.errors import RunFolderError, StorageError
from interpositive.records.held_out_course import HELD_OUT_COURSE_NAME
from interpositive.records.sweep_record import Objective, trial_folder
from interpositive.review.kinds import kind_of
from interpositive.review.page import write_review
from interpositive.review.sweeps.drawing import told_apart
from interpositive.review.sweeps.pictures import trials_sheet
from interpositive.review.sweeps.screen import sweep_screen
from interpositive.review.sweeps.subject import read_sweep

Build = Callable[..., Path]
PSNR = Objective(name="held_out/psnr_hole/trained", direction="maximize")
COST = Objective(name="seconds_training", direction="minimize")
FLICKER = Objective(name="held_out/flicker_score/trained", direction="minimize")
HOSTILE = '</script><img src=x onerror="alert(2)">"\'&'


class Reader(HTMLParser):
    """Tags with their attributes, and the words outside scripts and styles."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._inside = ""
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag if tag in ("script", "style") else ""

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        self.text += "" if self._inside else data

    def of(self, tag: str, class_: str = "") -> list[dict[str, str | None]]:
        return [held for name, held in self.tags if name == tag and class_ in (held.get("class") or "")]

    def payload(self) -> Any:
        return json.loads(self.source.split('id="sweep-data">')[1].split("</script>")[0])


def test_page_says_what_was_asked_found_and_doubted(make_sweep: Build) -> None:
    folder = make_sweep(12, objectives=(PSNR,), failed=(2,), reason="trainer.learning_rate is too large\nlast: 0.2")
    path = write_review(folder)
    assert path == folder / "review.html"
    page, subject = Reader(path), read_sweep(folder)
    best = subject.figures.ranked(subject.record.objectives[0])[0]
    value = best.values[PSNR.name]
    first = subject.figures.judged[0].values[PSNR.name]
    for expected in (
        "The Long Crossing — wire removal — how much network does a wire need",
        "Which learning_rate, residual_widths, ema_decay, recursive and batch_size gives the highest psnr_hole?",
        "12: 11 finished, 1 failed",
        "dB · higher is better",
        f"trial {best.number} with psnr_hole {value:.2f} dB (learning_rate",
        f"{value - first:.3g} dB better than the first trial (on 3 of 3 held-out windows)",
        f"{value - 25.5:.2f} dB better than prior, which is not trained",
        f"lies between {value - 0.5:.2f} and {value + 0.5:.2f} dB with 95 %",
        "evaluate it on test takes before it is believed",
        "trainer.learning_rate is too large\nlast: 0.2",
        "one of [8,16,16], [16,32,32], [32,64,64]",
        "from 0.0001 to 0.01, on a log scale",
    ):
        assert expected in page.text, expected
    assert "Pareto" not in page.text
    assert "has not ended" not in page.text


def test_page_says_it_where_training_gained_nothing(make_sweep: Build) -> None:
    folder = make_sweep(3)
    assert "Nothing gained" not in Reader(write_review(folder)).text
    for number in range(3):
        path = trial_folder(folder, number) / HELD_OUT_COURSE_NAME
        assert "25.5" in path.read_text()
        path.write_text(path.read_text().replace("25.5", "99.5"))
    told = "Nothing gained by training yet: in psnr_hole no trial is better than what needs no training."
    assert told in Reader(write_review(folder)).text


def test_numbers_are_told_apart_and_large_ones_are_written_out() -> None:
    assert told_apart([21.9829, 21.9846, 21.98]) == ["21.983", "21.985", "21.98"]
    assert told_apart([11069, 15000, 18953]) == ["11,069", "15,000", "18,953"]
    assert told_apart([12000.1, 12000.2]) == ["12,000.1", "12,000.2"]


def test_every_figure_shows_every_judged_trial_and_the_same_numbers(make_sweep: Build) -> None:
    folder = make_sweep(9, objectives=(PSNR, FLICKER, COST), failed=(4,))
    page, subject = Reader(write_review(folder)), read_sweep(folder)
    numbers = {str(trial.number) for trial in subject.figures.judged}
    routes = [held["data-trial"] for held in page.of("path", "route")]
    assert sorted(routes) == sorted([*numbers, *numbers]), "once in the wide drawing and once in the narrow one"
    # Three pairs of objectives, three courses.
    assert len(page.of("circle", "trial")) == 6 * len(numbers)
    assert {held["data-trial"] for held in page.of("tr", "finished")} == numbers
    thick = {held["data-trial"] for held in page.of("path", "front")}
    assert thick == {str(number) for number in subject.figures.front}
    payload = page.payload()
    flicker = next(at for at, axis in enumerate(payload["axes"]) if axis["title"] == "flicker_score")
    held = {n: subject.figures.trial(int(n)).values[FLICKER.name] for n in numbers}
    assert payload["trials"][min(held, key=lambda n: held[n])]["heights"][flicker] == 1.0, "better is up"
    assert payload["trials"][max(held, key=lambda n: held[n])]["heights"][flicker] == 0.0


@pytest.mark.parametrize(
    ("changes", "told", "untold"),
    [
        ({"failed": (0, 1, 2)}, "There is nothing to choose from: every trial failed", "Side by side"),
        ({"asked": 8, "running": (2,)}, "6 of 8 trials are still to come", "every trial failed"),
        ({"failed": (1, 2), "previews": ()}, "Trial 0 is not shown: it left no previews.", "has not ended"),
        ({}, "3 finished trials cannot tell which parameter mattered", "has not ended"),
    ],
)
def test_sweeps_that_are_small_broken_or_unfinished(
    make_sweep: Build, changes: dict[str, Any], told: str, untold: str
) -> None:
    page = Reader(write_review(make_sweep(3, **changes)))
    assert told in page.text
    assert untold not in page.text


def test_one_trial_and_two_hundred(make_sweep: Build) -> None:
    lone = Reader(write_review(make_sweep(1, objectives=(PSNR,))))
    assert "There is no other trial to compare it with" not in lone.text, "untrained methods are there to compare"
    assert "7." in lone.text
    folder = make_sweep(200, previews=())
    path = write_review(folder)
    assert path.stat().st_size < 1_000_000
    assert len(Reader(path).of("tr", "finished")) == 200


def test_sheet_shows_the_same_frames_of_the_best(make_sweep: Build) -> None:
    folder = make_sweep(6)
    subject = read_sweep(folder)
    sheet = trials_sheet(subject)
    assert sheet.numbers == subject.figures.picks(5)
    assert [row.name for row in sheet.rows] == [
        "10A_T02_B, frame 25", "11C_T01_A, frame 61", "14B_T03_A, frame 9"
    ]  # fmt: skip
    assert [row.prior is not None for row in sheet.rows] == [True, False, False]
    page = Reader(write_review(folder))
    pictures = page.of("img")
    assert len(pictures) == 3 * (len(sheet.numbers) + 2) + 1
    assert all((held["src"] or "").startswith("data:image/jpeg;base64,") and held["alt"] for held in pictures)


def test_trials_judged_on_other_frames_are_left_out(make_sweep: Build) -> None:
    folder = make_sweep(6)
    first, other, third = read_sweep(folder).figures.picks(5)[:3]
    strip_path = trial_folder(folder, other) / "previews" / "step_000200.png"
    strip = cv2.imread(str(strip_path))
    assert strip is not None
    cv2.imwrite(str(strip_path), np.roll(strip, 40, axis=0))
    shutil.rmtree(trial_folder(folder, third) / "previews")
    sheet = trials_sheet(read_sweep(folder))
    assert sheet.left_out == {
        other: "the damaged picture of 10A_T02_B, frame 25 is another one",
        third: "it left no previews",
    }
    assert sheet.numbers[0] == first
    strip_path.write_bytes(b"no picture")
    assert "cannot be read" in trials_sheet(read_sweep(folder)).left_out[other]


def test_links_stay_in_the_folder_and_nothing_is_fetched(make_sweep: Build, tmp_path: Path) -> None:
    folder = make_sweep(3)
    (trial_folder(folder, 1) / "review.html").write_text("its own page")
    page = Reader(write_review(folder))
    links = [held["href"] for held in page.of("a")]
    assert links == ["trials/0000/", "trials/0001/", "trials/0001/review.html", "trials/0002/"]
    assert all((folder / str(link)).exists() for link in links)
    for tag, held in page.tags:
        if tag not in ("a", "link"):
            assert (held.get("src") or "data:").startswith("data:")
            assert "style" not in held and "onclick" not in held
    assert "default-src 'none'" in page.source
    assert not re.search(r"\bfetch\(|XMLHttpRequest|WebSocket|@import|url\(", page.source)
    away = Reader(write_review(folder, tmp_path / "elsewhere" / "page.html"))
    assert away.of("a") == []
    assert str(tmp_path) not in away.source + page.source
    with pytest.raises(StorageError, match="not a review page"):
        write_review(folder, folder / "sweep.json")


def test_same_sweep_gives_the_same_page(make_sweep: Build) -> None:
    folder = make_sweep(10)
    assert write_review(folder).read_bytes() == write_review(folder).read_bytes()


def test_hostile_words_stay_words(make_sweep: Build) -> None:
    folder = make_sweep(3, failed=(1,), reason=HOSTILE, record={"name": HOSTILE, "production": HOSTILE})
    page = Reader(write_review(folder))
    assert page.text.count(HOSTILE) >= 4
    assert not any("onerror" in held for _, held in page.tags)


def test_a_sweep_without_sense_is_refused(make_sweep: Build) -> None:
    folder = make_sweep(2)
    (trial_folder(folder, 1) / "trial.json").write_text((trial_folder(folder, 0) / "trial.json").read_text())
    with pytest.raises(RunFolderError, match=r"two trials of .* have one number"):
        write_review(folder)
    with pytest.raises(RunFolderError, match="nothing to judge its trials by"):
        write_review(make_sweep(1, objectives=()))


def test_a_sweep_on_one_screen(make_sweep: Build) -> None:
    folder = make_sweep(12, failed=(2,))
    assert kind_of(folder) == "sweep"
    told = " ".join(sweep_screen(read_sweep(folder)).text().split())
    assert "sweep for wire removal, production The Long Crossing, settings chosen by tpe" in told
    assert "12: 11 finished, 1 failed" in told
    assert "trial 2: CUDA out of memory" in told
    front = read_sweep(folder).figures.front
    assert f"on front trial {front[0]}: psnr_hole" in told
