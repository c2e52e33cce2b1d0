"""REDline metadata: one table of the clip's settings (``--printMeta 3``), one of its frames (``--printMeta 5``)."""

from __future__ import annotations

import re
from collections.abc import Callable

from interpositive.dailies.camera_reports.contract import (
    ReportFamily,
    as_rate,
    is_timecode,
    number_of,
    rate_said,
    refuse,
)
from interpositive.dailies.camera_reports.tables import Table, read_table
from interpositive.records.camera_data import CameraFrames, CameraReport, CameraSettings, Series

# REDline writes the numbers of its own lists; these are the ones of the current image pipeline.
_GAMUTS = {"25": "REDWideGamutRGB"}
_CURVES = {"34": "Log3G10"}
_CLIP = re.compile(r"(?P<clip>.+?)(?:_\d{3})?\.(?:frames|static)\.csv", re.IGNORECASE)


def _read_static(content: bytes, file: str) -> CameraReport:
    table = read_table(content, file)
    if len(table.rows) != 1:
        raise refuse(file, f"{len(table.rows)} clips in one report", table.lines[1], expected="one row, for one clip")
    rate, sensor_rate = as_rate(table.first("FPS")), as_rate(table.first("Record FPS"))
    if rate is None:
        raise refuse(
            file, "the frame rate is none", table.lines[0], found=table.first("FPS"), expected="FPS such as 24"
        )
    # REDline's "FPS" is how fast it plays, "Record FPS" how fast the sensor ran.
    notes = []
    if sensor_rate is not None and sensor_rate != rate:
        notes.append(f"shot off-speed: {float(sensor_rate):g} frames a second for a {float(rate):g} project")
    return CameraReport(
        family="RED static metadata",
        file=file,
        clip_name=table.needed("Clip Name")[0],
        reel=table.first("AltReelID") or table.first("ReelID"),
        scene=table.first("Scene"),
        take=table.first("Take"),
        rate=rate_said(rate),
        settings=_settings(table, rate_said(rate), rate_said(sensor_rate)),
        as_written=table.constants(),
        notes=tuple(notes),
    )


def _settings(table: Table, rate: str, sensor_rate: str) -> CameraSettings:
    parts_of_a_second = number_of(table.first("Shutter (1/sec)"))
    curve, gamut = table.first("Gamma Space"), table.first("Color Space")
    return CameraSettings(
        make="RED",
        model=table.first("Camera Model"),
        serial=table.first("Camera PIN"),
        sensor=table.first("Sensor Name"),
        lens=" ".join(part for part in (table.first("Lens Brand"), table.first("Lens Name")) if part),
        lens_serial=table.first("Lens Serial Number"),
        lens_squeeze=number_of(table.first("Pixel Aspect Ratio")),
        project_rate=rate,
        sensor_rate=sensor_rate,
        codec=table.first("REDCODE"),
        curve=_CURVES.get(curve, f"RED gamma {curve}" if curve else ""),
        gamut=_GAMUTS.get(gamut, f"RED colour space {gamut}" if gamut else ""),
        look=table.first("Look Name") or table.first("Camera 3D LUT"),
        white_balance_kelvin=number_of(table.first("Kelvin")),
        tint=number_of(table.first("Tint")),
        exposure_index=number_of(table.first("ISO")),
        shutter_angle_degrees=number_of(table.first("Shutter (deg)")),
        shutter_seconds=1 / parts_of_a_second if parts_of_a_second else None,
        neutral_density_stops=number_of(table.first("MotionMountND")),
    )


def _read_frames(content: bytes, file: str) -> CameraReport:
    table = read_table(content, file)
    labels = table.needed("Timecode")
    for label, line in zip(labels, table.lines, strict=True):
        if not is_timecode(label):
            raise refuse(file, "this is no timecode", line, found=label, expected="HH:MM:SS:FF")
    _refuse_repeated(table)
    focus = _numbers(table, "Focus Distance")
    clip = _CLIP.fullmatch(file)
    return CameraReport(
        family="RED frame metadata",
        file=file,
        clip_name=clip["clip"] if clip else "",
        timecodes=labels,
        frames=CameraFrames(
            focal_length_mm=_numbers(table, "Focal Length"),
            # REDline writes millimetres: its settings table has the same number with the unit.
            focus_distance_m=None if focus is None else tuple(None if mm is None else mm / 1000 for mm in focus),
            f_stop=_numbers(table, "Aperture"),
        ),
        as_written=table.constants(),
        notes=("the report names no frame rate: its timecode is counted at the take's",),
    )


def _refuse_repeated(table: Table) -> None:
    numbers = table.needed("FrameNo")
    for before, number, line in zip(numbers, numbers[1:], table.lines[1:], strict=False):
        if not number.isdecimal() or not before.isdecimal() or int(number) <= int(before):
            raise refuse(table.file, "frame numbers do not rise", line, found=f"{number} after {before}")


def _numbers(table: Table, name: str) -> Series | None:
    column = tuple(map(number_of, table.column(name) or ()))
    return column if any(value is not None for value in column) else None


def _header_has(*words: bytes) -> Callable[[bytes], bool]:
    return lambda head: all(word in head.partition(b"\n")[0] for word in words)


FRAMES = ReportFamily("RED frame metadata", _header_has(b"FrameNo,Timecode,"), _read_frames)
STATIC = ReportFamily("RED static metadata", _header_has(b"Clip Name,", b"REDCODE"), _read_static)
