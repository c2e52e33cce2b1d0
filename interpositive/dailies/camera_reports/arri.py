"""ARRI Meta Extract: a table of tabs or commas, a row for each frame, 180 columns of which most stay the same."""

from __future__ import annotations

import math
import re

from interpositive.dailies.camera_reports.contract import (
    METRES,
    MILLIMETRES,
    ReportFamily,
    as_rate,
    check_labels,
    number_of,
    quantity_of,
    rate_said,
    refuse,
)
from interpositive.dailies.camera_reports.tables import Table, read_table
from interpositive.records.camera_data import CameraFrames, CameraReport, CameraSettings, Series

_IRIS = re.compile(r"T?\s*(?P<stop>\d+(?:\.\d+)?)(?:\s*\+\s*(?P<tenths>\d{1,2})\s*/\s*10)?")
# The engraved T-stops stand for whole steps of light: 5.6 is the fifth power of the square root of two.
_ENGRAVED = {"1": 0, "1.4": 1, "2": 2, "2.8": 3, "4": 4, "5.6": 5, "8": 6, "11": 7, "16": 8, "22": 9, "32": 10}
_DENSITY_OF_A_STOP = math.log10(2)


def _recognises(head: bytes) -> bool:
    first = head.partition(b"\n")[0]
    return b"Master TC" in first and b"Exposure Index ASA" in first


def _read(content: bytes, file: str) -> CameraReport:
    table = read_table(content, file)
    labels = table.needed("Master TC")
    rate = as_rate(table.first("Project FPS") or table.first("Master TC Time Base"))
    if rate is None:
        raise refuse(file, "the project rate is no frame rate", table.lines[0], found=table.first("Project FPS"))
    if table.first("Master TC Drop Frame").lower() == "yes":
        labels = tuple(f"{label[:8]};{label[9:]}" for label in labels)
    notes = list(check_labels(labels, table.lines, rate, file))
    frames = CameraFrames(
        focal_length_mm=_quantities(table, "Lens Focal Length", MILLIMETRES),
        focus_distance_m=_focus(table),
        t_stop=_iris(table),
        tilt_degrees=_angles(table, "Camera Tilt", notes),
        roll_degrees=_angles(table, "Camera Roll", notes),
        exposure_index=_numbers(table, "Exposure Index ASA"),
        shutter_angle_degrees=_numbers(table, "Shutter Angle"),
        white_balance_kelvin=_numbers(table, "White Balance"),
    )
    sensor_rate = as_rate(table.first("Sensor FPS"))
    if sensor_rate is not None and sensor_rate != rate:
        notes.append(f"shot off-speed: {float(sensor_rate):g} frames a second for a {float(rate):g} project")
    return CameraReport(
        family="ARRI Meta Extract",
        file=file,
        clip_name=table.first("Camera Clip Name"),
        reel=table.first("Reel"),
        scene=table.first("Scene"),
        take=table.first("Take"),
        circled={"yes": True, "no": False}.get(table.first("Circle Take").lower()),
        rate=rate_said(rate),
        settings=_settings(table, rate_said(rate), rate_said(sensor_rate)),
        timecodes=labels,
        frames=frames,
        as_written=table.constants(),
        notes=tuple(notes),
    )


def _settings(table: Table, rate: str, sensor_rate: str) -> CameraSettings:
    density = number_of(table.first("ND Filter Density"))
    seconds = quantity_of(table.first("Exposure Time"), {"ms": 1e-3, "s": 1.0}, table.file, table.lines[0])
    return CameraSettings(
        make="ARRI",
        model=table.first("Camera Model"),
        serial=table.first("Camera Serial Number"),
        lens=table.first("Lens Model"),
        lens_serial=table.first("Lens Serial Number"),
        lens_squeeze=number_of(table.first("Lens Squeeze")),
        project_rate=rate,
        sensor_rate=sensor_rate,
        codec=table.first("Recording Codec"),
        curve=table.first("Target Color Space"),
        look=table.first("Look Name"),
        look_burned_in={"yes": True, "no": False}.get(table.first("Look Burned In").lower()),
        white_balance_kelvin=number_of(table.first("White Balance")),
        tint=number_of(table.first("White Balance CC")),
        exposure_index=number_of(table.first("Exposure Index ASA")),
        shutter_angle_degrees=number_of(table.first("Shutter Angle")),
        shutter_seconds=seconds,
        neutral_density_stops=None if density is None else density / _DENSITY_OF_A_STOP,
    )


def _numbers(table: Table, name: str) -> Series | None:
    column = table.column(name)
    return None if column is None else _unless_empty([number_of(cell) for cell in column])


def _quantities(table: Table, name: str, units: dict[str, float]) -> Series | None:
    column = table.column(name)
    if column is None:
        return None
    cells = zip(column, table.lines, strict=True)
    return _unless_empty([quantity_of(cell, units, table.file, line) for cell, line in cells])


def _focus(table: Table) -> Series | None:
    """Metres; the unit has a column of its own."""
    column, units = table.column("Lens Focus Distance"), table.column("Lens Distance Unit")
    if column is None or not any(column):
        return None
    if units is None:
        raise refuse(table.file, "the column 'Lens Distance Unit' is missing", 1, expected="it beside the distances")
    metres: list[float | None] = []
    for cell, unit, line in zip(column, units, table.lines, strict=True):
        infinite = cell.lower().startswith("inf")
        metres.append(math.inf if infinite else quantity_of(f"{cell} {unit}", METRES, table.file, line))
    return _unless_empty(metres)


def _iris(table: Table) -> Series | None:
    """T-stops from ``1.4 + 7/10``: an engraved stop and tenths of a stop beyond it."""
    column = table.column("Lens Iris")
    if column is None:
        return None
    stops: list[float | None] = []
    for cell, line in zip(column, table.lines, strict=True):
        match = _IRIS.fullmatch(cell)
        if cell and match is None:
            raise refuse(table.file, "the iris cannot be read", line, found=cell, expected="such as 1.4 + 7/10")
        stops.append(None if match is None else _t_stop(match["stop"], match["tenths"]))
    return _unless_empty(stops)


def _t_stop(engraved: str, tenths: str | None) -> float:
    if tenths is None:
        return float(engraved)
    steps = _ENGRAVED.get(f"{float(engraved):g}")
    base = float(engraved) if steps is None else 2 ** (steps / 2)
    return round(base * 2 ** (int(tenths) / 20), 3)


def _angles(table: Table, name: str, notes: list[str]) -> Series | None:
    numbers = _numbers(table, name)
    if numbers is None:
        return None
    strange = {number for number in numbers if number is not None and abs(number) > 180}
    if strange:
        notes.append(f"{name} {min(strange):g} is no angle but the camera's mark for none; left empty")
    return _unless_empty([None if number in strange else number for number in numbers])


def _unless_empty(values: list[float | None]) -> Series | None:
    return tuple(values) if any(value is not None for value in values) else None


FAMILY = ReportFamily("ARRI Meta Extract", _recognises, _read)
