"""A plate in its own encoding, a mini-model in another: repaired there, handed back in the plate's codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from stand_ins import HEIGHT, RATE, SOURCE, TASK, WIDTH, KnownErrors, bar_mask, settings, write_mask, write_sequence

from interpositive.delivery.comparability import look_at, refuse_mismatch
from interpositive.delivery.deliver import deliver_shot
from interpositive.delivery.filled_frame import composite
from interpositive.delivery.rehearsal import rehearse
from interpositive.delivery.restoring import WindowPlan, restore_shot
from interpositive.errors import ColourError, MediaError
from interpositive.functional.examples import Example
from interpositive.media.colour_management import convert, display_view
from interpositive.media.opening import open_reader
from interpositive.media.plate_colour import PlateColour
from interpositive.media.sequence_writer import SequenceWriter
from interpositive.media.still_tags import FrameTags
from interpositive.mini_models.contract import Restored
from interpositive.records.cdl import Cdl
from interpositive.records.delivery_manifest import DeliveryManifest, read_and_verify
from interpositive.records.measures import Measures

NUM_FRAMES = 5


class Gives(KnownErrors):
    """Restores everything to one value, and notes the values that it was shown."""

    def __init__(self, value: float) -> None:
        super().__init__({"trained": 0.0})
        self.value = value
        self.shown: list[torch.Tensor] = []

    def restore(self, example: Example, keep: range, methods: Sequence[str] | None = None) -> Mapping[str, Restored]:
        self.shown.append(example.input.clone())
        frames = torch.full_like(example.input[keep.start : keep.stop], self.value)
        return {"trained": Restored(frames, torch.ones(len(keep), 1, *frames.shape[-2:]))}


def _light() -> NDArray[np.float32]:
    random = np.random.default_rng(0)
    return np.exp(random.uniform(-5.0, 2.5, (NUM_FRAMES, HEIGHT, WIDTH, 3))).astype(np.float32)


def _plate(folder: Path, light: NDArray[np.float32], encoding: str = "acescg") -> Path:
    folder.mkdir()
    tags = FrameTags(encoding=encoding)
    SequenceWriter(
        folder, "plate", format="exr", first_frame=1, rate=RATE, start_timecode=None, bits=32, tags=tags
    ).write(light)
    return folder


def _deliver(shot: Path, folder: Path, model: KnownErrors, model_encoding: str, **changes: Any) -> DeliveryManifest:
    mask = write_mask(folder.parent / f"mask_of_{folder.name}", bar_mask(NUM_FRAMES))
    source = replace(SOURCE, encoding=model_encoding)
    return deliver_shot(shot, mask, folder, model, TASK, source, settings(**changes))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_untouched_codes_stay_and_restored_values_come_back_as_codes(dtype: type[np.generic]) -> None:
    codes: Any = convert(_light(), "acescg", "arri_logc3")
    top = {np.uint8: 255, np.uint16: 65535, np.float32: 1}[dtype]  # type: ignore[index]
    if top > 1:
        codes = np.rint(codes.clip(0, 1) * top).astype(dtype)
    mask = bar_mask(NUM_FRAMES) / np.float32(255)
    model = Gives(float(convert(np.full((1, 3), 0.18, np.float32), "acescg", "acescct")[0, 0]))
    colour = PlateColour("arri_logc3", "acescct")
    found = list(
        restore_shot(
            lambda a, b: codes[a:b], lambda a, b: mask[a:b], NUM_FRAMES, model, ("trained",),
            WindowPlan(NUM_FRAMES, 0, 0), colour=colour,
        )
    )  # fmt: skip
    expected = convert(codes.astype(np.float32) / np.float32(top), "arri_logc3", "acescct")
    np.testing.assert_allclose(model.shown[0].permute(0, 2, 3, 1).numpy(), expected, atol=1e-6)
    for frame, plate, hole in zip(found, codes, mask > 0, strict=True):
        result = frame.results["trained"]
        assert result.dtype == dtype and result[~hole].tobytes() == plate[~hole].tobytes()
        # ARRI's own code of 18 % grey.
        assert result[hole] == pytest.approx(0.391 * top, abs=1e-4 * top + 0.5 * (top > 1))


def test_highlights_of_a_linear_plate_survive_a_model_of_log() -> None:
    colour = PlateColour("acescg", "acescct")
    plate = np.full((2, 2, 3), 12.0, np.float32)
    restored = torch.from_numpy(colour.to_values(plate)).permute(2, 0, 1).flatten(1)
    assert composite(plate, restored, np.ones((2, 2), np.float32), colour) == pytest.approx(12.0, rel=1e-5)


def test_a_delivery_keeps_the_plates_encoding_and_shows_the_view(tmp_path: Path) -> None:
    light = _light()
    manifest = _deliver(_plate(tmp_path / "plate", light), tmp_path / "out", Gives(0.4), "acescct", frame_format="exr")
    assert "acescg" in manifest.encoding and "repaired in acescct" in manifest.encoding
    assert not [note for note in manifest.notes if "encoding" in note]
    delivered = open_reader(tmp_path / "out" / "frames")
    hole = bar_mask(NUM_FRAMES) > 0
    assert delivered.info.encoding == "acescg"
    assert delivered.window(0, NUM_FRAMES)[~hole].tobytes() == light[~hole].tobytes()
    movie = open_reader(tmp_path / "out" / "review" / "plate.mp4").window(0, NUM_FRAMES) / 255.0
    shown = display_view(light, "acescg")
    # Noise through H.264 and 4:2:0 keeps its mean, and that is far from the stored light's.
    assert movie.mean() == pytest.approx(shown.mean(), abs=0.02)
    assert abs(light.clip(0, 1).mean() - shown.mean()) > 0.05
    matte = open_reader(tmp_path / "out" / "review" / "matte.mp4").window(0, 1)[0, ..., 0]
    assert matte[hole[0]].min() > 200 and matte[:, :4].max() < 20
    (measured,) = Measures.read(tmp_path / "out" / "measures.json").shots
    assert measured.encoding == "acescct"


def test_a_grade_is_shown_and_never_delivered(tmp_path: Path) -> None:
    light = np.full((NUM_FRAMES, HEIGHT, WIDTH, 3), 0.18, np.float32)
    plate = _plate(tmp_path / "plate", light)
    cdl = Cdl(slope=(0.5, 0.5, 0.5))
    for name, grade in (("plain", None), ("graded", cdl)):
        _deliver(plate, tmp_path / name, Gives(0.18), "native", frame_format="exr", cdl=grade)
    means = [open_reader(tmp_path / name / "review" / "plate.mp4").window(0, 1).mean() for name in ("plain", "graded")]
    assert means[1] < means[0] - 20
    notes = [read_and_verify(tmp_path / name).notes for name in ("plain", "graded")]
    assert not any("CDL" in note for note in notes[0]) and any("under the given CDL, (0.5" in note for note in notes[1])
    with pytest.raises(ColourError, match="scene light"):
        _deliver(plate, tmp_path / "finished", Gives(0.18), "native", cdl=cdl, encoding="rec709_display")
    assert not (tmp_path / "finished").exists()
    frames = [open_reader(tmp_path / name / "frames").window(0, NUM_FRAMES) for name in ("plain", "graded")]
    assert frames[0].tobytes() == frames[1].tobytes()


def test_a_plate_that_does_not_say_its_encoding_is_asked_about(tmp_path: Path) -> None:
    codes = np.full((NUM_FRAMES, HEIGHT, WIDTH, 3), 30000, np.uint16)
    plate = tmp_path / "plate"
    plate.mkdir()
    SequenceWriter(
        plate, "plate", format="png16", first_frame=1, rate=RATE, start_timecode=None, bits=16, tags=FrameTags()
    ).write(codes)
    with pytest.raises(ColourError, match="encoding=<name>"):
        _deliver(plate, tmp_path / "refused", Gives(0.4), "acescct")
    assert not (tmp_path / "refused").exists()
    _deliver(plate, tmp_path / "named", Gives(0.4), "acescct", encoding="arri_logc3")
    assert open_reader(tmp_path / "named" / "frames").info.encoding == "arri_logc3"
    manifest = _deliver(plate, tmp_path / "native", Gives(0.4), "native")
    assert any("not known" in note for note in manifest.notes)


def test_a_native_model_says_when_it_learned_from_other_codes(tmp_path: Path) -> None:
    plate = _plate(tmp_path / "plate", _light())
    mask = write_mask(tmp_path / "mask", bar_mask(NUM_FRAMES))
    source = replace(SOURCE, training_encodings=frozenset({"rec709_display"}))
    manifest = deliver_shot(plate, mask, tmp_path / "out", Gives(0.4), TASK, source, settings(frame_format="exr"))
    assert manifest.notes[1:] == [
        "the mini-model learned from takes whose encoding is rec709_display; this plate is acescg"
    ]


def _bar(frames: torch.Tensor, generator: torch.Generator, damage: torch.Tensor | None = None) -> Example:
    mask = torch.zeros_like(frames[:, :1])
    mask[..., 6:10] = 1.0
    return Example(torch.where(mask > 0, torch.zeros_like(frames), frames), mask, frames)


def test_rehearsals_keep_depth_light_and_encoding(tmp_path: Path) -> None:
    light = _light()
    folder = rehearse(_plate(tmp_path / "take", light), _bar, tmp_path / "linear")
    truth = open_reader(folder / "truth")
    assert truth.info.encoding == open_reader(folder / "shot").info.encoding == "acescg"
    np.testing.assert_array_equal(truth.window(0, NUM_FRAMES), light)

    codes = np.random.default_rng(1).integers(0, 65536, (NUM_FRAMES, HEIGHT, WIDTH, 3)).astype(np.uint16)
    take = write_sequence(tmp_path / "deep", codes)
    folder = rehearse(take, _bar, tmp_path / "log", encoding="arri_logc4")
    shot = open_reader(folder / "shot.mkv")
    assert shot.info.encoding == "arri_logc4" and shot.info.colour.transfer == "unknown"
    np.testing.assert_array_equal(open_reader(folder / "truth.mkv").window(0, NUM_FRAMES), codes)
    assert cv2.imread(str(next((folder / "mask").iterdir())), cv2.IMREAD_UNCHANGED).max() == 255


def test_pictures_of_two_encodings_are_not_compared(tmp_path: Path) -> None:
    light = _light()
    one, same, other = (
        look_at(role, _plate(tmp_path / role, light, encoding))
        for role, encoding in (("result", "acescg"), ("plate", "acescg"), ("reference", "arri_logc4"))
    )
    refuse_mismatch(one, same)
    with pytest.raises(MediaError, match="colour encoding"):
        refuse_mismatch(one, other)
    refuse_mismatch(one, other, encoding="arri_logc4")
