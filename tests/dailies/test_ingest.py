"""Ingest: what comes in, what stays out and why, and what happens the second time."""

from __future__ import annotations

import csv
import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from footage import cheap_info, make_movie, moody_probe, write_bytes
from PIL import Image

from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.ingest import ingest
from interpositive.dailies.report import IngestReport, format_report
from interpositive.dailies.slate_rules import SlateRules
from interpositive.dailies.splitting import SplitRule
from interpositive.dailies.take import Take
from interpositive.errors import CatalogueError, MediaError
from interpositive.records.digests import sha256_of_file


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "dailies"


@pytest.fixture
def catalogue_path(tmp_path: Path) -> Path:
    return tmp_path / "catalogue" / "catalogue.sqlite"


def cheap_ingest(source: Path, catalogue_path: Path, **choices: object) -> IngestReport:
    settings = {"num_workers": 0, "progress": False, "probe": cheap_info, **choices}
    return ingest(source, catalogue_path, **settings)  # type: ignore[arg-type]


def takes_in(catalogue_path: Path) -> dict[str, Take]:
    with Catalogue(catalogue_path) as catalogue:
        return {take.name: take for take in catalogue.takes()}


def test_real_files_come_in_with_all_that_is_known(source: Path, catalogue_path: Path) -> None:
    movie = make_movie(source / "day1" / "12A_T01_A_R03.mov", seed=1)
    make_movie(source / "day1" / "12A_T01_B_R07.mov", seed=2)
    for n in range(1001, 1005):
        pixels = np.full((18, 32, 3), n % 256, np.uint8)
        (source / "plate").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(source / "plate" / f"plate.{n}.png")
    write_bytes(source / "day1" / "cut_short.mov", movie.read_bytes()[: movie.stat().st_size // 2])
    write_bytes(source / "day1" / "empty.mov", b"")
    make_movie(source / "day1" / "13_T01_A_R03.mov", seed=3).rename(source / "day1" / "13_T01_A_R03.mxf")
    write_bytes(source / "day1" / "words.mov", b"#EXTM3U\nother.mov\n")
    report = ingest(source, catalogue_path, num_workers=2, progress=False)
    assert report.accepted == ["12A_01_A", "12A_01_B", "13_01_A", "plate"]
    refused = dict(report.quarantined)
    assert set(refused) == {f"day1/{name}" for name in ("cut_short.mov", "empty.mov", "words.mov")}
    assert "cut short" in refused["day1/cut_short.mov"] and refused["day1/empty.mov"].startswith("is empty")
    assert "13_01_A  QuickTime/MP4 content under the extension .mxf" in format_report(report)
    takes = takes_in(catalogue_path)
    take = takes["12A_01_A"]
    assert (take.num_frames, take.rate, take.width, take.height) == (6, "24/1", 48, 32)
    assert (take.start_timecode, take.matrix, take.colour_source) == ("01:00:00:00", "bt709", "tagged")
    assert take.slate.model_dump() == {"scene": "12A", "take": "01", "camera": "A", "roll": "03"}
    assert take.sha256 == sha256_of_file(movie) and take.path == str(movie)
    assert take.split == takes["12A_01_B"].split != takes["plate"].split
    assert (takes["plate"].kind, takes["plate"].num_frames) == ("sequence", 4)


def test_report_is_written_in_three_forms_that_agree(source: Path, catalogue_path: Path) -> None:
    write_bytes(source / "a.mov", b"a")
    write_bytes(source / "damaged.mov", b"d")
    write_bytes(source / ".hidden.mov", b"h")
    write_bytes(source / "notes.txt", b"n")
    report = cheap_ingest(source, catalogue_path, probe=moody_probe)
    folder = catalogue_path.parent
    assert IngestReport.model_validate_json((folder / "ingest_report.json").read_text()) == report
    with (folder / "ingest_report.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert rows == json.loads(report.model_dump_json())["rows"]
    assert {row["path"]: row["outcome"] for row in rows} == {
        ".hidden.mov": "ignored", "a.mov": "accepted", "damaged.mov": "quarantined", "notes.txt": "ignored"
    }  # fmt: skip
    assert "damaged.mov  it is cut short (3 of 9 frames)" in (folder / "ingest_report.txt").read_text()


def test_crash_hang_and_exit_cost_one_file_each(source: Path, catalogue_path: Path) -> None:
    for name in (
        "a.mov",
        "b_crash.mov",
        "c.mov",
        "d_hang.mov",
        "e_leave.mov",
        "f_raise.mov",
        "g.mov",
        "h_wavering.mov",
    ):
        write_bytes(source / name, name.encode())
    began = time.monotonic()
    report = cheap_ingest(source, catalogue_path, num_workers=2, timeout_seconds=6, probe=moody_probe)
    assert time.monotonic() - began < 30
    assert report.accepted == ["a", "c", "g"]
    reasons = dict(report.quarantined)
    assert "crashed" in reasons["b_crash.mov"] and "-11" in reasons["b_crash.mov"]
    assert "longer than 6 seconds" in reasons["d_hang.mov"]
    assert "crashed" in reasons["e_leave.mov"]
    assert reasons["f_raise.mov"] == "could not be read: RuntimeError: a library's own error"
    assert "variable frame rate" in reasons["h_wavering.mov"]
    assert len(report.rows) == 8


def test_links_and_special_files(source: Path, catalogue_path: Path, tmp_path: Path) -> None:
    write_bytes(source / "in.mov", b"in")
    outside = write_bytes(tmp_path / "other_production" / "secret.mov", b"secret")
    write_bytes(source / ".store" / "kept.mov", b"kept")
    (source / "leads_out.mov").symlink_to(outside)
    (source / "folder_out").symlink_to(outside.parent)
    (source / "leads_in.mov").symlink_to(source / "in.mov")
    (source / "stored.mov").symlink_to(".store/kept.mov")
    (source / "dangling.mov").symlink_to("nowhere.mov")
    (source / "circle").symlink_to(source)
    os.mkfifo(source / "pipe.mov")
    write_bytes(Path(os.fsdecode(os.fsencode(source) + b"/caf\xe9.mov")), b"latin")
    report = cheap_ingest(source, catalogue_path)
    assert report.accepted == ["in", "stored"]
    reasons = dict(report.quarantined)
    assert set(reasons) == {"leads_out.mov", "folder_out", "dangling.mov", "pipe.mov", "caf\\xe9.mov"}
    assert "leads out" in reasons["leads_out.mov"] and "leads out" in reasons["folder_out"]
    assert "regular" in reasons["pipe.mov"] and "UTF-8" in reasons["caf\\xe9.mov"]
    assert sha256_of_file(outside) not in {take.sha256 for take in takes_in(catalogue_path).values()}


def test_duplicates_give_way_to_the_first_path(source: Path, catalogue_path: Path) -> None:
    for name in ("b/copy.mov", "a/first.mov", "c/again.mov"):
        write_bytes(source / name, b"same")
    for _ in range(2):
        report = cheap_ingest(source, catalogue_path)
        assert report.duplicates == [("b/copy.mov", "first"), ("c/again.mov", "first")]
    assert list(takes_in(catalogue_path)) == ["first"]
    (source / "a/first.mov").write_bytes(b"other")
    report = cheap_ingest(source, catalogue_path)
    assert report.accepted == ["first", "copy"] and report.duplicates == [("c/again.mov", "copy")]


def test_second_ingest_reads_only_what_is_new_or_changed(source: Path, catalogue_path: Path) -> None:
    read: list[str] = []

    def probe(path: Path):  # type: ignore[no-untyped-def]
        read.append(path.name)
        return cheap_info(path)

    for name in "abc":
        write_bytes(source / f"{name}.mov", name.encode())
    cheap_ingest(source, catalogue_path, probe=probe)
    before = takes_in(catalogue_path)
    assert read == ["a.mov", "b.mov", "c.mov"]
    read.clear()
    write_bytes(source / "b.mov", b"b is longer now")
    write_bytes(source / "d.mov", b"d")
    (source / "c.mov").unlink()
    report = cheap_ingest(source, catalogue_path, probe=probe)
    assert read == ["b.mov", "d.mov"]
    assert [(row.take, row.outcome) for row in report.rows] == [
        ("a", "known"), ("b", "changed"), ("c", "missing"), ("d", "accepted")
    ]  # fmt: skip
    after = takes_in(catalogue_path)
    assert set(after) == {"a", "b", "c", "d"}
    assert after["b"].sha256 != before["b"].sha256 and after["b"].split == before["b"].split
    assert after["a"] == before["a"]


def test_a_moved_file_stays_the_same_take(source: Path, catalogue_path: Path) -> None:
    write_bytes(source / "12A_T01_A.mov", b"one")
    write_bytes(source / "12A_T02_A.mov", b"two")
    cheap_ingest(source, catalogue_path)
    before = takes_in(catalogue_path)
    (source / "day2").mkdir()
    (source / "12A_T01_A.mov").rename(source / "day2" / "12A_T01_A.mov")
    report = cheap_ingest(source, catalogue_path)
    assert [row.outcome for row in report.rows] == ["known", "moved"]
    after = takes_in(catalogue_path)
    assert after["12A_01_A"].path.endswith("day2/12A_T01_A.mov")
    assert {name: take.split for name, take in after.items()} == {n: t.split for n, t in before.items()}


def test_a_take_that_became_untrustworthy_leaves(source: Path, catalogue_path: Path) -> None:
    write_bytes(source / "a.mov", b"a")
    write_bytes(source / "b.mov", b"b")
    cheap_ingest(source, catalogue_path)
    write_bytes(source / "a.mov", b"a but cut")

    def probe(path: Path):  # type: ignore[no-untyped-def]
        raise MediaError("a.mov is cut short")

    report = cheap_ingest(source, catalogue_path, probe=probe)
    assert report.quarantined == [("a.mov", "is cut short")]
    assert list(takes_in(catalogue_path)) == ["b"]


def test_sheet_wins_over_names_and_corrects_known_takes(source: Path, catalogue_path: Path) -> None:
    write_bytes(source / "12A_T01_A.mov", b"one")
    write_bytes(source / "IMG_0007.mov", b"two")
    cheap_ingest(source, catalogue_path)
    assert set(takes_in(catalogue_path)) == {"12A_01_A", "IMG_0007"}
    (source / "slates.csv").write_text("file,scene,take,camera,roll\nIMG_0007.mov,12A,1,B,\nlost.mov,1,1,,\nshort\n")
    report = cheap_ingest(source, catalogue_path)
    assert dict(report.quarantined).keys() == {"slates.csv, line 3", "slates.csv, line 4"}
    assert [row.reason for row in report.of("reslated")] == ["IMG_0007 is now 12A_1_B"]
    takes = takes_in(catalogue_path)
    assert set(takes) == {"12A_01_A", "12A_1_B"}
    assert takes["12A_01_A"].split == takes["12A_1_B"].split


def test_names_are_unique_and_fit_for_files(source: Path, catalogue_path: Path) -> None:
    for number, name in enumerate(("d1/7_T1_A.mov", "d2/7_T1_A.mov", "a b:c.mov")):
        write_bytes(source / name, bytes([number]))
    cheap_ingest(source, catalogue_path)
    assert set(takes_in(catalogue_path)) == {"7_1_A", "7_1_A_2", "a-b-c"}


def test_own_rules_and_one_setup_note(source: Path, catalogue_path: Path) -> None:
    write_bytes(source / "x99y3.mov", b"x")
    rules = SlateRules([r"x(?P<scene>\d+)y(?P<take>\d+)"])
    report = cheap_ingest(source, catalogue_path, slate_rules=rules)
    assert report.accepted == ["99_3"] and "only one setup" in report.split_note
    assert report.splits == {"train": 1, "val": 0, "test": 0}


def test_a_new_split_rule_deals_again(source: Path, catalogue_path: Path) -> None:
    for n in range(12):
        write_bytes(source / f"s{n}.mov", bytes([n]))
    cheap_ingest(source, catalogue_path)
    report = cheap_ingest(source, catalogue_path, split_rule=SplitRule(explicit={"s1?": "test"}, val_fraction=0.5))
    takes = takes_in(catalogue_path)
    assert takes["s10"].split == takes["s11"].split == "test" and report.splits["val"] >= 2


def test_catalogue_inside_the_source_is_no_footage(source: Path) -> None:
    write_bytes(source / "a.mov", b"a")
    for expected in ("accepted", "known"):
        report = cheap_ingest(source, source / "catalogue.sqlite", proxy_height=32)
        assert [row.outcome for row in report.rows] == [expected]


def test_a_file_that_grows_is_refused(source: Path, catalogue_path: Path) -> None:
    path = write_bytes(source / "a.mov", b"a")

    def probe(_: Path):  # type: ignore[no-untyped-def]
        with path.open("ab") as stream:
            stream.write(b"more")
        return cheap_info(path)

    assert "being copied" in dict(cheap_ingest(source, catalogue_path, probe=probe).quarantined)["a.mov"]


def test_odd_folders_of_frames(source: Path, catalogue_path: Path) -> None:
    for name in (
        "one/a.1001.png",
        "two/a.1001.png",
        "two/a.1002.png",
        "two/b.1.png",
        "two/b.2.png",
        "still.png",
    ):
        write_bytes(source / name, name.encode())
    report = cheap_ingest(source, catalogue_path)
    reasons = dict(report.quarantined)
    assert set(reasons) == {"one/a.1001.png", "two", "still.png"} and "2 sequences" in reasons["two"]


def test_a_sequence_is_one_take_that_every_frame_counts_in(source: Path, catalogue_path: Path) -> None:
    frames = [write_bytes(source / "12A_T1_B" / f"p.{n:04d}.exr", bytes([n])) for n in range(4)]
    digests = set()
    for change in ("none", "content", "name", "gone"):
        if change == "content":
            frames[2].write_bytes(b"other")
        elif change == "name":
            frames[3].rename(frames[3].with_name("p.0009.exr"))
        elif change == "gone":
            frames[0].unlink()
        report = cheap_ingest(source, catalogue_path)
        assert report.accepted == ["12A_1_B"]
        digests.add(takes_in(catalogue_path)["12A_1_B"].sha256)
    assert len(digests) == 4
    assert cheap_ingest(source, catalogue_path).known == ["12A_1_B"]


def test_no_source_no_ingest(tmp_path: Path, catalogue_path: Path) -> None:
    with pytest.raises(MediaError, match="no folder of dailies"):
        cheap_ingest(tmp_path / "nowhere", catalogue_path)
    assert not catalogue_path.exists()


def test_two_ingests_at_once_are_refused(source: Path, catalogue_path: Path) -> None:
    write_bytes(source / "a.mov", b"a")
    with Catalogue(catalogue_path, writable=True), pytest.raises(CatalogueError, match="another ingest"):
        cheap_ingest(source, catalogue_path)


def test_proxies_are_whole_and_made_once(source: Path, catalogue_path: Path) -> None:
    make_movie(source / "tall.mov", num_frames=9, height=96, width=130)
    make_movie(source / "small.mov", num_frames=4, height=32, width=48)
    report = ingest(source, catalogue_path, num_workers=1, proxy_height=48, progress=False)
    assert report.proxy_failures == {}
    takes = takes_in(catalogue_path)
    assert takes["small"].proxy_path is None
    proxy = Path(takes["tall"].proxy_path or "")
    made = proxy.stat().st_mtime_ns
    shutil.copy(proxy, proxy.parent / ".half.part.mov")
    ingest(source, catalogue_path, num_workers=0, proxy_height=48, progress=False)
    assert proxy.stat().st_mtime_ns == made
    assert [path.name for path in proxy.parent.iterdir()] == [proxy.name]
    probed = ingest(proxy.parent, catalogue_path.with_name("proxies.sqlite"), num_workers=0, progress=False)
    take = takes_in(catalogue_path.with_name("proxies.sqlite"))[probed.accepted[0]]
    assert (take.num_frames, take.height, take.width, take.intra_only) == (9, 48, 64, True)
    assert take.start_timecode == "01:00:00:00"


def test_ten_thousand_files_are_no_trouble(source: Path, catalogue_path: Path) -> None:
    source.mkdir()
    for n in range(10_000):
        (source / f"{n // 20}_T{n % 20 + 1}_A.mov").write_bytes(n.to_bytes(4, "big"))
    # Processor time: how busy the machine is with others must not matter.
    began = time.process_time()
    report = cheap_ingest(source, catalogue_path)
    seconds = time.process_time() - began
    assert len(report.accepted) == 10_000 and min(report.splits.values()) > 1000
    assert seconds < 20
    assert len(cheap_ingest(source, catalogue_path).known) == 10_000
    assert time.process_time() - began - seconds < 10


def test_broken_files_from_the_wild_have_one_reason_each(material: Path, catalogue_path: Path) -> None:
    folder = material / "hostile" / "mp4parse_capi"
    report = ingest(folder, catalogue_path, num_workers=1, progress=False)
    assert [row.path for row in report.rows] == sorted(path.name for path in folder.iterdir())
    assert report.quarantined and all(reason for _, reason in report.quarantined)
    assert {"chunk_out_of_range.mp4", "sine-3s-xhe-aac-44khz-mono.mp4"} <= dict(report.quarantined).keys()
