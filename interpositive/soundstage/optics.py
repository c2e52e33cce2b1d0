"""From scene light to film: lens softness, glow, vignette, grain, and the encoding to 8 bits."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from interpositive.soundstage.surfaces import Array

SHOULDER_START = 0.72
PSF_TAPS = 7


def soften(image: Array, sigma_px: float) -> Array:
    """Lens blur by a Gaussian cut to :data:`PSF_TAPS` taps (wider for wide blurs), so its reach is finite."""
    if sigma_px <= 0:
        return image
    taps = max(PSF_TAPS, 2 * int(np.ceil(2.5 * sigma_px)) + 1)
    soft: Array = cv2.GaussianBlur(image, (taps, taps), sigma_px, borderType=cv2.BORDER_REPLICATE)
    return soft


def glow(image: Array, strength: float, sigma_px: float) -> Array:
    """Light scattered in the lens around what is brighter than white paper, ``h w 3``, computed at half
    size.
    """
    height, width = image.shape[:2]
    small = cv2.resize(np.maximum(image - 0.85, 0), (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    wide = cv2.GaussianBlur(small, (0, 0), sigma_px / 2)
    spread: Array = cv2.resize(wide, (width, height), interpolation=cv2.INTER_LINEAR)
    spread *= strength
    return spread


def vignette(width: int, height: int, strength: float) -> Array:
    """Fall-off towards the corners, ``h w 1``, 1 at the centre (the cosine-fourth law's shape)."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    radius = ((x - (width - 1) / 2) ** 2 + (y - (height - 1) / 2) ** 2) / ((width / 2) ** 2 + (height / 2) ** 2)
    fall = 1 / (1 + radius * np.float32(strength)) ** 2
    gain: Array = fall[..., None].astype(np.float32)
    return gain


def add_grain(image: Array, strength: float, correlation_px: float, rng: np.random.Generator) -> Array:
    """Fresh film grain: standard deviation grows with the square root of light, smooth over
    ``correlation_px``.

    Luma and a weaker colour part are drawn apart, as in scanned colour negative.
    """
    if strength <= 0:
        return image
    height, width = image.shape[:2]
    white = rng.standard_normal((height, width, 4), dtype=np.float32)
    smooth = cv2.GaussianBlur(white, (0, 0), correlation_px)
    unit = 2 * np.sqrt(np.pi) * correlation_px
    noise = smooth[..., :3] * np.float32(0.45 * unit) + smooth[..., 3:] * np.float32(0.8 * unit)
    spread = cv2.sqrt(np.maximum(image, 0) * np.float32(0.00024) + np.float32(1.6e-6))
    grainy: Array = image + np.float32(strength) * noise * spread
    return grainy


def encode(light: Array) -> Array:
    """Scene-linear light to display code values in [0, 1]: soft highlight shoulder, then the BT.709 OETF.

    Linear up to :data:`SHOULDER_START`, above it an exponential shoulder that reaches 1 at infinity
    and joins with equal slope.
    """
    room = np.float32(1 - SHOULDER_START)
    above = np.maximum(light - np.float32(SHOULDER_START), 0)
    rolled = np.minimum(light, np.float32(SHOULDER_START))
    if above.any():
        rolled = rolled + room * (1 - np.exp(-above / room))
    rolled = np.maximum(rolled, 0).astype(np.float32)
    curve = np.float32(1.099) * cv2.pow(rolled, 0.45) - np.float32(0.099)
    code: Array = np.where(rolled < 0.018, np.float32(4.5) * rolled, curve)
    return code


def decode(code: Array) -> Array:
    """The inverse of :func:`encode` for codes below 1."""
    rolled = np.where(code < 0.081, code / 4.5, ((np.maximum(code, 0) + 0.099) / 1.099) ** (1 / 0.45))
    room = 1 - SHOULDER_START
    past = np.maximum(rolled - SHOULDER_START, 0)
    light: Array = np.where(
        rolled > SHOULDER_START, SHOULDER_START - room * np.log(np.maximum(1 - past / room, 1e-7)), rolled
    ).astype(np.float32)
    return light


def to_codes(code: Array) -> npt.NDArray[np.uint8]:
    """Display values in [0, 1] to 8-bit codes, rounded to nearest."""
    return (np.clip(code, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
