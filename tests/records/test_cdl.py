import pytest

from interpositive.errors import ColourError
from interpositive.records.cdl import Cdl, cdl_from_text


@pytest.mark.parametrize(
    ("sop", "sat", "expected"),
    [
        ("(0.1 0.2 0.3) (1.0 -0.0122 0.0305) (1.0 0.0001 1.0)", "0.9", (0.1, -0.0122, 0.0001, 0.9)),
        ("(0.1 0.2 0.3)(1.0 -0.0122 0.0305)(1.0 1e-4 1.0)", "", (0.1, -0.0122, 0.0001, 1.0)),
        ("(0.1,0.2,0.3) (1.0, -0.0122, 0.0305) (1.0 .0001 1.0) (0.9000)", "0.9", (0.1, -0.0122, 0.0001, 0.9)),
        ("", "(0.5)", (1.0, 0.0, 1.0, 0.5)),
    ],
)
def test_text_of_edl_and_ale(sop: str, sat: str, expected: tuple[float, ...]) -> None:
    cdl = cdl_from_text(sop, sat)
    assert (cdl.slope[0], cdl.offset[1], cdl.power[1], cdl.saturation) == expected
    assert cdl_from_text(cdl.sop_text, cdl.sat_text) == cdl


@pytest.mark.parametrize(
    ("sop", "sat", "complaint"),
    [
        ("(1 1)(0 0 0)(1 1 1)", "", "no ASC CDL slope"),
        ("1 1 1 0 0 0 1 1 1", "", "no ASC CDL slope"),
        ("(1 1 1)(0 0 0)(1 1 1)(0.9)", "0.8", "one saturation"),
        ("(1 1 one)(0 0 0)(1 1 1)", "", "no number"),
        ("(-1 1 1)(0 0 0)(1 1 1)", "", "no such slope"),
        ("(1 1 1)(0 0 0)(1 0 1)", "", "no such power"),
        ("(1 1 1)(nan 0 0)(1 1 1)", "", "no such offset"),
        ("", "-0.1", "no such saturation"),
    ],
)
def test_what_is_no_grade_is_refused(sop: str, sat: str, complaint: str) -> None:
    with pytest.raises(ColourError, match=complaint):
        cdl_from_text(sop, sat)


def test_a_grade_survives_json_and_knows_when_it_does_nothing() -> None:
    cdl = Cdl(slope=(1.1, 1.0, 0.9), saturation=0.0, id="cc0001", description="Example look")
    assert Cdl.model_validate_json(cdl.model_dump_json()) == cdl
    assert not cdl.is_identity and Cdl(id="cc0002").is_identity
