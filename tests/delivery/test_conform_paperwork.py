"""From the cut to its frames and back: shots are pulled with handles, and the paperwork names what replaces what."""

from __future__ import annotations

from contextlib import closing
from fractions import Fraction
from pathlib import Path

import numpy as np
import opentimelineio as otio
import pytest
from stand_ins import SOURCE, TASK, KnownErrors, bar_mask, noise_codes, settings, write_mask, write_movie

from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.conforming import ConformedCut, conform
from interpositive.dailies.cut_lists import read_cut_list
from interpositive.dailies.ingest import ingest
from interpositive.delivery.conform_paperwork import ConformEvent, conform_edl, conform_timeline, event_of
from interpositive.delivery.deliver import deliver_shot
from interpositive.delivery.joining import is_for, join_deliveries
from interpositive.delivery.plates import Plate, plate_at, plate_of_shot
from interpositive.errors import CutListError, MaskError, MediaError, TimecodeError
from interpositive.media.opening import open_reader
from interpositive.records.cdl import Cdl
from interpositive.records.delivered_shot import DeliveredShot
from interpositive.records.delivery_manifest import DeliveryManifest, read_and_verify
from interpositive.records.identity import FrameRange, rate_text
from interpositive.records.shots import Shot
from interpositive.records.timecode import frames_per_day

REEL = "A001_THE_LONG_NAME_OF_A_REEL"
NTSC, FILM = Fraction(30000, 1001), Fraction(24000, 1001)
CASES = {
    # A take that begins two frames before a minute whose first labels drop-frame leaves out.
    "29.97 drop-frame": (NTSC, "01:00:59;28", ("01:01:00;06", "01:01:00;12"), ("10:00:59;28", "10:01:00;06")),
    "23.976": (FILM, "23:59:59:22", ("00:00:00:04", "00:00:00:10"), ("01:00:00:00", "01:00:00:06")),
}
NUM_FRAMES = 20


def route(folder: Path, rate: Fraction, start: str, source: tuple[str, str], record: tuple[str, str]) -> ConformedCut:
    """Dailies with a slate sheet, and a cut of three shots whose second is in the dailies."""
    (folder / "dailies").mkdir(parents=True)
    codes = np.repeat(np.repeat(noise_codes(NUM_FRAMES, height=4, width=5), 8, 1), 8, 2)
    write_movie(folder / "dailies" / "plate.mkv", codes, "ffv1", rate)
    (folder / "dailies" / "slates.csv").write_text(
        f"file,scene,take,reel,start_timecode\nplate.mkv,12,1,{REEL},{start}\n"
    )
    ingest(folder / "dailies", folder / "c.sqlite", num_workers=0, progress=False)
    # Another event of the same reel, which the list cuts to the same eight characters.
    gap = f"001  {REEL[:8]} V C 02:00:00:00 02:00:00:10 09:00:00:00 09:00:00:10\n"
    (folder / "cut.edl").write_text(
        f"TITLE: Reel 3\nFCM: {'' if ';' in start else 'NON-'}DROP FRAME\n{gap}"
        f"002  {REEL[:8]} V C {' '.join((*source, *record))}\n* FROM CLIP NAME: WIRE 010\n"
        "*ASC_SOP (1.1 1 1)(0 0 0)(1 1 1)\n*ASC_SAT 0.8\n"
    )
    with Catalogue(folder / "c.sqlite") as catalogue:
        conformed = conform(read_cut_list(folder / "cut.edl", rate, in_worker=False), catalogue, 3)
    conformed.write(folder)
    return conformed


def deliver(plate: Plate, mask: Path, folder: Path) -> DeliveryManifest:
    return deliver_shot(plate, mask, folder, KnownErrors(), TASK, SOURCE, settings())


@pytest.mark.parametrize("case", CASES)
def test_a_shot_of_the_cut_goes_out_and_comes_back_frame_by_frame(case: str, tmp_path: Path) -> None:
    rate, start, source, record = CASES[case]
    conformed = route(tmp_path, rate, start, source, record)
    with Catalogue(tmp_path / "c.sqlite") as catalogue:
        plate = plate_of_shot(conformed, "WIRE 010", catalogue.take("12_1"))
    assert (plate.frames, plate.name) == ((3, 15), "WIRE_010")
    # The mask is that of the whole take.
    mask = write_mask(tmp_path / "mask", bar_mask(NUM_FRAMES))
    manifest = deliver(plate, mask, tmp_path / "delivery")
    assert read_and_verify(tmp_path / "delivery") == manifest
    delivered = manifest.delivered
    assert delivered is not None and (manifest.num_frames, manifest.first_frame) == (12, 3)
    assert (delivered.head, delivered.tail, delivered.take, delivered.source.reel) == (3, 3, "12_1", REEL)
    assert delivered.used.timecodes(delivered.drop_frame) == source
    in_words = f"{source[0]} to {source[1]} of {REEL} for WIRE 010 of Reel 3, with handles of 3 and 3"
    assert delivered.in_words == in_words
    assert {entry.path for entry in manifest.files} >= {"conform.otio", "conform.edl"}
    # The frames are those of the take, and each file has its own timecode and reel.
    whole = open_reader(tmp_path / "dailies" / "plate.mkv")
    with closing(plate.open()) as pulled:
        np.testing.assert_array_equal(pulled.window(0, 12), whole.window(3, 15))
    written = open_reader(tmp_path / "delivery" / "frames").info
    assert (written.start_timecode, written.reel) == (delivered.source.timecodes(delivered.drop_frame)[0], REEL)
    # Our own readers, told nothing but the rate, find the same frames in the paperwork.
    for name, told in (("conform.edl", rate), ("conform.otio", None)):
        back = read_cut_list(tmp_path / "delivery" / name, told, in_worker=False)
        (shot,) = back.shots
        assert shot.source is not None and shot.record is not None
        assert (shot.name, shot.source) == ("WIRE 010", delivered.used)
        assert (shot.record.start, shot.record.num_frames) == (conformed.cut_list.shots[1].record.start, 6)  # type: ignore[union-attr]
        assert shot.cdl is not None and shot.cdl.saturation == 0.8
    theirs = otio.adapters.read_from_file(str(tmp_path / "delivery" / "conform.edl"), rate=float(rate))
    (clip,) = theirs.find_clips()
    assert clip.source_range.start_time.value == delivered.used.start % frames_per_day(rate, delivered.drop_frame)
    (clip,) = otio.adapters.read_from_file(str(tmp_path / "delivery" / "conform.otio")).find_clips()
    assert clip.media_reference.target_url_for_image_number(0) == "frames/WIRE_010.0000003.png"
    assert set(clip.media_references()) == {"DEFAULT_MEDIA", "original"}
    # And the whole cut, with this shot relinked and the other as it was.
    joined = join_deliveries([tmp_path / "delivery"], conformed.cut_list, tmp_path / "reel3")
    assert (joined.replaced, joined.stay, joined.notes) == (["WIRE 010"], ["001"], [])
    whole_cut = read_cut_list(tmp_path / "reel3" / "conform.edl", rate, in_worker=False)
    before = [(shot.record, shot.source and shot.source.start) for shot in conformed.cut_list.shots]
    assert [(shot.record, shot.source and shot.source.start) for shot in whole_cut.shots] == before
    text = (tmp_path / "reel3" / "conform.edl").read_text()
    events = [line.split() for line in text.splitlines() if line[:3].isdigit()]
    assert [event[1] for event in events] == [REEL[:8]] * 2, "one reel has one name, as in the cut"
    assert "* SOURCE FILE: ../delivery/frames/WIRE_010.0000003.png" in text and f"* SOURCE REEL: {REEL}" in text
    # The cut written out anew, with the whole reel and then with another take of it.
    whole_reel = read_cut_list(tmp_path / "delivery" / "conform.edl", rate, in_worker=False)
    assert whole_reel.shots[0].reel == REEL
    assert join_deliveries([tmp_path / "delivery"], whole_reel, tmp_path / "anew").replaced == ["WIRE 010"]
    (other,) = whole_reel.shots
    assert other.source is not None
    others = whole_reel.model_copy(update={"shots": [other.model_copy(update={"source": other.source.moved(1)})]})
    with pytest.raises(CutListError, match="is for no shot of"):
        join_deliveries([tmp_path / "delivery"], others, tmp_path / "never")
    with pytest.raises(CutListError, match="two deliveries are for shot WIRE 010"):
        join_deliveries([tmp_path / "delivery"] * 2, conformed.cut_list, tmp_path / "twice")


def test_some_frames_of_a_movie_by_number_and_by_timecode(tmp_path: Path) -> None:
    codes = noise_codes(12)
    movie = write_movie(tmp_path / "m.mkv", codes, "ffv1", Fraction(24), "01:00:00:00")
    by_label, by_number = plate_at(movie, ("01:00:00:02", "01:00:00:07")), plate_at(movie, (2, 7))
    for plate in (by_label, by_number):
        reader = plate.open()
        assert (len(reader), reader.info.start_timecode) == (5, "01:00:00:02")
        np.testing.assert_array_equal(reader.window(1, 3), open_reader(movie).window(3, 5))
    manifest = deliver(by_number, write_mask(tmp_path / "mask", bar_mask(5)), tmp_path / "out")
    assert manifest.first_frame == 2 and [f.timecode for f in manifest.frames][:2] == ["01:00:00:02", "01:00:00:03"]
    with pytest.raises(MaskError, match="is not as long as the shot"):
        deliver(by_number, write_mask(tmp_path / "short", bar_mask(4)), tmp_path / "never")
    for frames in ((0, 13), (-1, 3), (5, 5), ("01:00:00:02", "01:00:01:07")):
        with pytest.raises(MediaError, match="does not have these frames"):
            plate_at(movie, frames).open()
    bare = write_movie(tmp_path / "bare.mkv", codes, "ffv1")
    with pytest.raises(TimecodeError, match="carries no timecode"):
        plate_at(bare, ("01:00:00:02", "01:00:00:07")).open()


def test_a_range_by_timecode_is_counted_as_the_plate_is(tmp_path: Path) -> None:
    midnight = write_movie(tmp_path / "midnight.mkv", noise_codes(8), "ffv1", Fraction(24), "23:59:59:20")
    with closing(plate_at(midnight, ("23:59:59:22", "00:00:00:03")).open()) as reader:
        assert (len(reader), reader.info.start_timecode) == (5, "23:59:59:22")
    with pytest.raises(MediaError, match="does not have these frames"):
        plate_at(midnight, ("23:59:59:19", "23:59:59:22")).open()
    dropping = write_movie(tmp_path / "dropping.mkv", noise_codes(8), "ffv1", NTSC, "01:00:59;28")
    with closing(plate_at(dropping, ("01:00:59;29", "01:01:00;04")).open()) as reader:
        assert len(reader) == 3
    with pytest.raises(TimecodeError, match="counts drop-frame"):
        plate_at(dropping, ("01:00:59:29", "01:01:00:04")).open()


def a_delivery(shot: Shot | None, source: FrameRange, **more: object) -> DeliveredShot:
    told = {"name": "d", "media": "m.mov", "has_timecode": True, "first_frame": 0, "stem": "d", "extension": "png"}
    return DeliveredShot(source=source, shot=shot, **(told | more))  # type: ignore[arg-type]


def test_a_delivery_is_known_by_the_shot_it_was_pulled_for_whatever_the_reel_is_called() -> None:
    day = 24 * 3600 * 24
    for listed, in_dailies in (("", "A001C002"), ("A001C002", ""), ("A001C00.", "A001C002_R1"), ("a001", "A001")):
        shot = a_shot("one", listed, day - 4, 12, 0)
        held = FrameRange(reel=in_dailies, start=day - 6, num_frames=16, rate="24/1")
        delivered = a_delivery(shot, held, head=2, tail=2)
        assert is_for(delivered, shot)
        assert not is_for(delivered, a_shot("one", "B002", day - 4, 12, 0))
        assert not is_for(delivered, a_shot("one", listed, day - 3, 12, 0))
        assert not is_for(delivered, shot.model_copy(update={"overlap_out": 3})), "a longer dissolve needs more frames"
        # A take repaired for itself has nothing but its reel and frames.
        assert is_for(a_delivery(None, held), shot) == (listed in ("A001C00.", "a001"))
    nameless, unnamed = a_delivery(None, held.model_copy(update={"reel": ""})), a_shot("one", "", day - 4, 12, 0)
    assert not is_for(nameless, unnamed)
    assert is_for(nameless, unnamed.model_copy(update={"media_names": ["D:\\rushes\\M.MOV"]}))
    past = FrameRange(reel="A001", start=day - 6, num_frames=16, rate="24/1")
    assert is_for(a_delivery(None, past), a_shot("late", "A001", 2, 4, 0))


def test_a_take_without_timecode_is_placed_as_the_list_counts_it() -> None:
    rate, start = "30000/1001", 107892
    source = FrameRange(reel="A", start=start, num_frames=10, rate=rate)
    shot = a_shot("one", "A", 0, 10, 0).model_copy(
        update={"source": source, "record": source, "source_drop_frame": True, "media_start": start - 4}
    )
    held = FrameRange(reel="", start=2, num_frames=14, rate=rate)
    event = event_of(a_delivery(shot, held, head=2, tail=2, has_timecode=False), "frames")
    (clip,) = conform_timeline("Reel", [event]).find_clips()
    assert clip.source_range.start_time.value == start and clip.available_range().start_time.value == start - 2
    assert "01:00:00;00" in conform_edl("Reel", [event], cut_drop_frame=True)[0]


def a_shot(name: str, reel: str, start: int, frames: int, record: int, **more: object) -> Shot:
    rate = rate_text(Fraction(24))
    source = FrameRange(reel=reel, start=start, num_frames=frames, rate=rate)
    length = int(more.pop("length", frames))  # type: ignore[call-overload]
    return Shot(
        name=name,
        track="V",
        source=source,
        record=FrameRange(reel="", start=record, num_frames=length, rate=rate),
        **more,  # type: ignore[arg-type]
    )


def test_reels_grades_and_retimes_survive_a_list_of_eight_characters(tmp_path: Path) -> None:
    grade = Cdl(slope=(1.1, 1.0, 0.9), offset=(1e-05, 0.0, -0.25), saturation=0.5)
    shots = [
        a_shot("one", "A001C001_240101_R1AB", 86400, 24, 0, cdl=grade),
        a_shot("two", "A001C001_240102_R1AB", 86400, 24, 24),
        a_shot("fast", "short", 100, 48, 48, speed="2/1", length=24),
        a_shot("still", "2. Einheit/Ö", 100, 1, 72, speed="0/1", length=24),
        a_shot("back", "short", 500, 24, 96, speed="-1/1"),
        a_shot("no reel", "", 500, 24, 120),
    ]
    events = [ConformEvent(shot) for shot in shots]
    text, notes = conform_edl("Reel", events, cut_drop_frame=False)
    assert notes == [] and all(len(line.split()[1]) <= 8 for line in text.splitlines() if line[:3].isdigit())
    path = tmp_path / "conform.edl"
    path.write_text(text)
    otio_path = tmp_path / "conform.otio"
    otio.adapters.write_to_file(conform_timeline("Reel", events), str(otio_path))
    for back in (read_cut_list(path, "24", in_worker=False), read_cut_list(otio_path, in_worker=False)):
        assert [(s.name, s.source, s.record, s.speed) for s in back.shots] == [
            (s.name, s.source, s.record, s.speed) for s in shots
        ]
        assert back.shots[0].cdl == grade
    assert [line.split()[1] for line in text.splitlines() if line[:3].isdigit()] == [
        *("A001C001", "A001C0_2", "short", "2Einheit", "short", "AX")
    ]
    assert [line.split()[2] for line in text.splitlines() if line[:2] == "M2"] == ["048.0", "000.0", "-024.0"]
    dissolved = ConformEvent(shots[0].model_copy(update={"transition_out": "dissolve"}))
    assert "a cut in its place" in conform_edl("Reel", [dissolved], cut_drop_frame=False)[1][0]
    curve = ConformEvent(shots[0].model_copy(update={"speed": "", "track": "V2"}))
    text, notes = conform_edl("Reel", [ConformEvent(shots[1]), curve], cut_drop_frame=False)
    assert "shots of V, V2 follow one another" in notes[0] and "the retime of one is no constant speed" in notes[1]
    assert "* RETIMED BY NO CONSTANT SPEED" in text
    slow = a_shot("slow", "B", 0, 24, 0).model_copy(
        update={"source": FrameRange(reel="B", start=0, num_frames=24, rate="25/1")}
    )
    assert (
        "slow is not in conform.edl: an edit decision list counts at one rate"
        in conform_edl("Reel", [ConformEvent(slow)], cut_drop_frame=False)[1][0]
    )
