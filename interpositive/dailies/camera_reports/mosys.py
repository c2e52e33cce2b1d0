"""Mo-Sys F4: a stream of binary packets from a tracked head, one for each frame, each with its own checksum."""

from __future__ import annotations

import struct
from collections import defaultdict
from fractions import Fraction

from interpositive.dailies.camera_reports.contract import ReportFamily, check_labels, refuse
from interpositive.records.camera_data import CameraFrames, CameraReport, Series
from interpositive.records.identity import rate_text

_COMMAND = 0xF4
_HEADER_BYTES = 4
_AXIS_BYTES = 5
_CHECKSUM_START = 0x40
_TIMECODE_AXIS = 0xF8
# Axis numbers of values in thousandths of a degree.
_ANGLES = {0x01: "pan_degrees", 0x02: "tilt_degrees", 0x13: "roll_degrees"}
_POSITION_AXES = {0x05, 0x06, 0x07}
_APERTURE_AXIS = 0x60
_RATES = {0: Fraction(24), 1: Fraction(25), 2: Fraction(30)}

Packet = dict[int, bytes]


def _read(content: bytes, file: str) -> CameraReport:
    packets = _packets(content, file)
    labels, rates = [], set()
    for number, packet in enumerate(packets, 1):
        if _TIMECODE_AXIS not in packet:
            raise refuse(file, f"packet {number} has no timecode", expected="timecode in every packet")
        label, rate = _label(packet[_TIMECODE_AXIS], file, number)
        labels.append(label)
        rates.add(rate)
    if len(rates) != 1:
        raise refuse(file, "the frame rate changes", found=", ".join(map(str, sorted(rates))))
    rate = rates.pop()
    packets, labels, notes = _once_a_frame(packets, labels)
    notes += check_labels(labels, range(1, len(labels) + 1), rate, file)
    if any(not _POSITION_AXES.isdisjoint(packet) for packet in packets):
        notes.append("position is not read: the recording does not say its unit of length")
    return CameraReport(
        family="Mo-Sys F4",
        file=file,
        clip_name=file.rpartition(".")[0].partition(" ")[0],
        rate=rate_text(rate),
        timecodes=tuple(labels),
        frames=_frames(packets),
        notes=tuple(notes),
    )


def _packets(content: bytes, file: str) -> list[Packet]:
    packets: list[Packet] = []
    at = 0
    while at < len(content):
        number = len(packets) + 1
        size = _packet_bytes(content, at)
        if content[at] != _COMMAND or not size or at + size > len(content):
            raise refuse(
                file,
                f"packet {number} is cut short or none",
                found=f"byte {content[at]:#04x} at {at}",
                expected=f"{_COMMAND:#04x} and a whole packet",
                remedy="copy the recording again",
            )
        packet = content[at : at + size]
        if (_CHECKSUM_START - sum(packet[:-1])) % 256 != packet[-1]:
            raise refuse(
                file, f"packet {number} is damaged: its checksum does not fit", remedy="copy the recording again"
            )
        axes = packet[_HEADER_BYTES:-1]
        packets.append({axes[n]: axes[n + 1 : n + _AXIS_BYTES] for n in range(0, len(axes), _AXIS_BYTES)})
        at += size
    return packets


def _packet_bytes(content: bytes, at: int) -> int:
    """Size of the packet there by its count of axes; 0 if it has none."""
    count = content[at + 2] if at + 2 < len(content) else 0
    return count * _AXIS_BYTES + _HEADER_BYTES + 1 if count else 0


def _label(axis: bytes, file: str, number: int) -> tuple[str, Fraction]:
    """Timecode packed into 24 bits, six for each of hours, minutes, seconds and frames; the rate is in the status."""
    rate = _RATES.get(axis[0] >> 5 & 3)
    if rate is None:
        raise refuse(file, f"packet {number} has a timecode of no known rate", found=f"status {axis[0]:#04x}")
    bits = int.from_bytes(axis[1:4], "big")
    hours, minutes, seconds, frames = (bits >> shift & 0x3F for shift in (18, 12, 6, 0))
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}:{frames:02d}", rate


def _once_a_frame(packets: list[Packet], labels: list[str]) -> tuple[list[Packet], list[str], list[str]]:
    """A head sends faster than the camera runs: the last packet of each frame counts."""
    last = [n for n, label in enumerate(labels) if n + 1 == len(labels) or labels[n + 1] != label]
    left_out = len(labels) - len(last)
    notes = [f"{left_out} packets repeat a frame's timecode; the last of each counts"] if left_out else []
    return [packets[n] for n in last], [labels[n] for n in last], notes


def _frames(packets: list[Packet]) -> CameraFrames:
    columns: defaultdict[str, list[float | None]] = defaultdict(list)
    for packet in packets:
        for axis, name in _ANGLES.items():
            value = int.from_bytes(packet[axis][1:4], "big", signed=True) / 1000 if axis in packet else None
            columns[name].append(value)
        aperture = struct.unpack(">f", packet[_APERTURE_AXIS])[0] if _APERTURE_AXIS in packet else None
        columns["f_stop"].append(None if aperture is None else round(aperture, 4))
    said: dict[str, Series] = {
        name: tuple(column) for name, column in columns.items() if any(value is not None for value in column)
    }
    return CameraFrames(**said)


def _recognises(head: bytes) -> bool:
    if head[:1] != bytes([_COMMAND]):
        return False
    size = _packet_bytes(head, 0)
    return bool(size) and (len(head) <= size or head[size] == _COMMAND)


FAMILY = ReportFamily("Mo-Sys F4", _recognises, _read)
