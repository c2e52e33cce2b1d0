"""Camera reports: every number in its unit, every doubtful one refused with its line."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from reports import arri_report, f4_packet, open_track, red_frames, red_static

from interpositive.dailies.camera_reports.contract import as_rate
from interpositive.dailies.camera_reports.reading import family_of, read_camera_report
from interpositive.errors import PaperworkError
from interpositive.records.camera_data import CameraReport

LABELS = ("10:00:00:22", "10:00:00:23", "10:00:01:00")


def read(folder: Path, content: str | bytes, name: str = "A001C001_240131_R1AB.csv") -> CameraReport:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_camera_report(path)


def refusal(folder: Path, content: str | bytes, name: str = "report.csv") -> str:
    with pytest.raises(PaperworkError) as refused:
        read(folder, content, name)
    return str(refused.value)


class TestUnits:
    def test_arri(self, tmp_path: Path) -> None:
        report = read(tmp_path, arri_report(LABELS, ["1.5", "2", "Infinity"]))
        frames = report.frames
        assert frames.focus_distance_m == (1.5, 2.0, math.inf)
        assert frames.focal_length_mm == (40.0,) * 3
        assert frames.t_stop == pytest.approx([2.8284271 * 2**0.25] * 3, abs=1e-3), "a step and a half from T2"
        assert frames.tilt_degrees is None and any("409.5" in note for note in report.notes)
        assert report.settings.neutral_density_stops == pytest.approx(1.993, abs=1e-3)
        assert (report.rate, report.timecodes, report.settings.curve) == ("24/1", LABELS, "LOG-C")

    @pytest.mark.parametrize(("unit", "metres"), [("Feet", 3.048), ("Inch", 0.254), ("cm", 0.1)])
    def test_distances_are_converted(self, tmp_path: Path, unit: str, metres: float) -> None:
        frames = read(tmp_path, arri_report(LABELS, ["10"] * 3, unit)).frames
        assert frames.focus_distance_m == pytest.approx([metres] * 3)

    def test_red_halves_say_the_same_clip(self, tmp_path: Path) -> None:
        name = "A001_C066_0303LZ_001"
        frames = read(tmp_path, red_frames(LABELS), f"{name}.frames.csv")
        static = read(tmp_path, red_static("A001_C066_0303LZ"), f"{name}.static.csv")
        assert frames.clip_name == static.clip_name == "A001_C066_0303LZ"
        assert frames.frames.focus_distance_m == (0.41, 0.411, 0.412) and frames.frames.f_stop == (5.6,) * 3
        assert (static.settings.curve, static.settings.gamut) == ("Log3G10", "REDWideGamutRGB")
        assert static.settings.shutter_seconds == 1 / 48

    def test_blackmagic(self, tmp_path: Path) -> None:
        text = (
            "\nClip Metadata\nformat_frame_rate: 1571292\nclip_number: A001_C102\n\n"
            "Frame 0 Metadata\nsensor_rate: 48,1,\naperture: T2.3\ndistance: 991mm\nfocal_length: 50mm\n\n"
            "Frame 1 Metadata\nsensor_rate: 48,1,\naperture: T2.3\ndistance: 3.5ft\nfocal_length: 50mm\n"
        )
        report = read(tmp_path, text, "metadata.txt")
        assert report.rate == "24000/1001" and any("off-speed: 48" in note for note in report.notes)
        assert report.frames.focus_distance_m == pytest.approx((0.991, 1.0668))
        assert report.frames.t_stop == (2.3, 2.3) and report.frames.f_stop is None

    def test_open_track(self, tmp_path: Path) -> None:
        report = read(tmp_path, open_track([(1, 2, 3, 4), (1, 2, 3, 5)]), "head.json")
        assert report.timecodes == ("01:02:03:04", "01:02:03:05") and report.rate == "25/1"
        assert report.frames.pan_degrees == (0.0, 1.0) and report.frames.z_m == (2.0, 2.0)
        assert report.frames.t_stop == (2.0, 2.0) and report.frames.f_stop is None

    def test_tracked_head(self, tmp_path: Path) -> None:
        packets = [f4_packet((15, 3, 47, 24), -3.031), f4_packet((15, 3, 47, 24), -3.0), f4_packet((15, 3, 48, 0), 1.5)]
        report = read(tmp_path, b"".join(packets), "A003 15-03-47.f4")
        assert report.timecodes == ("15:03:47:24", "15:03:48:00")
        assert report.frames.pan_degrees == (-3.0, 1.5), "the last packet of a frame counts"

    @pytest.mark.parametrize(
        ("text", "rate"),
        [("24.000", "24"), ("23.976", "24000/1001"), ("23.98", "24000/1001"), ("29.97", "30000/1001"), ("25", "25")],
    )
    def test_decimal_rates_become_exact(self, text: str, rate: str) -> None:
        assert str(as_rate(text)) == rate
        assert as_rate("24.5") is None and as_rate("fast") is None


class TestTimecode:
    def test_midnight_is_crossed_forwards(self, tmp_path: Path) -> None:
        assert len(read(tmp_path, arri_report(["23:59:59:23", "00:00:00:00"])).timecodes) == 2

    def test_drop_frame_is_taken_from_its_column(self, tmp_path: Path) -> None:
        text = arri_report(["00:00:59:29", "00:01:00:02"], rate="29.970", Master_TC_Drop_Frame="yes")
        assert read(tmp_path, text).timecodes == ("00:00:59;29", "00:01:00;02")

    def test_holes_are_noted(self, tmp_path: Path) -> None:
        report = read(tmp_path, arri_report(["01:00:00:00", "01:00:00:05"]))
        assert "4 frames are left out before 01:00:00:05" in report.notes

    @pytest.mark.parametrize(
        ("labels", "words"),
        [
            (["01:00:00:05", "01:00:00:05"], "line 3: a frame is given twice"),
            (["01:00:00:05", "01:00:00:06", "01:00:00:04"], "line 4: timecode runs backwards"),
            (["01:00:00:24"], "line 2: no frame has this timecode"),
            (["yesterday"], "line 2: this is no timecode"),
        ],
    )
    def test_others_are_refused_with_the_line(self, tmp_path: Path, labels: list[str], words: str) -> None:
        assert words in refusal(tmp_path, arri_report(labels))


class TestHostile:
    def test_tables(self, tmp_path: Path) -> None:
        good = arri_report(LABELS)
        lines = good.splitlines()
        assert "line 3: 18 cells" in refusal(tmp_path, "\n".join([*lines[:2], lines[2] + "\tmore"]))
        assert "line 2: a cell holds a formula" in refusal(tmp_path, arri_report(LABELS, Reel='=cmd|"/c calc"!A1'))
        latin = "\n".join([*lines[:2], lines[2].replace("Alexa", "Aléxa")]).encode("latin-1")
        assert "line 3: the text is not UTF-8" in refusal(tmp_path, latin)
        assert "a binary zero" in refusal(tmp_path, good.replace("2.5", "2\0005"))
        assert "the column 'Master TC' is missing" in refusal(tmp_path, good.replace("Master TC\t", "Master TC 2\t"))
        assert "line 2: the unit is not known" in refusal(tmp_path, arri_report(LABELS, unit="Cubit"))
        assert "no row below the header" in refusal(tmp_path, lines[0] + "\n")
        assert "field larger" in refusal(tmp_path, arri_report(LABELS[:1], Reel="R" * 200_000))

    def test_a_huge_report_is_not_read(self, tmp_path: Path) -> None:
        path = tmp_path / "huge.csv"
        path.write_text(arri_report(LABELS))
        with path.open("r+b") as stream:
            stream.truncate(65 << 20)
        with pytest.raises(PaperworkError, match="larger than a camera report"):
            read_camera_report(path)

    def test_json(self, tmp_path: Path) -> None:
        good = open_track([(1, 0, 0, 0), (1, 0, 0, 1)])
        assert "line 2: this is no JSON" in refusal(tmp_path, good[:-3], "a.json")
        assert "line 2: a frame is given twice" in refusal(tmp_path, open_track([(1, 0, 0, 0)] * 2), "b.json")
        assert "nested deeper" in refusal(tmp_path, '{"timing":' + "[" * 200_000, "c.json")
        schema = json.dumps({"type": "object", "additionalProperties": False, "properties": {"timing": {}}})
        assert "a JSON schema" in refusal(tmp_path, schema, "d.json")

    @pytest.mark.parametrize("value", ["1" + "0" * 400, "1" * 5000, "NaN", "Infinity"])
    def test_numbers_that_no_machine_holds(self, tmp_path: Path, value: str) -> None:
        frame = '{"protocol": {"name": "OpenTrackIO"}, "timing": {}, "lens": {"tStop": ' + value + "}}"
        assert "a value that no camera writes" in refusal(tmp_path, frame, "track.json")
        assert "a value that no camera writes" in refusal(tmp_path, f"{frame}\n{frame}", "lines.json")

    def test_a_rate_of_five_thousand_digits(self, tmp_path: Path) -> None:
        content = f"Clip Metadata\nformat_frame_rate: {'1' * 5000}\n"
        assert "a value that no camera writes" in refusal(tmp_path, content, "braw.txt")

    def test_packets(self, tmp_path: Path) -> None:
        packet = f4_packet((1, 0, 0, 0), 1.0)
        flipped = bytes([*packet[:6], packet[6] ^ 1, *packet[7:]])
        assert "packet 2 is damaged" in refusal(tmp_path, packet + flipped, "a.f4")
        assert "packet 2 is cut short" in refusal(tmp_path, packet + packet[:-1], "b.f4")

    def test_other_files_belong_to_no_family(self, tmp_path: Path) -> None:
        for name, content in {
            "a.csv": b"file,scene,take\n",
            "b.json": b'{"a": 1}',
            "c.txt": b"notes",
            "d": b"",
        }.items():
            (tmp_path / name).write_bytes(content)
            assert family_of(tmp_path / name) is None
        with pytest.raises(PaperworkError, match="no camera report"):
            read_camera_report(tmp_path / "a.csv")


def test_every_real_report_is_read_or_refused_in_words(material: Path) -> None:
    read_as: dict[str, str] = {}
    for path in sorted((material / "interchange").glob("camera_*/*")):
        try:
            report = read_camera_report(path)
        except PaperworkError as error:
            read_as[path.name] = error.what
        else:
            read_as[path.name] = f"{report.family} {len(report.frames)}"
    assert read_as["B001C001_180327_R1ZA.mov.csv"] == "ARRI Meta Extract 500"
    assert read_as["A003_C001_01 15-03-47-01.f4"] == "Mo-Sys F4 1497"
    assert read_as["A001_C066_0303LZ_001.frames.csv"] == "RED frame metadata 2"
    assert read_as["metadata.txt"] == "Blackmagic RAW metadata 0"
    assert read_as["complete_dynamic_example.json"] == "OpenTrackIO 1"
    assert sum("JSON schema" in outcome for outcome in read_as.values()) == 9
    assert "no camera report" in read_as["README.txt"]
