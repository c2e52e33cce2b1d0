"""Who says a take's encoding: the file, the production over it, or nobody, which the report tells."""

from dataclasses import replace
from pathlib import Path

import pytest
from footage import cheap_info, write_bytes

from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.encoding_rules import EncodingRules
from interpositive.dailies.ingest import ingest
from interpositive.dailies.report import IngestReport, format_report
from interpositive.errors import ColourError
from interpositive.media.contract import MediaInfo


def _probe(path: Path) -> MediaInfo:
    return replace(cheap_info(path), encoding="rec709_display" if "tagged" in path.name else "", reel="A001")


def _ingest(folder: Path, named: dict[str, str]) -> IngestReport:
    return ingest(
        folder / "dailies", folder / "catalogue.sqlite", encoding_rules=EncodingRules(named), num_workers=0,
        progress=False, probe=_probe,
    )  # fmt: skip


def _encodings(folder: Path) -> dict[str, tuple[str, str]]:
    with Catalogue(folder / "catalogue.sqlite") as catalogue:
        return {take.name: (take.encoding, take.encoding_source) for take in catalogue.takes()}


def test_production_overrules_tags_and_can_change_its_mind(tmp_path: Path) -> None:
    for name in ("tagged", "silent"):
        write_bytes(tmp_path / "dailies" / f"{name}.mov", name.encode())
    report = _ingest(tmp_path, {})
    assert _encodings(tmp_path) == {"tagged": ("rec709_display", "tagged"), "silent": ("", "")}
    assert report.encodings == {"": 1, "rec709_display tagged": 1} and report.without_encoding == ["silent"]
    assert "not known: silent" in format_report(report)

    report = _ingest(tmp_path, {"sil*": "lin_ap1", "A001": "arri_logc3"})
    assert _encodings(tmp_path) == {"tagged": ("arri_logc3", "named"), "silent": ("acescg", "named")}
    assert [(row.outcome, row.reason) for row in report.rows] == [
        ("recoded", "encoding acescg, was not known"),
        ("recoded", "encoding arri_logc3, was rec709_display"),
    ]
    assert "not known:" not in format_report(report)
    assert {row.outcome for row in _ingest(tmp_path, {"sil*": "acescg", "A001": "arri_logc3"}).rows} == {"known"}

    report = _ingest(tmp_path, {"sil*": "acescg"})
    assert _encodings(tmp_path) == {"tagged": ("rec709_display", "tagged"), "silent": ("acescg", "named")}
    assert [row.outcome for row in report.rows] == ["known", "recoded"]


def test_path_patterns_and_unknown_names(tmp_path: Path) -> None:
    write_bytes(tmp_path / "dailies" / "a_cam" / "one.mov", b"1")
    _ingest(tmp_path, {"*/a_cam/*": "sony_slog3_sgamut3cine"})
    assert _encodings(tmp_path) == {"one": ("sony_slog3_sgamut3cine", "named")}
    with pytest.raises(ColourError, match="sony_slog3_sgamut3cine"):
        EncodingRules({"*": "slog3_sgamut3.cine"})
