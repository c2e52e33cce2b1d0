"""From paper to frames: logs and sheets mark takes, and a cut finds the takes that hold its frames."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from footage import cheap_info, write_bytes

from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.conforming import ConformedCut, Pull, conform, format_conform, read_conformed_cut
from interpositive.dailies.cut_lists import read_cut_list
from interpositive.dailies.ingest import ingest
from interpositive.dailies.report import IngestReport
from interpositive.dailies.take import Take
from interpositive.errors import CutListError
from interpositive.media.contract import MediaInfo

LONG = "A001_0101_SIGN_LANGUAGE_TWO_CAMERAS"


def probe(path: Path) -> MediaInfo:
    """Twenty-four frames; the name says rate and timecode of the file."""
    info = cheap_info(path)
    if "hfr" in path.name:
        return replace(info, rate=Fraction(120000, 1001), start_timecode="01:00:00;59")
    if "odd" in path.name:
        return replace(info, start_timecode="01:00:00:29")
    if "drop" in path.name:
        return replace(info, rate=Fraction(30000, 1001), start_timecode="00:59:59;29", reel="DROP")
    if "midnight" in path.name:
        return replace(info, start_timecode="23:59:59:12", reel="NIGHT")
    return info


def ingested(source: Path, folder: Path) -> tuple[IngestReport, dict[str, Take]]:
    report = ingest(source, folder / "c.sqlite", num_workers=0, progress=False, probe=probe)
    with Catalogue(folder / "c.sqlite") as catalogue:
        return report, {Path(take.path).name: take for take in catalogue.takes()}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    names = ("a1.mov", "a2.mov", "b1.mov", "drop.mov", "midnight.mov", "hfr.mov", "odd.mov", "sub/b1.mkv")
    for name in names:
        write_bytes(tmp_path / "dailies" / name, name.encode())
    rows = [
        f"a1\t{LONG}\t01:00:00:00\t01:00:01:00\t12\t1\tA\tD:\\x\\a1.mov",
        f"a2\t{LONG}2\t01:00:02:00\t01:00:02:20\t12\t2\tA\ta2.mov",
        "b\tB\t01:00:00:00\t01:00:01:00\t13\t1\tB\tb1",
        "gone\tC\t01:00:00:00\t01:00:01:00\t13\t1\tB\tgone.mov",
    ]
    log = "Heading\nFPS\t24\n\nColumn\nName\tTape\tStart\tEnd\tScene\tTake\tCamera\tSource File\n\nData\n"
    (tmp_path / "dailies" / "day.ale").write_text(log + "\n".join(rows) + "\n")
    return tmp_path / "dailies"


def test_a_log_beside_the_footage_slates_takes_and_gives_them_reel_and_timecode(source: Path, tmp_path: Path) -> None:
    report, takes = ingested(source, tmp_path)
    first, second = takes["a1.mov"], takes["a2.mov"]
    assert (first.name, first.reel, first.start_timecode, first.slate.scene) == ("12_1_A", LONG, "01:00:00:00", "12")
    noted = {row.take: row.reason for row in report.of("accepted") if row.reason}
    assert "has 20 frames of it, the file 24" in noted[second.name]
    refused = dict(report.quarantined)
    assert refused["day.ale, line 10"] == "'b1' or 'b' could be any of b1.mov, b1.mkv"
    assert "gone.mov" in refused["day.ale, line 11"]
    # A timecode that cannot be is none, and that is said.
    assert takes["hfr.mov"].start_frame is None and "120000/1001" in noted[takes["hfr.mov"].name]
    assert takes["odd.mov"].start_frame is None and "01:00:00:29" in noted[takes["odd.mov"].name]
    assert "Noted:" in (tmp_path / "ingest_report.txt").read_text()
    # The sheet has the last word over the log; a corrected paper changes what is known.
    (source / "slates.csv").write_text("file,scene,take,reel,start_timecode\nodd.mov,14,1,ODD,02:00:00:00\n")
    report, takes = ingested(source, tmp_path)
    assert takes["odd.mov"].start_timecode == "02:00:00:00" and takes["odd.mov"].name == "14_1"
    assert [row.take for row in report.of("reslated")] == ["14_1"]


def pulls(source: Path, folder: Path, events: str, rate: str = "24", handles: int = 2) -> ConformedCut:
    ingested(source, folder)
    path = folder / "cut.edl"
    path.write_text("TITLE: cut\n" + events)
    with Catalogue(folder / "c.sqlite") as catalogue:
        return conform(read_cut_list(path, rate, in_worker=False), catalogue, handles)


def test_shots_find_their_takes_or_say_why_not(source: Path, tmp_path: Path) -> None:
    conformed = pulls(
        source,
        tmp_path,
        f"001 {LONG} V C 01:00:00:04 01:00:00:20 00:00:00:00 00:00:00:16\n"
        f"002 {LONG} V C 01:00:00:01 01:00:01:00 00:00:00:16 00:00:01:15\n"
        f"003 {LONG[:8]} V C 01:00:02:04 01:00:02:10 00:00:02:00 00:00:02:06\n* FROM CLIP NAME: a2.mov\n"
        f"004 {LONG[:8]} V C 01:00:02:04 01:00:02:10 00:00:03:00 00:00:03:06\n"
        f"005 {LONG} V C 01:00:00:20 01:00:01:04 00:00:04:00 00:00:04:08\n"
        "006 NOWHERE V C 01:00:00:20 01:00:01:04 00:00:05:00 00:00:05:08\n* FROM CLIP NAME: nothing.mov\n"
        "007 NIGHT V C 00:00:00:00 00:00:00:06 00:00:06:00 00:00:06:06\n"
        "008 AX V C 00:00:00:02 00:00:00:10 00:00:07:00 00:00:07:08\n* SOURCE FILE: b1.mov\n"
        "009 AX V C 00:00:00:02 00:00:00:10 00:00:08:00 00:00:08:08\n* FROM CLIP NAME: b1\n"
        "010 DROP V C 01:00:00:00 01:00:00:08 00:00:09:00 00:00:09:08\n",
    )
    found = {pull.shot: pull for pull in conformed.pulls}

    def frames(pull: Pull) -> tuple[int, int, tuple[int, int]]:
        return pull.first, pull.end, pull.handles

    assert (found["001"].status, frames(found["001"])) == ("found", (2, 22, (2, 2)))
    assert (found["002"].status, frames(found["002"])) == ("short handles", (0, 24, (1, 0)))
    assert found["a2.mov"].matched_by == "first 8 characters of the reel and file name"
    assert (found["004"].status, found["004"].take) == ("found", "12_2_A")
    assert found["004"].matched_by == "first 8 characters of the reel only"
    assert found["005"].reason == "12_1_A holds only 4 of 8 frames (01:00:00:00 to 01:00:01:00)"
    assert found["nothing.mov"].reason == "no take of reel NOWHERE in the dailies"
    assert (found["007"].status, frames(found["007"])) == ("found", (10, 20, (2, 2)))
    assert (found["008"].status, found["008"].matched_by) == ("found", "file name only")
    assert found["b1"].status == "ambiguous" and len(found["b1"].candidates) == 2
    assert "30000/1001 frames per second, the cut counts it at 24" in found["010"].reason
    table = format_conform(conformed)
    assert "6 of 10 shots found in the dailies" in table and "characters of the reel only" in table
    conformed.write(tmp_path)
    assert read_conformed_cut(tmp_path) == conformed
    assert len((tmp_path / "cut_list.csv").read_text().splitlines()) == 11
    shot, pull = conformed.pull("001")
    assert (shot.reel, pull.take) == (LONG, "12_1_A")
    with pytest.raises(CutListError, match="cannot be pulled: 12_1_A holds only 4"):
        conformed.pull("005")
    with pytest.raises(CutListError, match="no shot of this name"):
        conformed.pull("099")


def test_drop_frame_and_plain_counting_are_never_mixed(source: Path, tmp_path: Path) -> None:
    conformed = pulls(
        source,
        tmp_path,
        "001 DROP V C 01:00:00;02 01:00:00;08 00:00:00:00 00:00:00:06\n"
        "002 DROP V C 01:00:00:02 01:00:00:08 00:00:01:00 00:00:01:06\n",
        "29.97",
    )
    kept, mixed = conformed.pulls
    assert (kept.first, kept.shot_first, kept.status) == (1, 3, "found")
    assert mixed.status == "missing" and mixed.reason == "drop counts drop-frame, the cut non-drop"


def test_a_damaged_record_of_a_cut_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CutListError, match="there is no cut list"):
        read_conformed_cut(tmp_path)
    (tmp_path / "cut_list.json").write_text(json.dumps({"cut_list": {}}))
    with pytest.raises(CutListError, match="is damaged"):
        read_conformed_cut(tmp_path)
