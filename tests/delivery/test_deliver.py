"""A delivery, read back as a stranger would: bit for bit the plate outside the mask, and accounted for inside."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import OpenImageIO as oiio
import pytest
from numpy.typing import NDArray
from stand_ins import (
    ERRORS,
    GREY,
    HEIGHT,
    SOURCE,
    TASK,
    WIDTH,
    KnownErrors,
    Meddler,
    bar_mask,
    noise_codes,
    settings,
    write_drawing,
    write_mask,
    write_movie,
    write_png8,
    write_sequence,
)

from interpositive.delivery.deliver import deliver_shot
from interpositive.errors import ConfigError, IntegrityError, MaskError, MediaError, StorageError
from interpositive.media.opening import open_reader
from interpositive.mini_models.contract import MiniModel
from interpositive.records.delivery_manifest import DeliveryManifest, read_and_verify
from interpositive.records.hash_lists.verifying import verify_folder
from interpositive.records.measures import Measures
from interpositive.records.timecode import frame_to_timecode, timecode_to_frame

NUM_FRAMES = 7
NTSC = Fraction(30000, 1001)


def deliver(
    shot: Path, mask: Path, folder: Path, mini_model: MiniModel | None = None, **changes: Any
) -> DeliveryManifest:
    return deliver_shot(shot, mask, folder, mini_model or KnownErrors(), TASK, SOURCE, settings(**changes))


def read_file(path: Path, kind: Any) -> NDArray[Any]:
    opened = oiio.ImageInput.open(str(path))
    spec = opened.spec()
    pixels = np.asarray(opened.read_image(0, 0, 0, spec.nchannels, kind)).reshape(spec.height, spec.width, -1)
    opened.close()
    return pixels


def stored_type(path: Path) -> str:
    opened = oiio.ImageInput.open(str(path))
    name = str(opened.spec().format)
    opened.close()
    return name


def timecode_in(path: Path) -> Any:
    opened = oiio.ImageInput.open(str(path))
    value = opened.spec().getattribute("smpte:TimeCode")
    opened.close()
    return value


def check_untouched(
    folder: Path, expected: NDArray[Any], mask: NDArray[np.uint8], kind: Any, manifest: DeliveryManifest
) -> None:
    """Compare each delivered file with what the plate's codes must have become, and the matte with what changed."""
    suffix = {"png16": "png", "exr": "exr"}[manifest.frame_format]
    files = sorted((folder / "frames").glob(f"*.{suffix}"))
    mattes = sorted((folder / "matte").glob("*.png"))
    assert len(files) == len(mattes) == len(expected) == len(manifest.frames)
    for file, matte_file, plate, inside, account in zip(
        files, mattes, expected, mask > 0, manifest.frames, strict=True
    ):
        found = read_file(file, kind)
        assert found.dtype == plate.dtype
        assert found[~inside].tobytes() == plate[~inside].tobytes(), f"{file.name} differs outside its mask"
        differs = found.view(f"u{found.itemsize}") != np.ascontiguousarray(plate).view(f"u{plate.itemsize}")
        changed = differs.any(-1)
        matte = cv2.imread(str(matte_file), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(matte, changed.astype(np.uint8) * 255)
        assert (account.mask_pixels, account.altered_pixels) == (int(inside.sum()), int(changed.sum()))
        assert account.untouched_violations == 0
        if inside.any():
            assert changed[inside].mean() > 0.9, "the mask is where the repair was asked for"
    assert read_and_verify(folder) == manifest


@pytest.mark.parametrize("frame_format", ["png16", "exr"])
@pytest.mark.parametrize("codec", ["h264", "ffv1", "prores"])
def test_a_movie_comes_back_bit_for_bit_outside_the_mask(tmp_path: Path, codec: str, frame_format: str) -> None:
    suffix = {"h264": "mp4", "ffv1": "mkv", "prores": "mov"}[codec]
    shot = write_movie(tmp_path / f"shot.{suffix}", noise_codes(NUM_FRAMES), codec)
    mask = bar_mask(NUM_FRAMES, empty=[2])
    manifest = deliver(shot, write_mask(tmp_path / "mask", mask), tmp_path / "out", frame_format=frame_format)
    reader = open_reader(shot)
    codes = reader.window(0, NUM_FRAMES)
    reader.close()
    if codec == "h264":
        assert codes.dtype == np.uint8
        expected = codes.astype(np.uint16) * 257 if frame_format == "png16" else np.float16(codes / np.float32(255))
    else:
        assert codes.dtype == np.uint16 and len(np.unique(codes)) > 256, "ten bits are kept, not eight"
        expected = codes if frame_format == "png16" else codes / np.float32(65535)
    kind = oiio.UINT16 if frame_format == "png16" else (oiio.HALF if codec == "h264" else oiio.FLOAT)
    check_untouched(tmp_path / "out", expected, mask, kind, manifest)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_frame_sequence_keeps_its_codes_and_its_numbers(tmp_path: Path, dtype: type[np.generic]) -> None:
    codes, mask = noise_codes(NUM_FRAMES, dtype), bar_mask(NUM_FRAMES)
    if dtype is np.uint8:
        shot = write_png8(tmp_path / "plate.v002", codes, first_frame=1001)
    else:
        shot = write_sequence(tmp_path / "plate.v002", codes, first_frame=1001)
    manifest = deliver(shot, write_mask(tmp_path / "mask", mask), tmp_path / "out")
    expected = codes.astype(np.uint16) * (257 if dtype is np.uint8 else 1)
    check_untouched(tmp_path / "out", expected, mask, oiio.UINT16, manifest)
    assert manifest.first_frame == 1001 and manifest.shot == "plate.v002"
    assert [f.frame for f in manifest.frames] == list(range(1001, 1001 + NUM_FRAMES))
    assert (tmp_path / "out" / "frames" / "plate.v002.0001001.png").is_file()
    assert (tmp_path / "out" / "matte" / "plate.v002.0001007.png").is_file()
    (measured,) = Measures.read(tmp_path / "out" / "measures.json").shots
    assert measured.first_frame == 1001 and set(measured.worst_frames) <= set(range(1001, 1001 + NUM_FRAMES))


def test_a_first_frame_that_is_named_wins_and_a_movie_begins_at_nought(tmp_path: Path) -> None:
    shot = write_png8(tmp_path / "plate", noise_codes(2), first_frame=1001)
    mask = write_mask(tmp_path / "mask", bar_mask(2))
    assert deliver(shot, mask, tmp_path / "a", first_frame=12).frames[0].frame == 12
    movie = write_movie(tmp_path / "shot.mkv", noise_codes(2))
    assert deliver(movie, mask, tmp_path / "b").frames[0].frame == 0
    with pytest.raises(ConfigError, match="-1"):
        deliver(shot, mask, tmp_path / "c", first_frame=-1)


class TestFloatPlates:
    @pytest.mark.parametrize("half", [True, False])
    def test_hdr_values_infinities_and_nans_survive(self, tmp_path: Path, half: bool) -> None:
        codes = noise_codes(4, np.float32) * 40
        codes[:, 0, 0] = (np.nan, np.inf, -np.inf)
        codes[:, 20, 7] = (np.inf, 1.0, np.nan)
        codes[3] = 0.0
        if half:
            codes = codes.astype(np.float16).astype(np.float32)
        bits = 16 if half else 32
        shot = write_sequence(tmp_path / "plate", codes, "exr", first_frame=5, bits=bits)
        mask = bar_mask(4, empty=[1])
        manifest = deliver(shot, write_mask(tmp_path / "mask", mask), tmp_path / "out", frame_format="exr")
        kind, name = (oiio.HALF, "half") if half else (oiio.FLOAT, "float")
        assert {stored_type(p) for p in (tmp_path / "out" / "frames").iterdir()} == {name}
        check_untouched(tmp_path / "out", codes.astype(np.float16) if half else codes, mask, kind, manifest)
        inside = read_file(tmp_path / "out" / "frames" / "plate.0000005.exr", oiio.FLOAT)[mask[0] > 0]
        np.testing.assert_allclose(inside, GREY + ERRORS["trained"], rtol=1e-3)

    @pytest.mark.parametrize("bits", [16, 32])
    def test_they_do_not_go_into_png_and_that_is_said_before_any_work(self, tmp_path: Path, bits: int) -> None:
        codes = np.full((2, HEIGHT, WIDTH, 3), 0.25 if bits == 16 else 0.1, np.float32)
        shot = write_sequence(tmp_path / "plate", codes, "exr", bits=bits)
        mini_model = KnownErrors()
        with pytest.raises(MediaError, match="exr"):
            deliver(
                shot, write_mask(tmp_path / "mask", bar_mask(2)), tmp_path / "out", mini_model, frame_format="png16"
            )
        assert not mini_model.asked and not (tmp_path / "out").exists()


class TestTimecode:
    @pytest.mark.parametrize(
        ("rate", "start"),
        [(Fraction(24), "01:00:59:22"), (Fraction(24000, 1001), "10:59:59:21"), (NTSC, "00:00:59;27")],
    )
    @pytest.mark.parametrize("frame_format", ["png16", "exr"])
    def test_it_goes_on_from_frame_to_frame(
        self, tmp_path: Path, rate: Fraction, start: str, frame_format: str
    ) -> None:
        shot = write_movie(tmp_path / "shot.mov", noise_codes(NUM_FRAMES), "prores", rate, start)
        mask = write_mask(tmp_path / "mask", bar_mask(NUM_FRAMES))
        manifest = deliver(shot, mask, tmp_path / "out", frame_format=frame_format, first_frame=1001)
        drop = ";" in start
        expected = [frame_to_timecode(timecode_to_frame(start, rate) + n, rate, drop) for n in range(NUM_FRAMES)]
        assert expected[0] == start and manifest.start_timecode == start
        assert [frame.timecode for frame in manifest.frames] == expected
        if drop:
            assert "00:01:00;02" in expected and "00:01:00;00" not in expected
        found = [timecode_in(path) for path in sorted((tmp_path / "out" / "frames").iterdir())]
        if frame_format == "png16":
            assert found == expected
        reader = open_reader(tmp_path / "out" / "frames")
        assert reader.info.start_timecode == start and reader.info.rate == rate

    def test_a_shot_without_any_has_none(self, tmp_path: Path) -> None:
        shot = write_movie(tmp_path / "shot.mkv", noise_codes(2))
        manifest = deliver(shot, write_mask(tmp_path / "mask", bar_mask(2)), tmp_path / "out")
        assert [frame.timecode for frame in manifest.frames] == [None, None]
        assert timecode_in(tmp_path / "out" / "frames" / "shot.0000000.png") is None


def test_an_odd_raster_is_delivered_and_only_its_review_movies_are_padded(tmp_path: Path) -> None:
    codes = noise_codes(3, np.uint16, height=31, width=37)
    mask = bar_mask(3, 31, 37)
    shot = write_sequence(tmp_path / "plate", codes)
    manifest = deliver(shot, write_mask(tmp_path / "mask", mask), tmp_path / "out", compare="all")
    check_untouched(tmp_path / "out", codes, mask, oiio.UINT16, manifest)
    assert (manifest.width, manifest.height) == (37, 31)
    for movie in (tmp_path / "out" / "review").iterdir():
        info = open_reader(movie).info
        assert (info.width, info.height, info.num_frames) == (38, 32, 3)


def test_a_soft_mask_changes_only_where_it_is_above_nought(tmp_path: Path) -> None:
    codes = np.full((2, HEIGHT, WIDTH, 3), 10000, np.uint16)
    mask = np.zeros((2, HEIGHT, WIDTH), np.uint8)
    mask[:, :, 10:30] = np.linspace(0, 255, 20).astype(np.uint8)
    shot = write_sequence(tmp_path / "plate", codes)
    deliver(shot, write_mask(tmp_path / "mask", mask), tmp_path / "out")
    row = read_file(tmp_path / "out" / "frames" / "plate.0000000.png", oiio.UINT16)[5, :, 0].astype(int)
    assert np.all(row[:11] == 10000) and np.all(row[30:] == 10000)
    assert np.all(np.diff(row[10:30]) >= 0) and row[29] == round((GREY + ERRORS["trained"]) * 65535)


class TestChoosing:
    def test_the_gate_chooses_and_every_method_is_shown(self, tmp_path: Path) -> None:
        codes = np.full((NUM_FRAMES, HEIGHT, WIDTH, 3), round(GREY * 65535), np.uint16)
        shot = write_sequence(tmp_path / "plate", codes)
        errors = {**ERRORS, "trained": 0.3}
        mask = write_mask(tmp_path / "mask", bar_mask(NUM_FRAMES))
        manifest = deliver(shot, mask, tmp_path / "out", KnownErrors(errors), method="choose", compare="all")
        assert manifest.method == "prior" and manifest.gate["psnr_hole/prior"] == pytest.approx(26.02, abs=0.05)
        (shown,) = Measures.read(tmp_path / "out" / "measures.json").shots
        assert shown.chosen_method == "prior"
        assert set(shown.pictures) == {"plate", "result", "matte", "trained", "flow", "telea"}
        assert all((tmp_path / "out" / path).is_file() for path in shown.pictures.values())
        assert "held-out pixels" in shown.comments[0]

    @pytest.mark.parametrize(("num", "beside"), [(0, set()), (1, {"flow"}), (2, {"flow", "telea"}), (9, None)])
    def test_the_best_on_held_out_pixels_are_shown_beside_it(
        self, tmp_path: Path, num: int, beside: set[str] | None
    ) -> None:
        codes = np.full((NUM_FRAMES, HEIGHT, WIDTH, 3), round(GREY * 65535), np.uint16)
        shot, mask = write_sequence(tmp_path / "plate", codes), write_mask(tmp_path / "mask", bar_mask(NUM_FRAMES))
        model = KnownErrors({**ERRORS, "trained": 0.3})
        deliver(shot, mask, tmp_path / "out", model, method="choose", compare=num)
        (shown,) = Measures.read(tmp_path / "out" / "measures.json").shots
        others = {"flow", "telea", "trained"} if beside is None else beside
        assert set(shown.pictures) == {"plate", "result", "matte", *others} and set(shown.values) == {"prior", *others}

    @pytest.mark.parametrize(("fill", "altered"), [(0, 0), (255, WIDTH * HEIGHT)])
    def test_a_mask_of_nothing_or_of_everything_is_delivered_with_a_note(
        self, tmp_path: Path, fill: int, altered: int
    ) -> None:
        mask = np.full((3, HEIGHT, WIDTH), fill, np.uint8)
        shot = write_movie(tmp_path / "shot.mkv", noise_codes(3))
        manifest = deliver(shot, write_mask(tmp_path / "mask", mask), tmp_path / "out", method="choose", compare="all")
        assert manifest.method == "prior" and manifest.notes and "prior" in manifest.notes[0]
        assert abs(sum(f.altered_pixels for f in manifest.frames) - 3 * altered) <= 3
        assert Measures.read(tmp_path / "out" / "measures.json").shots[0].comments == manifest.notes
        assert read_and_verify(tmp_path / "out") == manifest

    def test_a_method_that_does_not_exist_is_refused_with_those_that_do(self, tmp_path: Path) -> None:
        shot = write_movie(tmp_path / "shot.mkv", noise_codes(2))
        with pytest.raises(ConfigError, match="trained") as caught:
            deliver(shot, write_mask(tmp_path / "mask", bar_mask(2)), tmp_path / "out", method="magic")
        assert caught.value.found == "magic" and not (tmp_path / "out").exists()


class TestRefused:
    def test_nothing_is_ever_overwritten(self, tmp_path: Path) -> None:
        shot = write_movie(tmp_path / "shot.mkv", noise_codes(2))
        mask = write_mask(tmp_path / "mask", bar_mask(2))
        deliver(shot, mask, tmp_path / "out")
        before = {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}
        with pytest.raises(StorageError, match="never overwritten"):
            deliver(shot, mask, tmp_path / "out")
        (tmp_path / "empty").mkdir()
        with pytest.raises(StorageError, match="never overwritten"):
            deliver(shot, mask, tmp_path / "empty")
        assert before == {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}

    def test_a_mask_of_another_length_leaves_nothing_behind(self, tmp_path: Path) -> None:
        shot = write_movie(tmp_path / "shot.mkv", noise_codes(3))
        with pytest.raises(MaskError):
            deliver(shot, write_mask(tmp_path / "mask", bar_mask(2)), tmp_path / "out")
        assert sorted(p.name for p in tmp_path.iterdir()) == ["mask", "shot.mkv"]

    def test_a_meddling_mini_model_does_not_reach_the_files(self, tmp_path: Path) -> None:
        codes, mask = noise_codes(3, np.uint16), bar_mask(3)
        shot = write_sequence(tmp_path / "plate", codes)
        manifest = deliver(shot, write_mask(tmp_path / "mask", mask), tmp_path / "out", Meddler())
        check_untouched(tmp_path / "out", codes, mask, oiio.UINT16, manifest)

    def test_a_file_that_changed_before_the_check_stops_the_delivery(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from interpositive.delivery import deliver as module

        honest = module.verify_untouched

        def damage_first(scratch: Path, *others: Any) -> Any:
            path = scratch / "frames" / "plate.0000001.png"
            opened = oiio.ImageInput.open(str(path))
            picture, spec = opened.read_image(oiio.UINT16), opened.spec()
            opened.close()
            picture[0, 0, 0] ^= 1
            output = oiio.ImageOutput.create(str(path))
            assert output.open(str(path), spec) and output.write_image(picture) and output.close()
            return honest(scratch, *others)

        monkeypatch.setattr(module, "verify_untouched", damage_first)
        shot = write_sequence(tmp_path / "plate", noise_codes(3, np.uint16))
        with pytest.raises(IntegrityError, match="frame 1 changed outside"):
            deliver(shot, write_mask(tmp_path / "mask", bar_mask(3)), tmp_path / "out")
        assert sorted(p.name for p in tmp_path.iterdir()) == ["mask", "plate"]


class TestManifest:
    @pytest.fixture
    def delivered(self, tmp_path: Path) -> Path:
        shot = write_movie(tmp_path / "shot.mkv", noise_codes(3))
        line = {"points": [[5, 0], [20, 31]], "width_px": 2}
        deliver(shot, write_drawing(tmp_path / "m.json", {"1": [line]}), tmp_path / "out")
        return tmp_path / "out"

    def test_it_names_every_file_and_every_source(self, delivered: Path) -> None:
        manifest = read_and_verify(delivered)
        named = {entry.path for entry in manifest.files}
        there = {p.relative_to(delivered).as_posix() for p in delivered.rglob("*") if p.is_file()}
        assert there - named == {"manifest.json", manifest.hash_list, "ascmhl/ascmhl_chain.xml"} and not named - there
        assert [s.role for s in manifest.sources] == ["plate", "mask", "mini-model"]
        assert all(len(s.sha256) == 64 for s in manifest.sources)
        assert manifest.training_takes == ["10A_01"] and manifest.production == "tiny"
        assert [bool(f.altered_pixels) for f in manifest.frames] == [False, True, False]

    @pytest.mark.parametrize("harm", ["change", "remove", "add"])
    @pytest.mark.parametrize("group", ["frames", "matte"])
    def test_harm_is_found_and_named(self, delivered: Path, harm: str, group: str) -> None:
        path = sorted((delivered / group).iterdir())[1]
        if harm == "change":
            content = bytearray(path.read_bytes())
            content[-20] ^= 1
            path.write_bytes(bytes(content))
        elif harm == "remove":
            path.unlink()
        else:
            path = path.with_name("stray.png")
            path.write_bytes(b"")
        with pytest.raises(IntegrityError, match=path.name):
            read_and_verify(delivered)

    def test_any_asc_mhl_tool_can_verify_it_and_nobody_is_named(self, delivered: Path) -> None:
        manifest, check = read_and_verify(delivered), verify_folder(delivered)
        assert check.verified, check.describe()
        assert {file.path for file in check.files} == {"manifest.json", *(entry.path for entry in manifest.files)}
        text = (delivered / manifest.hash_list).read_text()
        assert "<hostname></hostname>" in text and str(delivered.parent) not in text

    @pytest.mark.parametrize(
        ("path", "old", "new", "said"),
        [
            ("manifest.json", '"production": "tiny"', '"production": "huge"', "manifest.json is not the file"),
            ("measures.json", '"role"', '"rule"', "measures.json is not the file"),
            ("ascmhl/ascmhl_chain.xml", 'sequencenr="1"', 'sequencenr="2"', "does not count its generations"),
            ("{hash_list}", 'action="original"', 'action="verified"', "changed after it was sealed"),
        ],
    )
    def test_an_edited_record_is_found(self, delivered: Path, path: str, old: str, new: str, said: str) -> None:
        edited = delivered / path.format(hash_list=read_and_verify(delivered).hash_list)
        text = edited.read_text()
        assert old in text
        edited.write_text(text.replace(old, new))
        with pytest.raises(IntegrityError, match=said):
            read_and_verify(delivered)

    def test_a_frame_that_is_a_link_is_refused(self, delivered: Path) -> None:
        frame = sorted((delivered / "frames").iterdir())[0]
        shutil.move(frame, delivered / "elsewhere.png")
        frame.symlink_to("../elsewhere.png")
        with pytest.raises(IntegrityError, match=f"{frame.name} is a link"):
            read_and_verify(delivered)

    def test_a_dropped_hash_list_is_found(self, delivered: Path) -> None:
        shutil.rmtree(delivered / "ascmhl")
        with pytest.raises(IntegrityError, match="it is missing"):
            read_and_verify(delivered)


_FULL_DISK = """
import resource, sys
from pathlib import Path
sys.path[:0] = [{here!r}, {tests!r}]
import interpositive._torchvision_guard
from stand_ins import *
from interpositive.delivery.deliver import deliver_shot
from interpositive.errors import StorageError
here = Path({folder!r})
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    deliver_shot(here / "plate", here / "mask", here / "out", KnownErrors(), TASK, SOURCE,
                 settings(frame_format={frame_format!r}))
except StorageError as error:
    print(error)
    raise SystemExit(error.exit_code)
"""


# 4 kB stop the first frame, 9.5 kB let frames through but not a review movie or the manifest.
@pytest.mark.parametrize(("frame_format", "limit"), [("exr", 4_000), ("png16", 9_500)])
def test_a_disk_that_refuses_midway_is_one_message_and_leaves_nothing(
    tmp_path: Path, frame_format: str, limit: int
) -> None:
    write_sequence(tmp_path / "plate", noise_codes(12, np.uint16))
    write_mask(tmp_path / "mask", bar_mask(12))
    here = Path(__file__).resolve().parent
    code = _FULL_DISK.format(
        here=str(here), tests=str(here.parent), folder=str(tmp_path), limit=limit, frame_format=frame_format
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == StorageError.exit_code, done.stderr
    assert "could not write" in done.stdout and "free some space" in done.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mask", "plate"]


def test_the_manifest_is_plain_json(tmp_path: Path) -> None:
    shot = write_movie(tmp_path / "shot.mkv", noise_codes(2))
    deliver(shot, write_mask(tmp_path / "mask", bar_mask(2)), tmp_path / "out")
    plain = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert plain["schema_version"] == 1 and plain["num_frames"] == 2
