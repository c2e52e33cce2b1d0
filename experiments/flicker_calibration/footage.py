"""The steady shots of the study, their one fixed split, and how a real shot is brought to the judged size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from interpositive.media.opening import open_reader
from interpositive.soundstage.rendering import render_take
from interpositive.soundstage.spec import SCENE_NAMES, StageSpec

Codes = NDArray[np.uint8]
Pictures = NDArray[np.float32]

NUM_FRAMES = 32
JUDGED_AREA = 384 * 216
VIRTUAL_CROP = 0.8


@dataclass(frozen=True)
class Subject:
    """One steady shot. ``pan``: a virtual camera pans a crop of it (px a frame at the judged size; 0: as shot)."""

    name: str
    split: str
    path: str = ""
    first: int = 0
    pan: float = 0.0
    moving_camera: bool = False


STAGE = tuple(Subject(f"soundstage_{scene}", "fit", scene, moving_camera=scene != "27") for scene in SCENE_NAMES)
REAL = (
    Subject("sam2_cups", "fit", "clips/sam2_cups.mp4", 40, 1.5, True),
    Subject("gopro_hero7", "fit", "clips/gopro_hero7.mp4", 60, 0.0, True),
    Subject("intel_asl_P4_night", "fit", "clips/intel_asl_P4_night.mkv", 10),
    Subject("lp_face_d7", "fit", "clips/lp_face_d7.mp4", 20),
    Subject("intel_room_people", "fit", "clips/intel_room_people.mp4", 80),
    Subject("void_ducky", "fit", "clips/void_ducky.mp4", 10),
    Subject("sam2_juggle", "test", "clips/sam2_juggle.mp4", 60, 1.5, True),
    Subject("imageio_cockatoo", "test", "clips/imageio_cockatoo.mp4", 30, 0.0, True),
    Subject("imageio_realshort", "test", "clips/imageio_realshort.mp4", 0, 0.0, True),
    Subject("skv_carphone", "test", "clips/skv_carphone.mp4", 20, 0.0, True),
    Subject("c2pa_cascade", "test", "clips/c2pa_cascade.mp4", 10, 0.0, True),
    Subject("lp_dim_s32", "test", "clips/lp_dim_s32.mp4", 60, 0.0, True),
    Subject("davis_tennis", "test", "pairs/davis_tennis_240p", 10, 0.0, True),
    Subject("void_ball", "test", "clips/void_ball.mp4", 10, 1.5, True),
)
CONFIRMING = (
    Subject("void_bigben", "test", "clips/void_bigben.mp4", 8, 1.5, True),
    Subject("intel_bottles", "test", "clips/intel_bottles.mp4", 300, 1.5, True),
    Subject("intel_asl_P2_please", "test", "clips/intel_asl_P2_please.mkv", 20, 1.5, True),
    Subject("lp_face_d8", "test", "clips/lp_face_d8.mp4", 100, 1.5, True),
    Subject("lp_face_d18", "test", "clips/lp_face_d18.mp4", 60, 1.5, True),
)
"""Named and measured once, after the definition was frozen."""
NATURAL = Subject("mpy_chaplin", "natural", "clips/mpy_chaplin.mp4", 60)


def picture_source(path: Path) -> Path | None:
    """The movie, or the folder of frames at or right below a path; None if it is not there."""
    if path.is_file():
        return path
    for folder in [path, *sorted(p for p in path.glob("*") if p.is_dir() and "mask" not in p.name.lower())]:
        if any(folder.glob("*.png")) or any(folder.glob("*.jpg")):
            return folder
    return None


def steady_frames(subject: Subject, material: Path) -> Codes | None:
    """The steady shot as 8-bit codes ``t h w 3`` at about 384 x 216, or None if the footage is absent."""
    if subject in STAGE:
        take = render_take(StageSpec(num_frames=NUM_FRAMES), subject.path, 1, with_truth=False)  # type: ignore[arg-type]
        return np.asarray(take.frames)
    source = picture_source(material / subject.path)
    if source is None:
        return None
    window = open_reader(source).window(subject.first, subject.first + NUM_FRAMES)
    frames = np.asarray(window, np.uint8)
    return _reduced(frames, subject.pan)


def _reduced(frames: Codes, pan: float) -> Codes:
    """By area; a virtual camera moves by whole source pixels, so nothing is interpolated."""
    height, width = frames.shape[1:3]
    crop_height, crop_width = height, width
    if pan:
        crop_height, crop_width = int(height * VIRTUAL_CROP), int(width * VIRTUAL_CROP)
    scale = min(1.0, (JUDGED_AREA / (crop_height * crop_width)) ** 0.5)
    size = (2 * round(crop_width * scale / 2), 2 * round(crop_height * scale / 2))
    reduced = []
    for place, frame in enumerate(frames):
        x = y = 0
        if pan:
            x = round(min(place * pan / scale, width - crop_width))
            sway = np.sin(place / 5.0) + 0.6 * np.sin(place / 2.3 + 1.0)
            y = round((height - crop_height) / 2 + 1.2 * sway / scale)
        view = np.ascontiguousarray(frame[y : y + crop_height, x : x + crop_width])
        reduced.append(view if scale == 1.0 else cv2.resize(view, size, interpolation=cv2.INTER_AREA))
    return np.stack(reduced)
