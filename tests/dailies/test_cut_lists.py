"""Cut lists: every frame, reel and event arrives, and what cannot arrive is named."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest

from interpositive.dailies.cut_lists import read_cut_list
from interpositive.errors import ConfigError, CutListError
from interpositive.records.shots import CutList

NTSC = Fraction(30000, 1001)
LONG_REEL = "A003C012_240131_R1AB_and_more_than_32_letters"


def read(folder: Path, text: str, rate: str | None = None, name: str = "cut.edl") -> CutList:
    path = folder / name
    path.write_text(text)
    return read_cut_list(path, rate, in_worker=False)


def test_every_kind_of_event_of_an_edl(tmp_path: Path) -> None:
    cut = read(
        tmp_path,
        f"""TITLE: Reel 1
* a remark before the first event
001  {LONG_REEL} V C 01:00:00:00 01:00:02:00 10:00:00:00 10:00:02:00
* FROM CLIP NAME: 12A_T01_A.mov
*ASC_SOP (1.1 1 0.9)(0.01 0 -1e-3)(1 1 1.05)
*ASC_SAT 0.9
002  AX       V     C        00:00:10:00 00:00:10:00 10:00:02:00 10:00:02:00
002  B007     V     D    012 02:00:00:00 02:00:03:00 10:00:02:00 10:00:05:00
* FROM CLIP NAME: a still.tif
* TO CLIP NAME: 12B_T02_A.mov
003  B007     V     C        02:00:03:00 02:00:03:00 10:00:05:00 10:00:05:00
003  BL       V     W042 024 00:00:00:00 00:00:01:00 10:00:05:00 10:00:06:00
004  C1       B     C        03:00:00:00 03:00:04:00 10:00:06:00 10:00:08:00
M2   C1             048.0                03:00:00:00
005  C1       V     C        03:00:10:00 03:00:11:00 10:00:08:00 10:00:09:00
M2   C1             -024.0               03:00:11:00
006  C1       V     C        03:00:20:00 03:00:20:01 10:00:09:00 10:00:10:00
M2   C1             000.0                03:00:20:00
007  C1       V2    K B      03:00:30:00 03:00:31:00 10:00:09:00 10:00:10:00
008  SND1     A2    C        03:00:30:00 03:00:31:00 10:00:09:00 10:00:10:00
009  C1       V     C        03:01:00:00 03:01:00:20 10:00:10:00 10:00:11:00
""",
        "24",
    )
    shots = {(shot.event, shot.transition_out): shot for shot in cut.shots}
    first = shots["001", ""]
    assert first.reel == LONG_REEL and first.media_names == ["12A_T01_A.mov"]
    assert first.cdl is not None and (first.cdl.offset[2], first.cdl.saturation) == (-0.001, 0.9)
    assert first.record is not None and (first.record.start, first.record.num_frames) == (864000, 48)
    # The still is seen only under the dissolve, and has no reel.
    still = shots["002", "dissolve"]
    assert (still.name, still.reel, still.needed and still.needed.num_frames) == ("a still.tif", "", 12)
    # The wipe takes frames of the shot before it beyond its cut.
    second = next(shot for shot in cut.shots if shot.transition_out == "wipe 042")
    assert (second.reel, second.transition_in, second.overlap_out) == ("B007", "dissolve", 24)
    assert second.media_names == ["12B_T02_A.mov"]
    assert second.needed is not None and second.needed.end == second.source.end + 24  # type: ignore[union-attr]
    speeds = {shot.event: shot.speed for shot in cut.shots}
    assert (speeds["004"], speeds["005"], speeds["006"], speeds["009"]) == ("2/1", "-1/1", "0/1", "")
    fast, unsaid = shots["004", ""], shots["009", ""]
    assert fast.source is not None and fast.source.num_frames == 96 and fast.track == "V"
    assert "no M2 line" in unsaid.notes[-1]
    assert (shots["007", ""].track, shots["007", ""].transition_in) == ("V2", "key")
    assert [(one.name, one.reason) for one in cut.left_out] == [
        ("event 003", "BL is no footage"),
        ("event 008", "sound only"),
    ]


def test_a_cut_may_fade_in(tmp_path: Path) -> None:
    cut = read(
        tmp_path,
        """TITLE: x
001  BL       V     C        00:00:00:00 00:00:00:00 10:00:00:00 10:00:00:00
001  B1       V     D    012 02:00:00:00 02:00:04:00 10:00:00:00 10:00:04:00
* TO CLIP NAME: first.mov
002  BL       V2    C        00:00:00:00 00:00:00:00 10:00:02:00 10:00:02:00
002  B2       V2    D    024 03:00:00:00 03:00:01:00 10:00:02:00 10:00:03:00
* TO CLIP NAME: title.mov
003  B3       V     C        02:00:00:00 02:00:04:00 10:00:04:00 10:00:08:00
* FROM CLIP NAME: second.mov
""",
        "24",
    )
    shots = [
        (shot.name, shot.track, shot.reel, shot.transition_in, shot.record and shot.record.start) for shot in cut.shots
    ]
    assert shots == [
        ("first.mov", "V", "B1", "dissolve", 864000),
        ("title.mov", "V2", "B2", "dissolve", 864048),
        ("second.mov", "V", "B3", "", 864096),
    ]
    assert [one.reason for one in cut.left_out] == ["BL is no footage"] * 2


def test_a_retime_under_a_dissolve_is_found_by_the_reel_as_written(tmp_path: Path) -> None:
    cut = read(
        tmp_path,
        """TITLE: x
001  A001_S_2 V     C        01:00:00:00 01:00:00:00 10:00:00:00 10:00:00:00
001  A001_SIG V     D    012 02:00:00:00 02:00:04:00 10:00:00:00 10:00:02:00
M2   A001_S_2              024.0             01:00:00:00
M2   A001_SIG              048.0             02:00:00:00
* SOURCE REEL: A001_SIGN_LANGUAGE
""",
        "24",
    )
    assert [(shot.reel, shot.speed) for shot in cut.shots][-1] == ("A001_SIGN_LANGUAGE", "2/1")


def test_an_edl_is_never_read_at_a_guessed_rate(tmp_path: Path) -> None:
    text = "TITLE: x\n001 R1 V C 01:00:00:24 01:00:01:00 00:00:00:00 00:00:00:01\n"
    with pytest.raises(ConfigError, match="cut_list_rate"):
        read(tmp_path, text)
    with pytest.raises(CutListError, match="line 2 has a timecode that does not exist at 24"):
        read(tmp_path, text, "24")
    assert read(tmp_path, text, "25").shots[0].source.start == 90024  # type: ignore[union-attr]


def test_drop_frame_of_an_edl_is_kept_whether_written_by_line_or_by_semicolon(tmp_path: Path) -> None:
    marked = read(tmp_path, "TITLE: x\n001 R1 V C 01:09:59;29 01:10:00;01 01:00:00;00 01:00:00;02\n", "29.97")
    by_line = read(
        tmp_path,
        "TITLE: x\nFCM: DROP FRAME\n001 R1 V C 01:09:59:29 01:10:00:01 01:00:00:00 01:00:00:02\n"
        "FCM: NON-DROP FRAME\n002 R2 V C 01:00:00:00 01:00:00:10 01:00:00:02 01:00:00:12\n",
        "30000/1001",
    )
    for cut in (marked, by_line):
        shot = cut.shots[0]
        assert cut.drop_frame and shot.source_drop_frame and shot.source is not None
        assert (shot.source.start, shot.source.num_frames) == (125873, 2)
        assert shot.source.timecodes(True) == ("01:09:59;29", "01:10:00;01")
    other = by_line.shots[1]
    assert not other.source_drop_frame and other.source is not None and other.source.start == 108000
    assert other.record is not None and other.record.timecodes(True)[0] == "01:00:00;02"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("TITLE: x\n001 R1 V C 01:00:00:00 01:00:01:00 00:00:00:00\n", "line 2 of the edit decision list is no event"),
        ("TITLE: x\n001 R1 V D 010 01:00:00:00 01:00:01:00 00:00:00:00 00:00:01:00\n", "is a dissolve from nothing"),
        ("TITLE: x\n", "has no event"),
        ("words", "is no cut list"),
        ("#EXTM3U\na.mov\n", "is no cut list"),
        ('<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><xmeml/>', "entities"),
        ("<xmeml><sequence>", "damaged XML"),
        ("<fcpxml><resources/></fcpxml>", "holds no sequence"),
        ("<ges/>", "is XML, but no cut list"),
        ('{"OTIO_SCHEMA": "Timeline.1"', "could not be read"),
        ('{"OTIO_SCHEMA": "RationalTime.1", "rate": 24.0, "value": 1.0}', "holds no sequence"),
        ("Heading\nFPS\t24\n\nColumn\nName\tStart\n", "lacks a part"),
    ],
)
def test_what_is_no_cut_list_is_refused_in_words(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(CutListError, match=reason):
        read(tmp_path, text, "24")


def test_an_event_that_the_reader_loses_refuses_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otio.adapters, "read_from_string", lambda *_, **__: otio.schema.Timeline())
    with pytest.raises(CutListError, match="event 001 on line 2 was lost"):
        read(tmp_path, "TITLE: x\n001 R1 V C 01:00:00:00 01:00:01:00 00:00:00:00 00:00:01:00\n", "24")


def clip(name: str, start: int, frames: int, rate: Fraction, media_start: int | None = None) -> otio.schema.Clip:
    span = otio.opentime.TimeRange(
        otio.opentime.RationalTime(start, float(rate)), otio.opentime.RationalTime(frames, float(rate))
    )
    reference = otio.schema.ExternalReference(target_url=f"file:///D%3A/day%201/{name}.mov")
    if media_start is not None:
        first = otio.opentime.RationalTime(media_start, float(rate))
        reference.available_range = otio.opentime.TimeRange(first, otio.opentime.RationalTime(10_000, float(rate)))
    made = otio.schema.Clip(name, reference, span)
    made.metadata["editor"] = {"Reel Name": LONG_REEL}
    return made


def test_a_timeline_at_23_976_is_exact_after_a_day_of_it(tmp_path: Path) -> None:
    rate = Fraction(24000, 1001)
    timeline = otio.schema.Timeline("long", global_start_time=otio.opentime.RationalTime(86400, float(rate)))
    track = otio.schema.Track("V1", kind="Video")
    for number in range(300):
        track.append(clip(f"t{number}", 2_000_000 + number, 1001, rate, 2_000_000))
        track.append(otio.schema.Gap(duration=otio.opentime.RationalTime(1, float(rate))))
    inner = otio.schema.Track("nested", kind="Video", children=[clip("n", 500, 100, rate)])
    stack = otio.schema.Stack("nest", children=[inner])
    stack.source_range = otio.opentime.TimeRange(
        otio.opentime.RationalTime(10, float(rate)), otio.opentime.RationalTime(20, float(rate))
    )
    stack.effects.append(otio.schema.LinearTimeWarp(time_scalar=2.0))
    track.append(stack)
    timeline.tracks.append(track)
    path = tmp_path / "cut.otio"
    otio.adapters.write_to_file(timeline, str(path))
    cut = read_cut_list(path, in_worker=False)
    assert cut.rate == "24000/1001" and len(cut.shots) == 301
    for number, shot in enumerate(cut.shots[:300]):
        assert shot.source is not None and shot.record is not None
        assert (shot.source.start, shot.source.num_frames) == (2_000_000 + number, 1001)
        assert (shot.record.start, shot.record.num_frames) == (86400 + 1002 * number, 1001)
        assert (shot.reel, shot.media_names[0], shot.media_start) == (LONG_REEL, f"t{number}.mov", 2_000_000)
    nested = cut.shots[300]
    assert nested.source is not None and nested.record is not None and nested.speed == "2/1"
    assert (nested.source.start, nested.source.num_frames) == (510, 40)
    assert (nested.record.start, nested.record.num_frames) == (86400 + 300 * 1002, 20)


FCPXML = """<?xml version="1.0"?><!DOCTYPE fcpxml><fcpxml version="1.8"><resources>
<format id="r1" frameDuration="1001/30000s"/>
<asset id="r2" name="A001" src="file:///A001.mov" start="3603600/1000s" duration="1001000/30000s"
 hasVideo="1" format="r1"/>
</resources><project name="p"><sequence format="r1" tcStart="0s" tcFormat="DF"><spine>{}</spine></sequence></project>
</fcpxml>"""


def test_fcpxml_at_29_97_keeps_every_frame(tmp_path: Path) -> None:
    clips, offset = [], 0
    for frames in range(1, 60):
        clips.append(
            f'<asset-clip name="c{frames}" ref="r2" offset="{1001 * offset}/30000s" duration="{1001 * frames}/30000s" '
            f'start="{108_000 * 1001 + 1001 * frames}/30000s"/>'
        )
        offset += frames
    clips.append('<title name="END" offset="0s" duration="1001/30000s"/>')
    cut = read(tmp_path, FCPXML.format("".join(clips)), name="cut.fcpxml")
    assert (cut.rate, cut.drop_frame) == ("30000/1001", True)
    offset = 0
    for frames, shot in enumerate(cut.shots, 1):
        assert shot.source is not None and shot.record is not None
        assert (shot.source.start, shot.source.num_frames) == (108_000 + frames, frames)
        assert (shot.record.start, shot.record.num_frames) == (offset, frames)
        offset += frames
    assert len(cut.shots) == 59 and "title" in cut.left_out[0].reason


def test_fcp7_reels_nested_sequences_and_time_remap(tmp_path: Path) -> None:
    rate = "<rate><timebase>30</timebase><ntsc>TRUE</ntsc></rate>"

    def item(name: str, start: int, end: int, first: int, last: int, more: str = "", effect: str = "") -> str:
        inner = more or (
            f"<file id='f{name}'><name>{name}.mov</name><pathurl>file://localhost/x/{name}.mov</pathurl>{rate}"
            f"<duration>1000</duration><timecode>{rate}<string>01:00:00;00</string><frame>107892</frame>"
            f"<displayformat>DF</displayformat><reel><name>{LONG_REEL}</name></reel></timecode></file>"
        )
        return (
            f"<clipitem id='{name}'><name>{name}</name><enabled>TRUE</enabled><duration>1000</duration>{rate}"
            f"<start>{start}</start><end>{end}</end><in>{first}</in><out>{last}</out>{inner}{effect}</clipitem>"
        )

    half = (
        "<filter><effect><name>Time Remap</name><effectid>timeremap</effectid><effecttype>motion</effecttype>"
        "<mediatype>video</mediatype><parameter><parameterid>speed</parameterid><value>50</value></parameter>"
        "</effect></filter>"
    )
    nested = (
        f"<sequence id='s2'><name>nest</name><duration>50</duration>{rate}<media><video><track>"
        f"{item('inside', 0, 50, 100, 150)}</track></video></media></sequence>"
    )
    text = (
        f"<?xml version='1.0'?><xmeml version='5'><sequence id='s1'><name>cut</name><duration>200</duration>{rate}"
        f"<timecode>{rate}<string>01:00:00;00</string><frame>107892</frame><displayformat>DF</displayformat></timecode>"
        f"<media><video><track>{item('a', 0, 20, 10, 30)}{item('b', 20, 60, 40, 80, effect=half)}"
        f"{item('n', 60, 80, 5, 25, more=nested)}</track></video></media></sequence></xmeml>"
    )
    cut = read(tmp_path, text, name="cut.xml")
    spans = [(s.name, s.source.start - 107892, s.source.num_frames, s.record.start - 107892) for s in cut.shots]  # type: ignore[union-attr]
    assert spans == [("a", 10, 20, 0), ("b", 20, 20, 20), ("inside", 105, 20, 60)]
    assert [shot.speed for shot in cut.shots] == ["1/1", "1/2", "1/1"]
    assert cut.rate == "30000/1001" and cut.drop_frame
    assert all(shot.reel == LONG_REEL and shot.source_drop_frame for shot in cut.shots)


ALE = """Heading
FIELD_DELIM\tTABS
FPS\t29.97

Column
Name\tTape\tStart\tEnd\tTracks\tScene\tTake\tASC_SOP

Data
12A\tREEL_WITH_A_LONG_NAME\t00:59:58;00\t01:00:02;00\tV\t12A\t1\t(1 1 1)(0 0 0)(1 1 1)
12B\tB2\t23:59:59;00\t00:00:01;00\tVA1\t12B\t1\t
12C\tB2\t00:01:00;00\t00:01:01;00\tV\t12C\t1\t
wild\tS1\t00:00:00;00\t00:00:10;00\tA1\t\t\t
"""


def test_a_log_of_takes_agrees_with_another_reader_and_keeps_drop_frame(tmp_path: Path) -> None:
    cut = read(tmp_path, ALE, name="log.ale")
    first, across = cut.shots
    assert first.source is not None and first.source_drop_frame and first.reel == "REEL_WITH_A_LONG_NAME"
    assert across.source is not None and across.source.num_frames == 60
    assert [one.name for one in cut.left_out] == ["12C", "wild"]
    assert "drop-frame counting leaves this timecode out" in cut.left_out[0].reason
    theirs = otio.adapters.read_from_string("\n".join(ALE.split("\n")[:9]) + "\n", adapter_name="ale")
    assert [int(one.source_range.start_time.value) for one in theirs] == [first.source.start]
    assert [int(one.source_range.duration.value) for one in theirs] == [first.source.num_frames]


def test_a_list_is_read_in_a_worker_and_its_refusal_arrives_whole(tmp_path: Path) -> None:
    path = tmp_path / "cut.edl"
    path.write_text("TITLE: x\n001 R1 V D 010 01:00:00:00 01:00:01:00 00:00:00:00 00:00:01:00\n")
    with pytest.raises(CutListError) as refusal:
        read_cut_list(path, "24")
    assert refusal.value.found == "no event before it"


REFUSED = {
    *("dissolve_test_fail.edl", "sample_just_track.xml", "premiere_example_filter.xml", "screening_example.otio"),
    *("linear_speed_effects_aaf.mov", "misc_speed_effects_aaf.mov", "v1_prog_index.m3u8", "xges_example.xges"),
}


def test_real_lists_parse_or_are_refused_with_a_reason(material: Path) -> None:
    folders = ("edl", "ale", "fcp7xml", "fcpxml", "aaf", "otio", "other_edit")
    paths = [path for folder in folders for path in sorted((material / "interchange" / folder).iterdir())]
    refused = set()
    for path in paths:
        rate = {"25fps.edl": "25"}.get(path.name, "24") if path.suffix == ".edl" else None
        try:
            cut = read_cut_list(path, rate, in_worker=False)
        except CutListError as error:
            refused.add(path.name)
            assert error.found and error.expected, path.name
            continue
        assert cut.shots or cut.left_out, path.name
        assert len({shot.name for shot in cut.shots}) == len(cut.shots)
        assert all(shot.source or shot.notes for shot in cut.shots), path.name
    assert refused == REFUSED
