"""Camera reports written by hand, in each maker's form, with the few columns that the tests are about."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence

ARRI_COLUMNS = (
    *("Index", "Master TC", "Reel", "Camera Clip Name", "Camera Model", "Sensor FPS", "Project FPS", "Master TC"),
    *("Master TC Drop Frame", "Exposure Index ASA", "Target Color Space", "Lens Distance Unit", "Lens Focus Distance"),
    *("Lens Focal Length", "Lens Iris", "ND Filter Density", "Camera Tilt"),
)


def arri_report(
    labels: Sequence[str],
    focus: Sequence[str] = (),
    unit: str = "Meter",
    clip: str = "A001C001_240131_R1AB",
    rate: str = "24.000",
    **cells: str,
) -> str:
    """Tabs, a header, a row for each label; ``cells`` replace cells by column, with _ for a space."""
    focus = focus or ["2.5"] * len(labels)
    rows = []
    for n, (label, distance) in enumerate(zip(labels, focus, strict=True)):
        row = [str(n), label, "A001R1AB", clip, "Alexa LF", rate, rate, label, "no", "800", "LOG-C", unit, distance]
        row += ["40.000", "2.8 + 5/10", "0.6", "409.500"]
        for name, cell in cells.items():
            row[ARRI_COLUMNS.index(name.replace("_", " "))] = cell
        rows.append("\t".join(row))
    return "\n".join(["\t".join(ARRI_COLUMNS), *rows]) + "\n"


def red_frames(labels: Sequence[str]) -> str:
    rows = [f"{n},{label},,5.6,{410 + n},40" for n, label in enumerate(labels)]
    return "\n".join(["FrameNo,Timecode,Timestamp,Aperture,Focus Distance,Focal Length", *rows]) + "\n"


def red_static(clip: str, fps: str = "24") -> str:
    header = "Clip Name,AltReelID,Camera Model,FPS,Record FPS,Color Space,Gamma Space,ISO,Shutter (1/sec),REDCODE"
    return f"{header}\n{clip},{clip},RANGER,{fps},{fps},25,34,250,48,REDcode 8:1\n"


def open_track(labels: Sequence[tuple[int, int, int, int]], rate: tuple[int, int] = (25, 1)) -> str:
    """A JSON object a line; the head pans a degree a frame."""
    lines = []
    for n, (hours, minutes, seconds, frames) in enumerate(labels):
        timecode = {"hours": hours, "minutes": minutes, "seconds": seconds, "frames": frames}
        timecode["frameRate"] = {"num": rate[0], "denom": rate[1]}  # type: ignore[assignment]
        head = {"translation": {"x": 0.0, "y": 1.0, "z": 2.0}, "rotation": {"pan": float(n), "tilt": 0.0, "roll": 0.0}}
        frame = {
            "protocol": {"name": "OpenTrackIO", "version": [1, 0, 0]},
            "timing": {"timecode": timecode},
            "lens": {"pinholeFocalLength": 35.5, "focusDistance": 3.0, "tStop": 2.0},
            "transforms": [head],
        }
        lines.append(json.dumps(frame))
    return "\n".join(lines)


def f4_packet(label: tuple[int, int, int, int], pan_degrees: float) -> bytes:
    """One packet at 25 frames a second with a pan and a timecode."""
    pan = round(pan_degrees * 1000).to_bytes(3, "big", signed=True)
    bits = 0
    for part in label:
        bits = bits << 6 | part
    axes = bytes([0x01, 0]) + pan + bytes([0xF8, 0x20]) + struct.pack(">I", bits)[1:]
    packet = bytes([0xF4, 0, 2, 0]) + axes
    return packet + bytes([(0x40 - sum(packet)) % 256])
