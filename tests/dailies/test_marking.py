"""What is known of a take and from whom: its file, logs, slates.csv, the production; nothing differs in silence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from footage import cheap_info, write_bytes

from interpositive.dailies import take_marks
from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.footage_rules import FootageRules
from interpositive.dailies.ingest import ingest
from interpositive.dailies.report import FileOutcome, IngestReport
from interpositive.dailies.take import Take
from interpositive.media.contract import MediaInfo

NAMED = FootageRules(encodings={"SHEET": "arri_logc3"}, rates={"12B*": "25"}, layers={"*": "left"})


def _probe(path: Path) -> MediaInfo:
    return replace(cheap_info(path), start_timecode="01:00:00:00", reel="FILE", encoding="rec709_display")


def _ingest(folder: Path, rules: FootageRules | None = None) -> IngestReport:
    catalogue_path = folder / "catalogue.sqlite"
    return ingest(folder / "dailies", catalogue_path, footage_rules=rules, num_workers=0, progress=False, probe=_probe)


def _take(folder: Path) -> Take:
    with Catalogue(folder / "catalogue.sqlite") as catalogue:
        [take] = catalogue.takes()
        return take


def _row(report: IngestReport) -> FileOutcome:
    return next(row for row in report.rows if row.take)


def _log(folder: Path, file: str = "scene.ale", **cells: str) -> Path:
    columns = {"Name": "a.mov", "Tracks": "V", **cells}
    lines = ["Heading", "FPS\t24", "", "Column", "\t".join(columns), "", "Data", "\t".join(columns.values())]
    path = folder / "dailies" / file
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_bytes(tmp_path / "dailies" / "a.mov", b"a")
    return tmp_path


def test_later_words_win_and_every_contradiction_is_told(folder: Path) -> None:
    _log(folder, Tape="LOG", Start="02:00:00:00", End="02:00:00:20", Scene="12A", Take="1")
    sheet = "file,scene,take,reel,start_timecode\na.mov,12B,01,SHEET,03:00:00:00\n"
    (folder / "dailies" / "slates.csv").write_text(sheet)
    report = _ingest(folder, NAMED)
    take = _take(folder)
    assert (take.name, take.reel, take.start_timecode) == ("12B_01", "SHEET", "03:00:00:00")
    assert (take.encoding, take.rate) == ("arri_logc3", "24/1")
    assert _row(report).reason.split("; ") == [
        "scene 12B by slates.csv, line 2, 12A by scene.ale, line 8",
        "reel LOG by scene.ale, line 8, FILE by its file",
        "scene.ale, line 8 has 20 frames of it, the file 24",
        "starts at 02:00:00:00 by scene.ale, line 8, at 01:00:00:00 by its file",
        "reel SHEET by slates.csv, line 2, LOG by scene.ale, line 8",
        "starts at 03:00:00:00 by slates.csv, line 2, at 02:00:00:00 by scene.ale, line 8",
        "counts as arri_logc3 by the production, as rec709_display by its file",
        "a movie has one picture: layer left of the production is not looked for",
        "a movie keeps its own 24 frames per second, not 25 of the production",
    ]
    assert {row.path: (row.outcome, row.reason) for row in report.rows if not row.take} == {
        "scene.ale": ("attached", "a log; it marks 1 take"),
        "slates.csv": ("attached", "a slate sheet; it marks 1 take"),
    }
    again = _row(_ingest(folder, NAMED))
    assert (again.outcome, again.reason) == ("known", _row(report).reason)


def test_where_a_sheet_is_silent_the_log_still_counts(folder: Path) -> None:
    _log(folder, Tape="LOG", Scene="12A", Take="1", Camera="B")
    (folder / "dailies" / "slates.csv").write_text("file,scene,take\na.mov,12A,1\n")
    _ingest(folder)
    take = _take(folder)
    assert (take.reel, take.slate.camera, take.start_timecode) == ("LOG", "B", "01:00:00:00")


def test_paper_that_is_gone_has_no_say_any_more(folder: Path) -> None:
    _ingest(folder)
    before = _take(folder)
    log = _log(folder, Tape="LOG", Start="02:00:00:00", Scene="12A", Take="1")
    assert _row(_ingest(folder)).outcome == "reslated"
    assert (_take(folder).reel, _take(folder).start_timecode, _take(folder).name) == ("LOG", "02:00:00:00", "12A_1")
    log.unlink()
    row = _row(_ingest(folder))
    assert (row.outcome, row.reason) == ("reslated", "12A_1 is now a")
    assert _take(folder) == before
    log = _log(folder, Tape="LOG")
    _ingest(folder)
    log.unlink()
    row = _row(_ingest(folder))
    assert (row.outcome, row.reason) == ("reslated", "a is now marked FILE, 01:00:00:00")
    assert _take(folder) == before


def test_two_logs_that_differ_are_told_and_one_without_takes_is_ignored(folder: Path) -> None:
    _log(folder, "a.ale", Tape="ONE")
    _log(folder, "b.ale", Tape="TWO")
    _log(folder, "c.ale", Name="other.mov")
    report = _ingest(folder)
    assert _take(folder).reel == "TWO" and "reel TWO by b.ale, line 8, ONE by a.ale, line 8" in _row(report).reason
    ignored = next(row for row in report.rows if row.path == "c.ale")
    assert (ignored.outcome, ignored.reason) == ("ignored", "a log; it marks no take here")


def test_a_log_that_is_too_large_is_refused_and_not_cut_short(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _log(folder, Tape="LOG")
    monkeypatch.setattr(take_marks, "_MOST_BYTES", path.stat().st_size)
    _ingest(folder)
    assert _take(folder).reel == "LOG"
    monkeypatch.setattr(take_marks, "_MOST_BYTES", path.stat().st_size - 1)
    reasons = [row.reason for row in _ingest(folder).rows if row.outcome == "quarantined"]
    assert len(reasons) == 1 and "larger than any log" in reasons[0]
    assert _take(folder).reel == "FILE"
