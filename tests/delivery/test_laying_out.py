"""A request lays out the plate: its own mask, another length, and paperwork that says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from stand_ins import SOURCE, KnownErrors, NothingDamaged, bar_mask, noise_codes, settings, write_mask, write_movie

from interpositive.delivery.deliver import deliver_shot
from interpositive.errors import MaskError
from interpositive.media.contract import FrameReader
from interpositive.media.opening import open_reader
from interpositive.media.plate_colour import PlateColour
from interpositive.records.delivery_manifest import DeliveryManifest
from interpositive.tasks.laying_out import Asked, LaidOut, LaidOutReader, MadeMask

NUM_FRAMES = 6


class Places(Asked):
    after: int = 2


class OpensAGap(NothingDamaged):
    """One black frame more, all of it mask, after a frame of the footage."""

    asks: ClassVar[type[Asked]] = Places

    def lay_out(self, reader: FrameReader, asked: Asked, colour: PlateColour) -> LaidOut:
        assert isinstance(asked, Places)
        order = np.insert(np.arange(len(reader)), asked.after + 1, -1)

        def read(start: int, stop: int) -> Any:
            codes = reader.window(0, len(reader))[order[start:stop]].copy()
            codes[order[start:stop] < 0] = 0
            return codes

        def made(start: int, stop: int) -> Any:
            size = (reader.info.height, reader.info.width)
            return np.broadcast_to((order[start:stop] < 0)[:, None, None], (stop - start, *size)).astype(np.float32)

        plate = LaidOutReader(reader, read, num_frames=len(order))
        return LaidOut(plate, MadeMask(made), speed=None, notes=("a frame more",))


def deliver(tmp_path: Path, task: NothingDamaged, mask: Any = None, **changes: Any) -> DeliveryManifest:
    shot = write_movie(tmp_path / "shot.mkv", noise_codes(NUM_FRAMES), timecode="10:00:00:00")
    return deliver_shot(shot, mask, tmp_path / "out", KnownErrors(), task, SOURCE, settings(**changes))


def test_a_longer_plate_is_delivered_whole_and_what_was_shot_stays(tmp_path: Path) -> None:
    manifest = deliver(tmp_path, OpensAGap(), asked=Places(after=3))
    assert manifest.num_frames == 7 and len(manifest.frames) == 7 and manifest.asked == {"after": 3}
    assert [bool(frame.altered_pixels) for frame in manifest.frames] == [False] * 4 + [True, False, False]
    assert manifest.frames[4].altered_pixels == manifest.frames[4].mask_pixels == 40 * 32
    assert "a frame more" in manifest.notes
    delivered = open_reader(tmp_path / "out" / "frames").window(0, 7)
    kept = [0, 1, 2, 3, 5, 6]
    shot = open_reader(tmp_path / "shot.mkv").window(0, NUM_FRAMES)
    np.testing.assert_array_equal(delivered[kept], shot.astype(np.uint16) * (257 if shot.dtype == np.uint8 else 1))


def test_the_paperwork_says_which_frames_are_replaced_by_how_many(tmp_path: Path) -> None:
    manifest = deliver(tmp_path, OpensAGap())
    assert manifest.delivered is not None
    assert manifest.delivered.source.num_frames == 6 and manifest.delivered.num_frames == 7
    text = (tmp_path / "out" / "conform.edl").read_text()
    assert "10:00:00:00 10:00:00:06 10:00:00:00 10:00:00:07" in text
    assert "* DELIVERED FRAMES: 0-6" in text and "NO CONSTANT SPEED" in text


@pytest.mark.parametrize("case", ["needed", "given where it has no place", "cannot be found"])
def test_a_mask_is_refused_or_asked_for(tmp_path: Path, case: str) -> None:
    mask = write_mask(tmp_path / "mask", bar_mask(NUM_FRAMES)) if case.startswith("given") else None
    task = OpensAGap() if case.startswith("given") else NothingDamaged()
    said = {"needed": "needs to be told", "cannot be found": "has no finder"}.get(case, "itself says what")
    with pytest.raises(MaskError, match=said):
        deliver(tmp_path, task, "auto" if case == "cannot be found" else mask)
    assert not (tmp_path / "out").exists()
