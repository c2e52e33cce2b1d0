"""Blackmagic RAW metadata: ``key: value`` lines for the clip, then the same for each frame that was listed."""

from __future__ import annotations

import re
from fractions import Fraction

from interpositive.dailies.camera_reports.contract import (
    METRES,
    MILLIMETRES,
    ReportFamily,
    as_rate,
    number_of,
    quantity_of,
    rate_said,
    refuse,
    text_of,
)
from interpositive.records.camera_data import CameraFrames, CameraReport, CameraSettings, Series

_SECTION = re.compile(r"(?:Clip|Frame (?P<number>\d{1,9})) Metadata")
_ENTRY = re.compile(r"(?P<key>[A-Za-z_]\w*):\s?(?P<value>.*)")
_APERTURE = re.compile(r"(?P<kind>[TtFf])/?(?P<stop>\d+(?:\.\d+)?)")
# The maker's rate is a whole number of 1/65536 frames a second.
_RATE_UNIT = 65536

Section = dict[str, tuple[str, int]]


def _read(content: bytes, file: str) -> CameraReport:
    clip, frames = _sections(text_of(content, file), file)
    numbers = list(frames)
    notes = []
    if numbers != list(range(len(numbers))):
        raise refuse(file, "frames are left out", found=str(numbers[:6]), expected="every frame from 0 on")
    if len(numbers) == 1:
        notes.append("only the first frame is in the report: its values count as settings, not for every frame")
    rate = _rate(clip, file)
    first = frames[0] if frames else {}
    sensor_rate = _sensor_rate(first)
    if sensor_rate is not None and rate is not None and sensor_rate != rate:
        notes.append(f"shot off-speed: {float(sensor_rate):g} frames a second for a {float(rate):g} project")
    return CameraReport(
        family="Blackmagic RAW metadata",
        file=file,
        clip_name=_said(clip, "clip_number"),
        reel=_said(clip, "reel_name"),
        scene=_said(clip, "scene"),
        take=_said(clip, "take"),
        circled={"true": True, "false": False}.get(_said(clip, "good_take")),
        rate=rate_said(rate),
        settings=_settings(clip, first, rate_said(rate), rate_said(sensor_rate), file),
        frames=_frames(list(frames.values()), file) if len(frames) > 1 else CameraFrames(),
        as_written={key: value[:200] for key, (value, _) in {**clip, **first}.items() if value},
        notes=tuple(notes),
    )


def _sections(text: str, file: str) -> tuple[Section, dict[int, Section]]:
    clip: Section = {}
    frames: dict[int, Section] = {}
    section: Section | None = None
    for line, written in enumerate(text.splitlines(), 1):
        if not written.strip():
            continue
        if heading := _SECTION.fullmatch(written.strip()):
            section = clip if heading["number"] is None else frames.setdefault(int(heading["number"]), {})
            if section:
                raise refuse(file, f"{written.strip()!r} is given twice", line)
            continue
        entry = _ENTRY.fullmatch(written.strip())
        if entry is None or section is None:
            raise refuse(file, "this line is no entry", line, found=written[:60], expected="key: value")
        section.setdefault(entry["key"], (entry["value"].strip(), line))
    return clip, frames


def _said(section: Section, key: str) -> str:
    return section.get(key, ("", 0))[0]


def _rate(clip: Section, file: str) -> Fraction | None:
    written, line = clip.get("format_frame_rate", ("", 0))
    if not written:
        return None
    rate = as_rate(str(int(written) / _RATE_UNIT)) if written.isdecimal() else None
    if rate is None:
        raise refuse(
            file, "the frame rate is none", line, found=written, expected=f"frames a second times {_RATE_UNIT}"
        )
    return rate


def _sensor_rate(frame: Section) -> Fraction | None:
    parts = [part for part in _said(frame, "sensor_rate").split(",") if part]
    if len(parts) != 2 or not all(part.isdecimal() for part in parts) or not int(parts[1]):
        return None
    return Fraction(int(parts[0]), int(parts[1]))


def _settings(clip: Section, frame: Section, rate: str, sensor_rate: str, file: str) -> CameraSettings:
    shutter, line = frame.get("shutter_value", ("", 0))
    angle = _said(clip, "shutter_type") == "Angle"
    look = _said(clip, "post_3dlut_embedded_name") if _said(clip, "post_3dlut_mode") != "Disabled" else ""
    generation = _said(clip, "viewing_bmdgen")
    return CameraSettings(
        make=_said(clip, "manufacturer"),
        model=_said(clip, "camera_type"),
        serial=_said(clip, "camera_id"),
        lens=_said(clip, "lens_type"),
        lens_squeeze=number_of(_said(clip, "anamorphic").rstrip("x")) if _said(clip, "anamorphic_enable") == "1" else 1,
        project_rate=rate,
        sensor_rate=sensor_rate,
        codec=f"Blackmagic RAW {_said(clip, 'braw_compression_ratio')}".strip(),
        curve=f"{_said(clip, 'viewing_gamma')}{f' Gen {generation}' if generation else ''}",
        gamut=_said(clip, "viewing_gamut"),
        look=look,
        white_balance_kelvin=number_of(_said(frame, "white_balance_kelvin")),
        tint=number_of(_said(frame, "white_balance_tint")),
        exposure_index=number_of(_said(frame, "iso")),
        shutter_angle_degrees=quantity_of(shutter, {"°": 1.0, "": 1.0}, file, line) if angle else None,
        shutter_seconds=None,
        neutral_density_stops=number_of(_said(frame, "internal_nd")),
    )


def _frames(frames: list[Section], file: str) -> CameraFrames:
    def quantities(key: str, units: dict[str, float]) -> Series | None:
        cells = [frame.get(key, ("", 0)) for frame in frames]
        column = tuple(quantity_of(cell, units, file, line) for cell, line in cells)
        return column if any(value is not None for value in column) else None

    def stops(kind: str) -> Series | None:
        found = [_APERTURE.fullmatch(_said(frame, "aperture")) for frame in frames]
        column = tuple(float(stop["stop"]) if stop and stop["kind"].upper() == kind else None for stop in found)
        return column if any(value is not None for value in column) else None

    return CameraFrames(
        focal_length_mm=quantities("focal_length", MILLIMETRES),
        focus_distance_m=quantities("distance", METRES),
        t_stop=stops("T"),
        f_stop=stops("F"),
        exposure_index=quantities("iso", {"": 1.0}),
        white_balance_kelvin=quantities("white_balance_kelvin", {"": 1.0}),
    )


FAMILY = ReportFamily("Blackmagic RAW metadata", lambda head: head.lstrip().startswith(b"Clip Metadata"), _read)
