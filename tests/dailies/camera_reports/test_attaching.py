"""Reports beside the footage find their take, and their rows its frames."""

from __future__ import annotations

from pathlib import Path

import pytest
from footage import cheap_info, write_bytes
from reports import arri_report, red_frames, red_static

from interpositive.dailies import selection
from interpositive.dailies.camera_reports.attaching import attach_reports, read_camera_data
from interpositive.dailies.camera_reports.joining import join_reports
from interpositive.dailies.camera_reports.reading import read_camera_report
from interpositive.dailies.camera_reports.suggesting import _ENCODINGS
from interpositive.dailies.catalogue import Catalogue, FileState
from interpositive.dailies.ingest import ingest
from interpositive.dailies.take import Take, take_from_info
from interpositive.dailies.take_rows import row_to_take
from interpositive.media.encodings import find_encoding
from interpositive.records.camera_data import TakeCameraData
from interpositive.records.slates import Slate

CLIP = "A001C001_240131_R1AB"


def labels(first: int, count: int) -> list[str]:
    return [f"10:00:00:{n:02d}" for n in range(first, first + count)]


def take_named(path: Path, start: int | None, num_frames: int, reel: str | None = None, rate: str = "24/1") -> Take:
    take = take_from_info(cheap_info(path), path.stem, path, "0" * 64, Slate(scene="1"))
    return take.model_copy(update={"start_frame": start, "num_frames": num_frames, "reel": reel, "rate": rate})


def joined(folder: Path, content: str, take: Take, name: str = f"{CLIP}.csv") -> TakeCameraData:
    path = write_bytes(folder / name, content.encode())
    return join_reports([read_camera_report(path)], {name: ""}, take)


class TestRowsAndFrames:
    TEN_O_CLOCK = 36_000 * 24

    def test_rows_are_laid_by_timecode(self, tmp_path: Path) -> None:
        take = take_named(tmp_path / f"{CLIP}.mov", self.TEN_O_CLOCK + 2, 4)
        camera = joined(tmp_path, arri_report(labels(0, 5), ["1", "2", "3", "4", "5"]), take)
        assert camera.frames.focus_distance_m == (3.0, 4.0, 5.0, None)
        assert (camera.joined_by, camera.num_covered) == ("timecode", 3)
        assert "1 of 4 frames are not in the report" in camera.notes

    def test_a_slowed_rate_counts_the_same_labels(self, tmp_path: Path) -> None:
        take = take_named(tmp_path / f"{CLIP}.mov", self.TEN_O_CLOCK, 2, rate="24000/1001")
        camera = joined(tmp_path, arri_report(labels(0, 2)), take)
        assert camera.num_covered == 2 and any("24/1 frames a second" in note for note in camera.notes)

    def test_another_count_is_not_joined(self, tmp_path: Path) -> None:
        take = take_named(tmp_path / f"{CLIP}.mov", 36_000 * 25, 2, rate="25/1")
        camera = joined(tmp_path, arri_report(labels(0, 2)), take)
        assert camera.joined_by == "" and not len(camera.frames)
        assert any("counts differently" in note for note in camera.notes)
        assert camera.settings.curve == "LOG-C", "what does not change needs no frames"

    def test_another_time_of_day_is_not_joined(self, tmp_path: Path) -> None:
        camera = joined(tmp_path, arri_report(labels(0, 2)), take_named(tmp_path / f"{CLIP}.mov", 0, 2))
        assert camera.joined_by == "" and any("none of its timecodes" in note for note in camera.notes)

    def test_without_timecode_only_a_row_for_every_frame_is_joined(self, tmp_path: Path) -> None:
        take = take_named(tmp_path / f"{CLIP}.mov", None, 3)
        assert joined(tmp_path, arri_report(labels(0, 3)), take).joined_by == "position"
        assert joined(tmp_path, arri_report(labels(0, 4)), take).joined_by == ""

    def test_another_reel_is_said(self, tmp_path: Path) -> None:
        take = take_named(tmp_path / f"{CLIP}.mov", self.TEN_O_CLOCK, 2, reel="B007")
        assert any(
            "the take says reel B007" in note for note in joined(tmp_path, arri_report(labels(0, 2)), take).notes
        )

    def test_two_reports_become_one(self, tmp_path: Path) -> None:
        take = take_named(tmp_path / "A001_C066_0303LZ.mov", self.TEN_O_CLOCK, 2)
        paths = [
            write_bytes(tmp_path / "A001_C066_0303LZ_001.frames.csv", red_frames(labels(0, 2)).encode()),
            write_bytes(tmp_path / "A001_C066_0303LZ_001.static.csv", red_static("A001_C066_0303LZ").encode()),
        ]
        outcomes = attach_reports(paths, [take], tmp_path / "workspace", tmp_path)
        assert [(one.outcome, one.take) for one in outcomes] == [("attached", take.name)] * 2
        camera = read_camera_data(tmp_path / "workspace", take.name)
        assert camera is not None and camera.settings.curve == "Log3G10" and camera.num_covered == 2
        assert camera.frames.focus_distance_m == (0.41, 0.411) and set(camera.reports) == {path.name for path in paths}


class TestEncoding:
    def notes(self, folder: Path, **take: str) -> str:
        footage = take_named(folder / f"{CLIP}.mov", None, 3).model_copy(update=take)
        return "; ".join(joined(folder, arri_report(labels(0, 3)), footage).notes)

    def test_it_is_suggested_and_never_taken_for_granted(self, tmp_path: Path) -> None:
        unknown = self.notes(tmp_path, encoding="")
        assert "the camera recorded LOG-C" in unknown and f'encodings: {{"{CLIP}": arri_logc3}}' in unknown
        assert "LOG-C" not in self.notes(tmp_path, encoding="arri_logc3", encoding_source="named")
        doubted = self.notes(tmp_path, encoding="rec709_display", encoding_source="tagged")
        assert "while the take counts as rec709_display (tagged)" in doubted

    def test_every_suggestion_is_an_encoding(self) -> None:
        for name in _ENCODINGS.values():
            assert find_encoding(name).name == name and find_encoding(name).kind == "log"


class TestWhose:
    def test_the_whole_name_goes_before_one_without_its_number(self, tmp_path: Path) -> None:
        takes = [take_named(tmp_path / f"walk_{n:03d}.mov", None, 3) for n in (1, 2)]
        report = write_bytes(tmp_path / "walk_002.csv", arri_report(labels(0, 3), clip="--").encode())
        assert [one.take for one in attach_reports([report], takes, tmp_path / "w", tmp_path)] == ["walk_002"]

    def test_a_report_about_two_is_about_none(self, tmp_path: Path) -> None:
        takes = [take_named(tmp_path / folder / f"{CLIP}.mov", None, 3) for folder in ("card 1", "card 2")]
        takes[1] = takes[1].model_copy(update={"name": "other"})
        far = write_bytes(tmp_path / "reports" / "x.csv", arri_report(labels(0, 3)).encode())
        near = write_bytes(tmp_path / "card 2" / "x.csv", arri_report(labels(0, 3)).encode())
        outcomes = {one.path: one for one in attach_reports([far, near], takes, tmp_path / "w", tmp_path)}
        assert outcomes[far].outcome == "ignored" and "other" in outcomes[far].reason
        assert (outcomes[near].outcome, outcomes[near].take) == ("attached", "other")


def test_ingest_attaches_quarantines_and_forgets(tmp_path: Path) -> None:
    source, catalogue_path = tmp_path / "card", tmp_path / "workspace" / "catalogue.sqlite"
    write_bytes(source / f"{CLIP}.mov", b"footage")
    report_path = write_bytes(source / f"{CLIP}.mov.csv", arri_report(labels(0, 24)).encode())
    write_bytes(source / "broken.csv", arri_report(["10:00:00:05"] * 2).encode())
    write_bytes(source / "else.csv", arri_report(labels(0, 2), clip="Z999C001").encode())
    write_bytes(source / "notes.csv", b"lunch,13:00\n")

    def outcomes() -> dict[str, tuple[str, str]]:
        report = ingest(source, catalogue_path, num_workers=0, progress=False, probe=cheap_info)
        return {row.path: (row.outcome, row.reason) for row in report.rows}

    first = outcomes()
    assert first[f"{CLIP}.mov.csv"][0] == "attached" and "24 of 24 frames by position" in first[f"{CLIP}.mov.csv"][1]
    assert first["broken.csv"][0] == "quarantined" and "line 3" in first["broken.csv"][1]
    assert first["else.csv"][0] == "ignored" and "Z999C001, which is not here" in first["else.csv"][1]
    assert first["notes.csv"] == ("ignored", "paperwork of the edit or the camera")
    camera_path = next((tmp_path / "workspace" / "camera").iterdir())
    before = camera_path.stat().st_ino
    assert outcomes() == {**first, f"{CLIP}.mov": ("known", "")}
    assert camera_path.stat().st_ino == before, "the same report is not written twice"
    report_path.unlink()
    outcomes()
    assert not camera_path.exists()


def test_another_card_leaves_the_camera_data_of_the_first(tmp_path: Path) -> None:
    catalogue_path = tmp_path / "workspace" / "catalogue.sqlite"
    for card in ("A001", "B001"):
        write_bytes(tmp_path / card / f"{card}.mov", card.encode())
        write_bytes(tmp_path / card / f"{card}.csv", arri_report(labels(0, 24), clip=card).encode())
        ingest(tmp_path / card, catalogue_path, num_workers=0, progress=False, probe=cheap_info)
    assert {path.name for path in (tmp_path / "workspace" / "camera").iterdir()} == {"A001.json", "B001.json"}


def test_only_takes_that_a_report_may_be_about_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Catalogue(tmp_path / "c.sqlite", writable=True) as catalogue:
        takes = [take_named(tmp_path / f"take{n}.mov", None, 3).model_copy(update={"sha256": str(n)}) for n in range(9)]
        catalogue.put_new((take, FileState(1, 1)) for take in takes)
        report = write_bytes(tmp_path / "take7.csv", arri_report(labels(0, 3), clip="--").encode())
        read: list[object] = []
        monkeypatch.setattr(selection, "row_to_take", lambda *row: read.append(row) or row_to_take(*row))
        assert [one.take for one in attach_reports([report], catalogue.takes(), tmp_path / "w", tmp_path)] == ["take7"]
    assert len(read) == 1


def test_a_real_report_meets_a_take_cut_from_its_recording(material: Path, tmp_path: Path) -> None:
    path = material / "interchange" / "camera_arri" / "B001C001_180327_R1ZA.mov.csv"
    take = take_named(tmp_path / "B001C001_180327_R1ZA.mov", 1_176_223 + 100, 48, reel="B001R1ZA")
    [outcome] = attach_reports([path], [take], tmp_path, tmp_path)
    assert outcome.outcome == "attached" and "48 of 48 frames by timecode" in outcome.reason
    camera = read_camera_data(tmp_path, take.name)
    assert camera is not None and camera.frames.t_stop == pytest.approx((1.803,) * 48)
    assert camera.frames.focus_distance_m is not None and len(set(camera.frames.focus_distance_m)) > 10
