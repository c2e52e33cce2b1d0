"""Slates from names and from slates.csv."""

from __future__ import annotations

from pathlib import Path

import pytest

from interpositive.dailies.slate_rules import SlateRules, read_slate_sheet
from interpositive.dailies.splitting import setup_of
from interpositive.errors import ConfigError
from interpositive.records.slates import Slate


@pytest.mark.parametrize(
    ("name", "slate"),
    [
        ("12A_T01_A_R03.mov", ("12A", "01", "A", "03")),
        ("12A_T1.mov", ("12A", "1", "", "")),
        ("101_12A_T02_B.mxf", ("101_12A", "02", "B", "")),
        ("12A-T10-C.mov", ("12A", "10", "C", "")),
        ("A003C012_240131_R1AB.mov", ("", "012", "A", "A003")),
        ("B004_C007.mov", ("", "007", "B", "B004")),
        ("scene12_take3_camB.mov", ("12", "3", "B", "")),
        ("sc7B_tk12.mov", ("7B", "12", "", "")),
        ("42A-3-B.mov", ("42A", "3", "B", "")),
    ],
)
def test_default_rules_read_the_usual_names(name: str, slate: tuple[str, ...]) -> None:
    found = SlateRules().read(Path("/dailies") / name)
    assert found == Slate(**dict(zip(("scene", "take", "camera", "roll"), slate, strict=True)))


@pytest.mark.parametrize("name", ["gopro_hero7.mp4", "lp_face_d18.mp4", "Test_final_v2.mov", "2024-05-17.mov"])
def test_plain_names_are_their_own_scene(name: str) -> None:
    assert SlateRules().read(Path(name)) is None
    assert SlateRules().slate_for(Path(name)) == Slate(scene=Path(name).stem, take="1")


def test_rules_are_tried_in_order() -> None:
    rules = SlateRules([r"^(?P<scene>\d+)$", r"^(?P<scene>\w)(?P<take>\d+)$"])
    assert rules.read(Path("77.mov")) == Slate(scene="77")
    assert rules.read(Path("x5.mov")) == Slate(scene="x", take="5")


@pytest.mark.parametrize("pattern", ["(", r"^\d+$", r"(?P<shot>\d+)"])
def test_useless_rules_are_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match="slate rule"):
        SlateRules([pattern])


def test_sheet_keeps_good_rows_and_numbers_bad_ones(tmp_path: Path) -> None:
    sheet_path = tmp_path / "slates.csv"
    sheet_path.write_text(
        "\ufefffile,scene,take,camera,roll\n"
        "a.mov,12A,1,A,R1\n"
        "\n"
        "b.mov,12A\n"
        "c.mov,,2,A,\n"
        "../d.mov,1,1,,\n"
        "a.mov,13,1,,\n"
        ",1,1,,\n"
        "day 2/e.mov, 14 ,3,,\n"
    )
    sheet = read_slate_sheet(sheet_path)
    assert sheet.slates == {
        tmp_path / "a.mov": Slate(scene="12A", take="1", camera="A", roll="R1"),
        tmp_path / "day 2/e.mov": Slate(scene="14", take="3"),
    }
    assert [line for line, _ in sheet.refused] == [4, 5, 6, 7, 8]
    assert "line 2" in dict(sheet.refused)[7]


def test_columns_may_be_called_as_other_programs_do(tmp_path: Path) -> None:
    path = tmp_path / "slates.csv"
    path.write_text("Clip Name,Scene,Take,Cam,Camera Roll,Start TC\na.mov,12A,1,A,R1,10:00:00:00\n")
    marks = read_slate_sheet(path).marks[tmp_path / "a.mov"]
    assert marks.slate == Slate(scene="12A", take="1", camera="A", roll="R1")
    assert marks.start_timecode == "10:00:00:00"
    path.write_text("file,clip,scene,take\na.mov,a,1,1\n")
    assert read_slate_sheet(path).refused, "two columns for one thing"


def test_sheet_with_a_strange_header_is_refused_whole(tmp_path: Path) -> None:
    path = tmp_path / "slates.csv"
    path.write_text("name;scene\nx;1\n")
    sheet = read_slate_sheet(path)
    assert not sheet.slates and [line for line, _ in sheet.refused] == [1]


def test_a_cell_without_end_is_refused_and_ends_the_sheet(tmp_path: Path) -> None:
    path = tmp_path / "slates.csv"
    for before in ("", "file,scene,take\na.mov,1,1\n"):
        path.write_text(before + "x" * 200_000)
        sheet = read_slate_sheet(path)
        assert len(sheet.slates) == bool(before)
        assert any("no row of a table" in reason for _, reason in sheet.refused)


def test_setups_join_cameras_and_ignore_spelling() -> None:
    rules = SlateRules()
    assert setup_of(rules.slate_for(Path("12A_T01_A.mov"))) == setup_of(rules.slate_for(Path("12a_T1_B.mov")))
    assert setup_of(rules.slate_for(Path("A003C012.mov"))) == setup_of(rules.slate_for(Path("B003C012.mov")))
    assert setup_of(rules.slate_for(Path("A003C012.mov"))) != setup_of(rules.slate_for(Path("A004C012.mov")))
