from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from interpositive.errors import RunFolderError
from interpositive.review.elements import json_block
from interpositive.review.page import write_review
from interpositive.review.pictures import embed_shot
from interpositive.review.shot_payload import seats, shot_curves, shot_payload, strip_words
from interpositive.review.subjects import files_in_short, read_subject

Build = Callable[..., Path]
HOSTILE = "</script><script>alert(1)</script>"


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", re.sub(r"<(style|script).*?</\1>", " ", page, flags=re.DOTALL)))


def test_page_says_what_was_judged_against_what(make_evaluation: Build) -> None:
    folder = make_evaluation(num_shots=2)
    path = write_review(folder)
    assert path == folder / "review.html"
    text = text_of(path.read_text())
    for expected in (
        "Evaluation of finished pictures",
        "X010: second version against the first",
        "against.mov",
        "X010 — look first at",
        "Beside what it was judged against, the result is better in psnr_hole",
        "Measure Mean difference 95 % interval",
        "Differences in the 6 measures to look at first: result − against",
        "The files lie outside this folder and were not read again for this page",
        "/show/X020/reference.mov",
        "metric psnr ceiling_db=100.0",
        "the result is rescaled for nobody",
    ):
        assert expected in text, expected
    assert "method chosen" not in text
    assert "(chosen)" not in text
    record = read_subject(folder).evaluation
    assert record is not None
    assert all(file.sha256 in text for shot in record.shots for file in shot.files)


@pytest.mark.parametrize(
    ("roles", "seated", "words"),
    [
        (("result",), ("result", None, None), "result"),
        (("result", "target"), ("result", "target", "target"), "clean, result, result − clean ×8"),
        (("against", "result", "target"), ("result", "against", "target"), "against, result, result − clean ×8"),
        (("matte", "plate", "result"), ("result", "plate", "plate"), "plate, result, result − plate ×8"),
    ],
)
def test_player_and_strip_work_with_what_is_there(
    make_evaluation: Build, roles: tuple[str, ...], seated: tuple[str | None, ...], words: str
) -> None:
    subject = read_subject(make_evaluation(roles))
    shot = subject.measures.shots[0]
    pictures = embed_shot(subject, shot, 10_000_000)
    found = seats(pictures)
    assert (found.result, found.before, found.other) == seated
    assert strip_words(pictures) == words
    payload = shot_payload(subject, shot, pictures, shot_curves(subject, shot))
    assert payload["seats"] == {
        place: None if role is None else [track["role"] for track in payload["tracks"]].index(role)  # type: ignore[attr-defined]
        for place, role in zip(("result", "before", "other"), seated, strict=True)
    }


def test_one_shot_alone_reads_naturally(make_evaluation: Build) -> None:
    text = text_of(write_review(make_evaluation(("result",), methods=("result",))).read_text())
    assert "Nothing was judged beside the result." in text
    assert "no interval and no settled difference can be given from fewer than two shots" in text
    assert "drawn from the plate" not in text
    assert "All shots together" not in text


def test_a_shot_without_movies_names_its_worst_frames(make_evaluation: Build) -> None:
    page = write_review(make_evaluation(())).read_text()
    assert "No pictures were recorded for this shot. Its worst frames are 1004, 1002." in page


def test_curves_have_their_own_meaning_and_the_first_are_open(make_evaluation: Build) -> None:
    page = write_review(make_evaluation()).read_text()
    block = re.search(r'<script type="application/json" id="shot-data-0">(.*?)</script>', page)
    assert block
    curves = json.loads(block[1])["curves"]
    assert [curve["name"] for curve in curves if curve["shown"]] == [
        "e_warp_rel_dis_hole",
        "local_flicker_dis_hole",
        "psnr_hole",
        "ssim_hole",
        "delta_e00",
        "untouched_changed",
    ]
    assert len(curves) == 12
    assert {curve["group"] for curve in curves} >= {"Fidelity", "Steadiness over time"}
    assert all(curve["meaning"].startswith(f"What {curve['name']} says") for curve in curves)
    luma = next(curve for curve in curves if curve["name"] == "luma")
    assert luma["direction"] == "", "neither is better"


def test_absent_numbers_are_told_of_together(make_evaluation: Build) -> None:
    folder = make_evaluation()
    path = folder / "measures.json"
    told = json.loads(path.read_text())
    for values in told["shots"][0]["values"].values():
        values.update({"psnr_hole": None, "ssim_hole": None})
    told["notes"] = ["hole metrics not measured: there is no mask"]
    path.write_text(json.dumps(told))
    text = text_of(write_review(folder).read_text())
    assert "psnr_hole, ssim_hole were not measured: there is no mask" in text


def test_hostile_words_stay_text(make_evaluation: Build, told: SimpleNamespace) -> None:
    page = write_review(make_evaluation(title=HOSTILE, machine=HOSTILE)).read_text()
    assert HOSTILE not in page
    assert page.count("&lt;/script&gt;&lt;script&gt;alert(1)") >= 3


def test_same_evaluation_gives_the_same_page(make_evaluation: Build) -> None:
    folder = make_evaluation(num_shots=2)
    first = write_review(folder).read_bytes()
    assert write_review(folder).read_bytes() == first


def test_an_evaluation_without_measures_is_refused(make_evaluation: Build) -> None:
    folder = make_evaluation()
    (folder / "measures.json").unlink()
    with pytest.raises(RunFolderError, match="no measures"):
        write_review(folder)


def test_long_curves_leave_less_room_for_pictures(make_evaluation: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_evaluation()
    roomy = len(write_review(folder).read_bytes())
    subject = read_subject(folder)
    curves = [shot_curves(subject, shot) for shot in subject.measures.shots]
    room = len(json_block("curves", curves)) + 30_000
    monkeypatch.setattr("interpositive.review.page.PICTURE_AND_CURVE_BUDGET_BYTES", room)
    assert len(write_review(folder).read_bytes()) < roomy - 30_000


def test_curves_without_a_number_are_left_out(make_evaluation: Build) -> None:
    folder = make_evaluation()
    path = folder / "measures.json"
    told = json.loads(path.read_text())
    for curves in told["shots"][0]["curves"].values():
        curves["psnr_hole"] = [None] * 6
    path.write_text(json.dumps(told))
    subject = read_subject(folder)
    names = [curve["name"] for curve in shot_curves(subject, subject.measures.shots[0])]
    assert "psnr_hole" not in names
    assert "psnr" in names


def test_files_of_many_shots_are_told_by_their_folder() -> None:
    paths = [Path(f"/show/v002/X{n}.mov") for n in range(5)]
    assert files_in_short(paths) == "v002: 5 files"
    assert files_in_short([*paths, Path("/elsewhere/X9.mov")]) == "6 files"
    assert files_in_short(paths[:2]) == "X0.mov, X1.mov"
