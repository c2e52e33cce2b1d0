"""OpenTrackIO, SMPTE RIS OSVP: one JSON object for each frame, alone, in a list, or a line each."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

from interpositive.dailies.camera_reports.contract import ReportFamily, check_labels, rate_said, refuse, text_of
from interpositive.records.camera_data import CameraFrames, CameraReport, CameraSettings, Series

_PARTS = {"protocol", "timing", "lens", "transforms", "static", "tracker"}
_SCHEMA_KEYS = {"properties", "items", "$schema"}
_SCHEMA_MARK = b'"additionalProperties"'


def _read(content: bytes, file: str) -> CameraReport:
    samples = _samples(text_of(content, file), file)
    for line, sample in samples:
        if not isinstance(sample, dict) or _PARTS.isdisjoint(sample):
            schema = isinstance(sample, dict) and not _SCHEMA_KEYS.isdisjoint(sample)
            raise refuse(
                file,
                "a JSON schema, which describes reports and is none" if schema else "this is no frame",
                line,
                expected="an OpenTrackIO object with protocol, timing, lens and transforms",
                remedy="give the recording of the tracking system, not its documentation",
            )
    labels, rate = _labels(samples, file)
    notes = list(check_labels(labels, [line for line, _ in samples], rate, file)) if labels and rate else []
    first = samples[0][1]
    notes += _notes_on_chains(samples)
    return CameraReport(
        family="OpenTrackIO",
        file=file,
        clip_name=_text(first, "tracker", "slate"),
        rate=rate_said(rate),
        settings=_settings(first, file),
        timecodes=labels,
        frames=_frames([sample for _, sample in samples]),
        as_written=_constants(first),
        notes=tuple(notes),
    )


def _samples(text: str, file: str) -> list[tuple[int, Any]]:
    """The objects with the lines they begin on."""
    try:
        try:
            whole = json.loads(text, parse_constant=_refuse_constant)
        except json.JSONDecodeError as error:
            if "Extra data" not in error.msg:
                raise refuse(file, "this is no JSON", error.lineno, found=error.msg) from None
            return _line_by_line(text, file)
    except RecursionError:
        raise refuse(file, "JSON nested deeper than any report", found="hundreds of brackets in brackets") from None
    if isinstance(whole, list):
        if not whole:
            raise refuse(file, "an empty list", 1, expected="one object for each frame")
        return [(1, sample) for sample in whole]
    return [(1, whole)]


def _line_by_line(text: str, file: str) -> list[tuple[int, Any]]:
    samples = []
    for line, written in enumerate(text.splitlines(), 1):
        if written.strip():
            try:
                samples.append((line, json.loads(written, parse_constant=_refuse_constant)))
            except json.JSONDecodeError as error:
                raise refuse(file, "this is no JSON", line, found=error.msg) from None
    return samples


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name}, which is no number of JSON")


def _under(sample: Any, *keys: str) -> Any:
    for key in keys:
        if not isinstance(sample, dict):
            return None
        sample = sample.get(key)
    return sample


def _text(sample: Any, *keys: str) -> str:
    found = _under(sample, *keys)
    return found if isinstance(found, str) else ""


def _number(sample: Any, *keys: str) -> float | None:
    found = _under(sample, *keys)
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def _fraction(node: Any) -> Fraction | None:
    numerator, denominator = _under(node, "num"), _under(node, "denom")
    if type(numerator) is not int or type(denominator) is not int or numerator <= 0 or denominator <= 0:
        return None
    return Fraction(numerator, denominator)


def _labels(samples: list[tuple[int, Any]], file: str) -> tuple[tuple[str, ...], Fraction | None]:
    nodes = [_under(sample, "timing", "timecode") for _, sample in samples]
    if not any(nodes):
        return (), _fraction(_under(samples[0][1], "timing", "sampleRate"))
    labels, rates = [], set()
    for (line, _), node in zip(samples, nodes, strict=True):
        parts = [_under(node, key) for key in ("hours", "minutes", "seconds", "frames")]
        if not all(type(part) is int and 0 <= part < 100 for part in parts):
            raise refuse(file, "a frame without a timecode among frames with one", line, found=str(node)[:80])
        before_frames = ";" if _under(node, "dropFrame") is True else ":"
        labels.append(f"{parts[0]:02d}:{parts[1]:02d}:{parts[2]:02d}{before_frames}{parts[3]:02d}")
        rates.add(_fraction(_under(node, "frameRate")))
    if len(rates) != 1 or None in rates:
        raise refuse(file, "the timecode has no one frame rate", found=", ".join(map(str, rates)))
    return tuple(labels), rates.pop()


def _settings(sample: Any, file: str) -> CameraSettings:
    camera, lens = _under(sample, "static", "camera"), _under(sample, "static", "lens")
    squeeze = _fraction(_under(camera, "anamorphicSqueeze"))
    return CameraSettings(
        make=_text(camera, "make"),
        model=_text(camera, "model"),
        serial=_text(camera, "serialNumber"),
        sensor_width_mm=_number(camera, "activeSensorPhysicalDimensions", "width"),
        sensor_height_mm=_number(camera, "activeSensorPhysicalDimensions", "height"),
        lens=" ".join(part for part in (_text(lens, "make"), _text(lens, "model")) if part),
        lens_serial=_text(lens, "serialNumber"),
        lens_squeeze=None if squeeze is None else float(squeeze),
        project_rate=rate_said(_fraction(_under(camera, "captureFrameRate"))),
        exposure_index=_number(camera, "isoSpeed"),
        shutter_angle_degrees=_number(camera, "shutterAngle"),
    )


def _frames(samples: list[Any]) -> CameraFrames:
    def series(*keys: str) -> Series | None:
        column = tuple(_number(sample, *keys) for sample in samples)
        return column if any(value is not None for value in column) else None

    heads = [_camera_transform(sample) for sample in samples]

    def placed(kind: str, axis: str) -> Series | None:
        column = tuple(_number(head, kind, axis) for head in heads)
        return column if any(value is not None for value in column) else None

    return CameraFrames(
        focal_length_mm=series("lens", "pinholeFocalLength"),
        focus_distance_m=series("lens", "focusDistance"),
        t_stop=series("lens", "tStop"),
        f_stop=series("lens", "fStop"),
        **{f"{axis}_degrees": placed("rotation", axis) for axis in ("pan", "tilt", "roll")},
        **{f"{axis}_m": placed("translation", axis) for axis in ("x", "y", "z")},
    )


def _camera_transform(sample: Any) -> Any:
    """The one transform there is: a chain of several (dolly, crane, head) would have to be multiplied out."""
    chain = _under(sample, "transforms")
    return chain[0] if isinstance(chain, list) and len(chain) == 1 else None


def _notes_on_chains(samples: list[tuple[int, Any]]) -> list[str]:
    longest = max((len(chain) for _, s in samples if isinstance(chain := _under(s, "transforms"), list)), default=0)
    return [f"position comes as a chain of {longest} transforms; it is not read"] if longest > 1 else []


def _constants(sample: Any) -> dict[str, str]:
    flat: dict[str, str] = {}

    def gather(node: Any, name: str, depth: int) -> None:
        if isinstance(node, dict) and depth < 8:
            for key, value in node.items():
                gather(value, f"{name}.{key}" if name else str(key), depth + 1)
        elif isinstance(node, str | int | float):
            flat[name] = str(node)[:200]

    gather(_under(sample, "static"), "", 0)
    return flat


def _recognises(head: bytes) -> bool:
    if head.lstrip()[:1] not in (b"{", b"["):
        return False
    return b'"OpenTrackIO"' in head or b'"timing"' in head or _SCHEMA_MARK in head


FAMILY = ReportFamily("OpenTrackIO", _recognises, _read)
