"""Known flicker put into steady shots, and changes of light and grain that are no flicker.

Everything works on codes in [0, 1], ``t h w 3`` float32, and returns the like; light is changed in
scene-linear BT.709 light. What is drawn depends on the seed alone, so that strengths of one kind differ by
a factor and by nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

Pictures = NDArray[np.float32]
Flags = NDArray[np.bool_]

WINDOW_FRAMES = 16


@dataclass(frozen=True)
class Kind:
    """A kind of flicker: ``put(steady, strength, seed)``, and which of the ``t - 1`` transitions it changes."""

    name: str
    put: Callable[[Pictures, float, int], Pictures]
    transitions: Callable[[int, int], Flags]


def light_of(codes: Pictures) -> Pictures:
    """Scene-linear light of BT.709 codes."""
    return np.where(codes < 0.081, codes / 4.5, ((np.maximum(codes, 0.0) + 0.099) / 1.099) ** (1 / 0.45)).astype(
        np.float32
    )


def codes_of(light: Pictures) -> Pictures:
    """BT.709 codes of scene-linear light, cut at 1."""
    light = np.clip(light, 0.0, 1.0)
    return np.where(light < 0.018, 4.5 * light, 1.099 * light**0.45 - 0.099).astype(np.float32)


def smooth_fields(num: int, shape: tuple[int, int], sigma: float, rng: np.random.Generator) -> Pictures:
    """``num h w`` random fields of unit deviation, smooth over ``sigma`` px."""
    fields = rng.standard_normal((num, *shape), dtype=np.float32)
    fields = np.stack([cv2.GaussianBlur(f, (0, 0), sigma, borderType=cv2.BORDER_REFLECT) for f in fields])
    return np.asarray(fields / fields.std(axis=(1, 2), keepdims=True), np.float32)


def _all(num_frames: int, seed: int) -> Flags:
    return np.ones(num_frames - 1, np.bool_)


def _relit(steady: Pictures, gains: Pictures) -> Pictures:
    return codes_of(light_of(steady) * gains)


def gain(steady: Pictures, strength: float, seed: int) -> Pictures:
    """Every frame has its own exposure, in stops of deviation ``strength``."""
    draws = np.random.default_rng(seed).standard_normal(len(steady)).astype(np.float32)
    return _relit(steady, np.exp2(strength * draws)[:, None, None, None])


def mains_beat(steady: Pictures, strength: float, seed: int) -> Pictures:
    """A lamp on the mains against the frame rate: a sine over time whose phase runs down the rows."""
    rng = np.random.default_rng(seed)
    period, turns, start = rng.choice([3.0, 5.0, 6.0, 8.0]), rng.uniform(0.7, 1.6), rng.uniform(0, 1)
    rows = np.arange(steady.shape[1]) / steady.shape[1]
    phase = np.arange(len(steady))[:, None] / period + turns * rows[None] + start
    gains = np.exp2(strength * np.sin(2 * np.pi * phase)).astype(np.float32)
    return _relit(steady, gains[:, :, None, None])


def _steps(num_frames: int, seed: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    course = np.zeros(num_frames, np.float32)
    place, side = int(rng.integers(3, 7)), 1.0 if rng.uniform() < 0.5 else -1.0
    while place < num_frames:
        course[place:] += side * rng.uniform(0.7, 1.3)
        side = -side
        place += int(rng.integers(5, 10))
    return course


def exposure_steps(steady: Pictures, strength: float, seed: int) -> Pictures:
    """The exposure jumps up and down and stays for five to nine frames; ``strength`` in stops."""
    return _relit(steady, np.exp2(strength * _steps(len(steady), seed))[:, None, None, None])


def _step_transitions(num_frames: int, seed: int) -> Flags:
    return np.diff(_steps(num_frames, seed)) != 0


def boiling(steady: Pictures, strength: float, seed: int) -> Pictures:
    """Texture of about 3 to 16 px that is drawn anew from frame to frame (40 % of it stays); codes."""
    rng = np.random.default_rng(seed)
    kept, field, errors = 0.4, None, []
    for _ in range(len(steady)):
        white = rng.standard_normal(steady.shape[1:3], dtype=np.float32)
        band = cv2.GaussianBlur(white, (0, 0), 1.2) - cv2.GaussianBlur(white, (0, 0), 5.0)
        band /= band.std()
        field = band if field is None else kept * field + (1 - kept**2) ** 0.5 * band
        errors.append(field)
    return np.clip(steady + np.float32(strength) * np.stack(errors)[..., None], 0, 1).astype(np.float32)


def _detail(steady: Pictures) -> Pictures:
    return np.stack([cv2.GaussianBlur(f, (0, 0), 0.8) - cv2.GaussianBlur(f, (0, 0), 4.0) for f in steady])


def _window_of(num_frames: int, seed: int) -> NDArray[np.int64]:
    start = int(np.random.default_rng(seed).integers(4, WINDOW_FRAMES - 4))
    return (np.arange(num_frames) + start) // WINDOW_FRAMES


def window_seams(steady: Pictures, strength: float, seed: int) -> Pictures:
    """A video model run in windows of 16 frames: each has its own smooth tone error and its own sharpness."""
    return _in_windows(steady, strength, _window_of(len(steady), seed), seed)


def _in_windows(steady: Pictures, strength: float, window: NDArray[np.int64], seed: int) -> Pictures:
    rng = np.random.default_rng(seed)
    tone = smooth_fields(int(window[-1]) + 1, steady.shape[1:3], 40.0, rng)
    tone += rng.standard_normal((len(tone), 1, 1), dtype=np.float32) * np.float32(0.5)
    sharpness = smooth_fields(int(window[-1]) + 1, steady.shape[1:3], 40.0, rng)
    toned = _relit(steady, np.exp2(np.float32(strength) * tone[window])[..., None])
    sharpened = toned + np.float32(1.5 * strength) * sharpness[window][..., None] * _detail(steady)
    return np.clip(sharpened, 0, 1).astype(np.float32)


def _seam_transitions(num_frames: int, seed: int) -> Flags:
    return np.diff(_window_of(num_frames, seed)) != 0


def one_seam(steady: Pictures, strength: float, seed: int) -> Pictures:
    """As :func:`window_seams`, with a single seam in the middle of the shot."""
    return _in_windows(steady, strength, (np.arange(len(steady)) >= len(steady) // 2).astype(np.int64), seed)


def jitter(steady: Pictures, strength: float, seed: int) -> Pictures:
    """A network run on each frame alone: smooth wobble of place (px) and tone, fresh every frame.

    A quarter of a stop for each px: then place and tone make about equal shares of the visible change.
    """
    rng = np.random.default_rng(seed)
    shape, frames = steady.shape[1:3], []
    ys, xs = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    for frame in steady:
        shift = np.float32(strength) * smooth_fields(2, shape, 12.0, rng)
        tone = smooth_fields(1, shape, 25.0, rng)[0]
        moved = cv2.remap(frame, xs + shift[0], ys + shift[1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        frames.append(_relit(np.clip(moved, 0, 1), np.exp2(np.float32(0.25 * strength) * tone)[..., None]))
    return np.stack(frames)


KINDS = (
    Kind("gain", gain, _all),
    Kind("mains beat", mains_beat, _all),
    Kind("exposure steps", exposure_steps, _step_transitions),
    Kind("boiling", boiling, _all),
    Kind("window seams", window_seams, _seam_transitions),
    Kind("model jitter", jitter, _all),
)


def extra_grain(steady: Pictures, seed: int, *, deviation: float = 4 / 255, correlation_px: float = 0.0) -> Pictures:
    """Fresh grain on every frame: mostly luma, a weaker colour part, white or smooth over ``correlation_px``."""
    rng = np.random.default_rng(seed)
    white = rng.standard_normal((*steady.shape[:3], 4), dtype=np.float32)
    if correlation_px:
        white = np.stack([cv2.GaussianBlur(frame, (0, 0), correlation_px) for frame in white])
        white /= white.std()
    noise = 0.9 * white[..., 3:] + 0.45 * white[..., :3]
    spread = deviation * np.sqrt(0.4 + 1.2 * np.clip(steady.mean(-1, keepdims=True), 0, 1))
    return np.clip(steady + spread * noise, 0, 1).astype(np.float32)


def soft_grain(steady: Pictures, seed: int) -> Pictures:
    """Grain that is smooth over 0.7 px."""
    return extra_grain(steady, seed, correlation_px=0.7)


def lamp_on(steady: Pictures, seed: int) -> Pictures:
    """A lamp at one place comes on within a frame and stays: up to one more stop near it, a little everywhere."""
    rng = np.random.default_rng(seed)
    height, width = steady.shape[1:3]
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    centre = rng.uniform(0.2, 0.8, 2)
    distance = np.hypot(xs / width - centre[1], (ys / height - centre[0]) * height / width)
    field = 0.15 + 0.85 * np.exp(-0.5 * (distance / 0.22) ** 2)
    lit = (np.arange(len(steady)) >= int(rng.integers(10, len(steady) - 10))).astype(np.float32)
    return _relit(steady, (1 + lit[:, None, None] * field)[..., None].astype(np.float32))


def slow_fade(steady: Pictures, seed: int) -> Pictures:
    """The light goes down by 0.8 stop over most of the shot."""
    course = np.clip((np.arange(len(steady)) - 4) / (len(steady) - 8), 0, 1)
    return _relit(steady, np.exp2(-0.8 * course)[:, None, None, None].astype(np.float32))


def passing_shadow(steady: Pictures, seed: int) -> Pictures:
    """A person's soft shadow, a third of the frame wide and a stop deep, crosses the frame once."""
    width = steady.shape[2]
    xs = np.arange(width, dtype=np.float32)[None] / width
    centre = np.linspace(-0.3, 1.3, len(steady), dtype=np.float32)[:, None]
    edge = 1 / (1 + np.exp(-(0.17 - np.abs(xs - centre)) / 0.02))
    return _relit(steady, np.exp2(-edge)[:, None, :, None].astype(np.float32))


NEGATIVES: dict[str, Callable[[Pictures, int], Pictures]] = {
    "clean": lambda steady, seed: steady,
    "white grain": lambda steady, seed: extra_grain(steady, seed),
    "soft grain": soft_grain,
    "lamp on": lamp_on,
    "slow fade": slow_fade,
    "passing shadow": passing_shadow,
}


def kept_to(steady: Pictures, flickered: Pictures, frames: slice, box: tuple[int, int, int, int]) -> Pictures:
    """The flickered shot inside some frames and a box (x0, y0, x1, y1) with a soft edge, steady elsewhere."""
    matte = np.zeros(steady.shape[1:3], np.float32)
    matte[box[1] : box[3], box[0] : box[2]] = 1
    matte = cv2.GaussianBlur(matte, (0, 0), 3.0)[..., None]
    mixed = steady.copy()
    mixed[frames] += matte * (flickered[frames] - steady[frames])
    return mixed


def quantised(pictures: Pictures) -> NDArray[np.uint8]:
    """8-bit codes."""
    return np.clip(np.rint(pictures * 255), 0, 255).astype(np.uint8)


def visible_change(steady: Pictures, flickered: Pictures, transitions: Flags) -> float:
    """Mean CIEDE2000 of the frame-to-frame change of the injected error, on up to eight affected transitions."""
    places = np.flatnonzero(transitions)
    places = places[np.linspace(0, len(places) - 1, min(8, len(places))).round().astype(int)]
    changes = []
    for place in places:
        base = steady[place + 1, ::2, ::2]
        change = (flickered[place + 1] - steady[place + 1]) - (flickered[place] - steady[place])
        pair = [rgb2lab(np.clip(c, 0, 1)) for c in (base, base + change[::2, ::2])]
        changes.append(deltaE_ciede2000(*pair).mean())
    return float(np.mean(changes))


def just_visible(steady: Pictures, kind: Kind, seed: int) -> float:
    """The strength at which :func:`visible_change` is 1, within 1 %.

    By bisection, its bracket moved to where a change in proportion to the strength would be 1: three or
    four trials instead of ten.
    """
    transitions = kind.transitions(len(steady), seed)
    low, high, trial = 1e-4, 10.0, 0.02
    for _ in range(20):
        change = visible_change(steady, kind.put(steady, trial, seed), transitions)
        if abs(change - 1) < 0.01:
            break
        low, high = (trial, high) if change < 1 else (low, trial)
        straight = trial / max(change, 1e-3)
        trial = straight if low < straight < high else (low * high) ** 0.5
    return trial
