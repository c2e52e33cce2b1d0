from pathlib import Path

import pytest

from interpositive.errors import ColourError
from interpositive.media.cdl_files import read_cdl, read_cdls

_GRADE = """<ColorCorrection id="{id}">
  <SOPNode><Description>warm</Description>
  <Slope>{slope}</Slope><Offset>0 0 -0.01</Offset><Power>1 1 0.9</Power></SOPNode>
  <{sat}><Saturation>0.7</Saturation></{sat}>
</ColorCorrection>"""


def _write(path: Path, slope: str = "1.1 1 0.9", sat: str = "SatNode", ids: tuple[str, ...] = ("shot",)) -> Path:
    grades = "".join(_GRADE.format(id=id, slope=slope, sat=sat) for id in ids)
    path.write_text(
        grades if path.suffix == ".cc" else f"<ColorCorrectionCollection>{grades}</ColorCorrectionCollection>"
    )
    return path


def test_a_grade_is_read_and_read_anew(tmp_path: Path) -> None:
    cdl = read_cdl(_write(tmp_path / "shot.cc"))
    assert (cdl.id, cdl.description, cdl.slope, cdl.offset[2], cdl.power[2], cdl.saturation) == (
        "shot", "warm", (1.1, 1.0, 0.9), -0.01, 0.9, 0.7,
    )  # fmt: skip
    assert read_cdl(_write(tmp_path / "shot.cc", slope="2 1 1")).slope[0] == 2.0


def test_a_collection_is_asked_by_id(tmp_path: Path) -> None:
    path = _write(tmp_path / "reel.ccc", ids=("a", "b"))
    assert [cdl.id for cdl in read_cdls(path)] == ["a", "b"] and read_cdl(path, "b").id == "b"
    for id in ("", "c"):
        with pytest.raises(ColourError, match="which grade"):
            read_cdl(path, id)


@pytest.mark.parametrize(
    ("slope", "sat", "complaint"),
    [
        ("-1 1 1", "SatNode", "no such slope|cannot be read"),
        ("1 1", "SatNode", "cannot be read"),
        ("1 1 1", "ASC_SAT", "where no reader looks"),
    ],
)
def test_illegal_grades_are_refused(tmp_path: Path, slope: str, sat: str, complaint: str) -> None:
    with pytest.raises(ColourError, match=complaint):
        read_cdls(_write(tmp_path / "shot.cc", slope=slope, sat=sat))


def test_what_is_no_cdl_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.cdl").write_bytes(b"")
    (tmp_path / "look.clf").write_text("<ProcessList/>")
    for name in ("empty.cdl", "look.clf", "missing.cc"):
        with pytest.raises(ColourError):
            read_cdls(tmp_path / name)


def test_grades_of_other_makers(material: Path) -> None:
    samples = material / "interchange" / "color"
    assert [cdl.saturation for cdl in read_cdls(samples / "cdl_test1.cdl")] == [1.7, 0.7, 1.0, 1.0, 0.0]
    assert read_cdl(samples / "cdl_test1.ccc", "cc0002").description == "pastel"
    assert read_cdl(samples / "cdl_test_SATNode.cc").saturation == 0.42
    for half in ("cdl_test_ASC_SAT.cc", "cdl_test_ASC_SOP.cc"):
        with pytest.raises(ColourError, match="where no reader looks"):
            read_cdl(samples / half)
