"""What the screens say, without opening a file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from interpositive.dailies.take import Take, take_from_info
from interpositive.media.contract import ColourTags, MediaInfo
from interpositive.records.camera_data import CameraFrames, CameraSettings, TakeCameraData
from interpositive.records.slates import Slate
from interpositive.review.contact_sheet import as_coded, evenly_spaced, fitted
from interpositive.review.looking import Look, _seen
from interpositive.review.screens import Screen, captions, footage_screen

RATE = Fraction(30000, 1001)


def info(start: str | None = "23:59:59;28", num_frames: int = 4, encoding: str = "") -> MediaInfo:
    tags = ColourTags("bt709", "limited", "bt709", "bt709", "rule")
    return MediaInfo(
        *(Path("a.mov"), "movie", num_frames, RATE, 1920, 1080, "prores", "yuv422p10le", 10, tags, start),
        encoding=encoding,
    )


def take(found: MediaInfo, **more: object) -> Take:
    made = take_from_info(found, "12A_01", Path("/dailies/a.mov"), "aa", Slate(scene="12A", take="1"))
    return made.model_copy(update=more)


def rows(found: MediaInfo, known: Take | None = None, sha256: str = "", camera: TakeCameraData | None = None) -> str:
    return " ".join(footage_screen(Path("a.mov"), Look(found, {}, sha256), known, camera).text().split())


def test_timecode_runs_over_midnight_and_keeps_dropping() -> None:
    assert "23:59:59;28 to 00:00:00;01" in rows(info())
    assert captions(info(), [0, 3], None) == ["23:59:59;28   0", "00:00:00;01   3"]
    assert "no timecode" in rows(info(None)) and captions(info(None), [7], None) == ["frame 7"]


def test_what_is_not_known_is_said() -> None:
    assert "not known: name it" in rows(info()) and "by rule" in rows(info())
    named = take(info(), encoding="arri_logc3", encoding_source="named", reel="A001", split="train")
    said = rows(info(), named)
    assert "arri_logc3 (named)" in said and "reel A001" in said and "split train" in said


def test_a_change_since_ingest_is_shouted() -> None:
    assert "aa, as ingested" in rows(info(), take(info()), "aa")
    assert "CHANGED since it was ingested: sha256 bb, was aa" in rows(info(), take(info()), "bb")
    assert "not checked now" in rows(info(), take(info()), "")


def test_camera_data_are_spans_over_the_frames() -> None:
    camera = TakeCameraData(
        take="12A_01",
        start_frame=0,
        rate="30000/1001",
        num_frames=4,
        reports={"a.csv": ""},
        families=("ARRI Meta Extract",),
        settings=CameraSettings(make="ARRI", curve="LOG-C", exposure_index=400),
        frames=CameraFrames(focal_length_mm=(40.0,) * 4, focus_distance_m=(1.5, 2.0, float("inf"), None)),
        joined_by="timecode",
        num_covered=3,
        as_written={},
        notes=("1 of 4 frames are not in the report",),
    )
    said = rows(info(), take(info()), camera=camera)
    assert "3 of 4 by timecode: focal_length_mm 40, focus_distance_m 1.5 to inf" in said
    assert "EI 400" in said and "LOG-C" in said and "1 of 4 frames are not in the report" in said
    assert TakeCameraData.model_validate_json(camera.model_dump_json(exclude_none=True)) == camera


def test_long_rows_are_wrapped_and_cut() -> None:
    text = Screen("x" * 300, [("words", "word " * 400), ("short", "one")]).text()
    assert max(map(len, text.splitlines())) <= 100 and " …" in text
    assert text.splitlines()[-1].strip() == "short         one"


@pytest.mark.parametrize(
    ("num_frames", "most", "first_and_last"), [(100, 12, (0, 99)), (5, 12, (0, 4)), (9, 1, (4, 4))]
)
def test_frames_are_spread_from_first_to_last(num_frames: int, most: int, first_and_last: tuple[int, int]) -> None:
    numbers = evenly_spaced(num_frames, most)
    assert (numbers[0], numbers[-1]) == first_and_last and len(set(numbers)) == min(num_frames, most)
    assert np.ptp(np.diff(numbers)) <= 1 if len(numbers) > 1 else True


def test_codes_stay_codes_until_somebody_names_them() -> None:
    grey = np.full((90, 640, 3), 25_700, np.uint16)
    assert as_coded(grey).max() == as_coded(grey).min() == 100 and fitted(as_coded(grey)).shape == (45, 320, 3)
    assert _seen(grey, "")[0, 0].tolist() == [100, 100, 100]
    linear, display = _seen(grey, "acescg")[0, 0], _seen(grey, "rec709_display")[0, 0]
    assert display.tolist() == [100, 100, 100] and linear.min() > 125, "light needs a view, a finished picture none"
    strange = np.array([[[np.nan, np.inf, -1.0]]], np.float32)
    assert as_coded(strange).tolist() == [[[0, 255, 0]]]
