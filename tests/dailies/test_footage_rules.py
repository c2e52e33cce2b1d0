"""What a production says of its footage, encoding, layer and rate, over what files say; and what the report tells."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from footage import cheap_info, make_movie, write_bytes, write_stereo

from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.footage_rules import FootageRules
from interpositive.dailies.ingest import ingest
from interpositive.dailies.opening import open_take
from interpositive.dailies.report import IngestReport, format_report
from interpositive.dailies.take import Take
from interpositive.errors import ColourError, TimecodeError
from interpositive.media.contract import MediaInfo
from interpositive.media.opening import open_reader


def _probe(path: Path) -> MediaInfo:
    return replace(cheap_info(path), encoding="rec709_display" if "tagged" in path.name else "", reel="A001")


def _ingest(folder: Path, named: dict[str, str]) -> IngestReport:
    return _ingest_by(folder, FootageRules(named), _probe)


def _ingest_by(
    folder: Path,
    rules: FootageRules,
    probe: Callable[[Path], MediaInfo] | None = None,
    proxy_height: int | None = None,
) -> IngestReport:
    return ingest(
        folder / "dailies", folder / "catalogue.sqlite", footage_rules=rules, num_workers=0, progress=False,
        probe=probe, proxy_height=proxy_height,
    )  # fmt: skip


def _take(folder: Path, name: str) -> Take:
    with Catalogue(folder / "catalogue.sqlite") as catalogue:
        return catalogue.take(name)


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
        (
            "recoded",
            "encoding arri_logc3, was rec709_display; "
            "counts as arri_logc3 by the production, as rec709_display by its file",
        ),
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
        FootageRules({"*": "slog3_sgamut3.cine"})
    with pytest.raises(TimecodeError, match="frame rate"):
        FootageRules(rates={"*": "fast"})


def test_layer_and_rate_are_named_changed_and_read_by(tmp_path: Path) -> None:
    write_stereo(tmp_path / "dailies" / "stereo_010")
    make_movie(tmp_path / "dailies" / "movie_1.mov")
    report = _ingest_by(tmp_path, FootageRules())
    [(path, reason)] = report.quarantined
    assert path == "stereo_010" and "layers in the production" in reason and "left, right" in reason

    report = _ingest_by(tmp_path, FootageRules(layers={"stereo_*": "lefft"}))
    assert "lefft, while it holds left, right" in dict(report.quarantined)["stereo_010"]

    report = _ingest_by(tmp_path, FootageRules(layers={"stereo_*": "left"}))
    assert report.accepted == ["stereo_010"] and "24 frames per second is assumed" in format_report(report)
    with closing(open_take(_take(tmp_path, "stereo_010"))) as reader:
        assert float(reader.window(1, 2).max()) == 0.25 and reader.info.rate_assumed
    # What was noted is noted again as long as it holds.
    again = _ingest_by(tmp_path, FootageRules(layers={"stereo_*": "left"}))
    assert "24 frames per second is assumed" in format_report(again) and len(again.known) == 2

    rules = FootageRules(layers={"*": "right"}, rates={"stereo_010": "24000/1001", "*": 30})
    movie, stereo = _ingest_by(tmp_path, rules).rows
    assert (movie.outcome, stereo.outcome) == ("known", "recoded")
    assert movie.reason == (
        "a movie has one picture: layer right of the production is not looked for; "
        "a movie keeps its own 24 frames per second, not 30 of the production"
    )
    assert stereo.reason == "layer right, was left; 24000/1001 frames per second, was 24/1"
    with closing(open_take(_take(tmp_path, "stereo_010"))) as reader:
        assert float(reader.window(1, 2).max()) == 0.5
        assert (reader.info.rate, reader.info.rate_assumed) == (Fraction(24000, 1001), False)
    assert {row.outcome for row in _ingest_by(tmp_path, rules).rows} == {"known"}


def test_a_named_rate_overrules_headers_and_the_report_says_so(tmp_path: Path) -> None:
    write_stereo(tmp_path / "dailies" / "s", rate=(24, 1))
    rules = FootageRules(layers={"*": "left"}, rates={"s": 25})
    [row] = _ingest_by(tmp_path, rules).rows
    assert row.reason == "its headers say 24 frames per second, it is read at 25 as named"
    assert _take(tmp_path, "s").rate == "25/1"
    [row] = _ingest_by(tmp_path, FootageRules(layers={"*": "left"})).rows
    assert (row.outcome, row.reason) == ("recoded", "24/1 frames per second, was 25/1")


def test_a_reel_that_only_the_file_says_is_matched_in_the_same_ingest(tmp_path: Path) -> None:
    write_stereo(tmp_path / "dailies" / "s", reel="B007")
    report = _ingest_by(tmp_path, FootageRules(layers={"s": "left"}, rates={"B007": 25}))
    assert report.accepted == ["s"] and _take(tmp_path, "s").rate == "25/1"


def test_proxies_and_layers_change_together(tmp_path: Path) -> None:
    write_stereo(tmp_path / "dailies" / "s")
    codes = {}
    for layer, proxy_height in (("left", 16), ("right", None), ("right", 16)):
        rules = FootageRules(encodings={"*": "acescg"}, layers={"*": layer})
        report = _ingest_by(tmp_path, rules, proxy_height=proxy_height)
        assert report.proxy_failures == {}
        proxy_path = _take(tmp_path, "s").proxy_path
        if proxy_height is None:
            assert proxy_path is None
            continue
        with closing(open_reader(Path(proxy_path or ""))) as reader:
            codes[layer] = int(reader.window(0, 1).mean())
    assert codes["left"] < codes["right"]
