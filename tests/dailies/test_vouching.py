"""Ingest of footage with hash lists: what is verified, what is refused unread, and what the report says."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest
from footage import cheap_info, write_bytes

from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.ingest import ingest
from interpositive.dailies.report import IngestReport, format_report
from interpositive.dailies.take import Take
from interpositive.dailies.vouching import HashListRule
from interpositive.media.contract import MediaInfo
from interpositive.records.hash_lists.sealing import seal_folder

MOVIE, OTHER = "A002/A_C001.mov", "A002/A_C002.mov"


def unseen(path: Path) -> MediaInfo:
    assert b"changed" not in path.read_bytes(), "what a list contradicts is never decoded"
    return cheap_info(path)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name in (MOVIE, OTHER):
        write_bytes(tmp_path / "dailies" / name, name.encode() * 100)
    seal_folder(tmp_path / "dailies" / "A002", "A002")
    return tmp_path / "dailies"


def take_in(source: Path, rule: HashListRule = "check") -> IngestReport:
    path = source.parent / "work" / "catalogue.sqlite"
    return ingest(source, path, hash_lists=rule, num_workers=0, progress=False, probe=unseen)


def takes(source: Path) -> dict[str, Take]:
    with Catalogue(source.parent / "work" / "catalogue.sqlite") as catalogue:
        return {Path(take.path).relative_to(source).as_posix(): take for take in catalogue.takes()}


def manifests(source: Path) -> list[Path]:
    return sorted((source / "A002" / "ascmhl").glob("*.mhl"))


def test_the_list_that_vouches_is_kept_with_the_take(source: Path) -> None:
    write_bytes(source / "B" / "B_C001.mov", b"from another card")
    report = take_in(source)
    vouching = manifests(source)[0].relative_to(source).as_posix()
    assert {path: take.hash_list for path, take in takes(source).items()} == {
        MOVIE: vouching,
        OTHER: vouching,
        "B/B_C001.mov": "",
    }
    assert (report.num_verified, report.num_unlisted) == (2, 1)
    assert [row.path for row in report.of("accepted") if row.reason == "it is in no hash list"] == ["B/B_C001.mov"]
    assert "2  takes verified by a hash list, 1 in none" in format_report(report)
    assert not report.quarantined
    again = take_in(source)
    assert len(again.known) == 3 and again.num_verified == 2


def test_a_changed_file_is_quarantined_undecoded_and_the_other_is_not(source: Path) -> None:
    write_bytes(source / MOVIE, b"changed in transit")
    report = take_in(source)
    assert list(takes(source)) == [OTHER]
    ((path, reason),) = report.quarantined
    assert path == MOVIE
    assert reason.startswith(f"differs from the hash list {manifests(source)[0].name}: xxh128 ")
    assert report.num_verified == 1


def test_a_missing_file_is_reported(source: Path) -> None:
    (source / OTHER).unlink()
    report = take_in(source)
    assert [(row.path, row.reason) for row in report.of("missing")] == [
        (OTHER, f"listed in {manifests(source)[0].name}")
    ]
    assert report.num_verified == 1


def test_an_edited_list_vouches_for_nothing(source: Path) -> None:
    take_in(source)
    manifests(source)[0].write_text(manifests(source)[0].read_text().replace("original", "verified"))
    report = take_in(source)
    assert not takes(source)
    reasons = dict(report.quarantined)
    assert "changed after it was sealed" in reasons[manifests(source)[0].relative_to(source).as_posix()]
    assert "cannot be trusted" in reasons[MOVIE] and "cannot be trusted" in reasons[OTHER]
    assert len(take_in(source, "ignore").accepted) == 2


def test_require_takes_only_what_a_list_names(source: Path) -> None:
    write_bytes(source / "B" / "B_C001.mov", b"from another card")
    assert len(take_in(source).accepted) == 3
    report = take_in(source, "require")
    assert report.quarantined == [("B/B_C001.mov", "it is in no hash list, and this production requires one")]
    assert sorted(takes(source)) == [MOVIE, OTHER]


def test_a_later_generation_is_checked_at_once(source: Path) -> None:
    take_in(source)
    seal_folder(source / "A002", "A002")
    report = take_in(source)
    assert len(report.known) == 2 and all("read again" in row.reason for row in report.of("known"))
    assert {take.hash_list for take in takes(source).values()} == {manifests(source)[1].relative_to(source).as_posix()}
    shutil.rmtree(source / "A002" / "ascmhl")
    assert take_in(source).num_verified == 2, "they were verified when they came in"


@pytest.mark.parametrize(
    ("harm", "ending"), [("none", ".png"), ("swap", ".png"), ("drop", ".png"), ("add", ".png"), ("drop", "")]
)
def test_a_sequence_is_verified_frame_by_frame(tmp_path: Path, harm: str, ending: str) -> None:
    source = tmp_path / "dailies"
    png = b"\x89PNG\r\n\x1a\n"
    frames = [write_bytes(source / "plate" / f"p.{n:04d}{ending}", png + b"%d" % n * 50) for n in range(1, 6)]
    lines = [f"{hashlib.md5(frame.read_bytes()).hexdigest()}  {frame.name}\n" for frame in frames]
    (source / "plate" / "plate.md5").write_text("".join(lines))
    if harm == "swap":
        os.rename(frames[1], tmp_path / "kept")
        os.rename(frames[2], frames[1])
        os.rename(tmp_path / "kept", frames[2])
    elif harm == "drop":
        frames[4].unlink()
    elif harm == "add":
        write_bytes(source / "plate" / "p.0006.png", b"6")
    report = ingest(source, tmp_path / "c.sqlite", num_workers=0, progress=False, probe=cheap_info)
    reasons = dict(report.quarantined)
    if harm in ("none", "add"):
        assert not reasons and report.num_verified == (1 if harm == "none" else 0)
        notes = [row.reason for row in report.of("accepted")]
        assert notes == ["" if harm == "none" else "1 of its 6 frames are in no hash list"]
    elif harm == "swap":
        assert "p.0002.png differs from the hash list plate.md5: md5" in reasons["plate"]
    else:
        assert reasons["plate"] == f"1 of its frames are listed but missing, the first is p.0005{ending}"
        assert report.missing == [f"plate/p.0005{ending}"]


def test_a_slate_sheet_that_its_list_contradicts_is_not_used(source: Path) -> None:
    sheet = write_bytes(source / "A002" / "slates.csv", b"file,scene,take\nA_C001.mov,12A,3\n")
    seal_folder(source / "A002", "A002")
    assert {take.slate.scene for take in takes_after(source)} == {"12A", "A_C002"}
    sheet.write_text("file,scene,take\nA_C001.mov,99,3\n")
    report = take_in(source)
    assert "differs from the hash list" in dict(report.quarantined)["A002/slates.csv"]
    assert "99" not in {take.slate.scene for take in takes(source).values()}


def takes_after(source: Path) -> list[Take]:
    take_in(source)
    return list(takes(source).values())


def test_a_list_that_is_none_is_named_and_footage_comes_in_unlisted(tmp_path: Path) -> None:
    source = tmp_path / "dailies"
    write_bytes(source / "A_C001.mov", b"a take")
    write_bytes(source / "A_C001.md5", b"../../etc/passwd\n")
    write_bytes(source / "old.mhl", b'<!DOCTYPE x [<!ENTITY a "b">]><hashlist version="1.1"/>')
    report = take_in(source)
    reasons = dict(report.quarantined)
    assert "is no list of digests" in reasons["A_C001.md5"] and "declares a document type" in reasons["old.mhl"]
    assert report.num_unlisted == 1 and len(report.accepted) == 1
