"""What one production learned is used in another only by a grant that names both, however far back it was learned."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from interpositive.errors import RightsError
from interpositive.records.rights import Beginning, Footage, Grant, entitled

GRANT = Grant(of="theirs", to="ours", by="A. Producer", on="2026-11-30", document="letter 12")


def learned(production: str, footage: Footage = "camera") -> Beginning:
    return Beginning(
        production=production, task="wire_removal", mini_model="m.Fusion", footage=footage, archive_sha256="ab" * 32
    )


def test_its_own_and_the_soundstage_need_no_grant() -> None:
    own, stage = entitled("ours", [learned("ours"), learned("anything", "soundstage")], [])
    assert own.because == "it is this production's own" and "virtual soundstage" in stage.because
    assert own.words().startswith("begins with what ours learned (wire_removal, Fusion; archive sha256 abab")


def test_a_grant_names_both_and_is_told() -> None:
    (granted,) = entitled("ours", [learned("theirs")], [GRANT])
    assert granted.because == "granted by A. Producer on 2026-11-30: theirs to ours (letter 12)"


@pytest.mark.parametrize(
    "grants",
    [[], [GRANT.model_copy(update={"of": "ours", "to": "theirs"})], [GRANT.model_copy(update={"to": "others"})]],
    ids=["none", "the other way", "to another"],
)
def test_without_one_it_is_refused(grants: list[Grant]) -> None:
    with pytest.raises(RightsError, match="theirs may not be used in ours") as refused:
        entitled("ours", [learned("theirs")], grants)
    assert refused.value.expected == "a grant of theirs to ours" and refused.value.exit_code == 11


def test_a_grant_is_not_handed_on() -> None:
    with pytest.raises(RightsError, match="third may not be used in ours"):
        entitled("ours", [learned("theirs"), learned("third")], [GRANT])
    with pytest.raises(RightsError, match="third may not be used in ours"):
        entitled("ours", [learned("ours"), learned("third")], [GRANT])


@pytest.mark.parametrize("wrong", [{"on": "30.11.2026"}, {"by": ""}, {"of": ""}, {"document": ""}, {"until": "2027"}])
def test_a_grant_says_who_when_and_where(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Grant(**{**GRANT.model_dump(), **wrong})
