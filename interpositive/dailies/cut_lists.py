"""Reading a cut: CMX3600, FCP7 XML, FCPXML, AAF, OTIO and ALE into shots, told apart by what is in the file.

A cut list is a stranger's file. It is read in a worker with limits on time and memory; nothing that it
points to is opened; what a reader of OpenTimelineIO would lose is read here or the list is refused.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio

from interpositive.dailies.avid_logs import cut_list_from_ale
from interpositive.dailies.edl_shots import cut_list_from_edl
from interpositive.dailies.paper_text import paper_text
from interpositive.dailies.timeline_formats import FcpxText, aaf_reels, check_fcp7, fcp7_text
from interpositive.dailies.timeline_shots import TimelineShots
from interpositive.dailies.workers import run_jobs
from interpositive.errors import ConfigError, CutListError, InterpositiveError
from interpositive.records.identity import exact_rate, rate_text
from interpositive.records.shots import CutList, with_unique_names

_MOST_BYTES = 512 << 20
_AAF_SIGNATURE = bytes.fromhex("d0cf11e0a1b11ae1")
_READABLE = "a CMX3600 EDL, FCP7 XML, FCPXML, AAF, OTIO or ALE file"


@dataclass(frozen=True)
class _Job:
    path: Path
    rate: Fraction | None


def read_cut_list(
    path: Path, rate: str | Fraction | None = None, *, in_worker: bool = True, timeout_seconds: float = 120.0
) -> CutList:
    """Read a cut into shots; the kind of file is found from its content.

    ``rate`` is for lists that do not say theirs (EDL): frames a second as ``"25"``, ``"24000/1001"`` or ``"29.97"``.
    Raises ``CutListError`` for what cannot be read or would lose events, with the reason; ``ConfigError``
    where a rate must be given and is not, or contradicts the list. ``in_worker=False`` reads here and now,
    for tests and files of one's own.
    """
    job = _Job(Path(path), None if rate is None else exact_rate(rate))
    if not in_worker:
        return _read(job)
    outcome = next(iter(run_jobs(_attempt, [job], 1, lambda _: timeout_seconds)))
    if isinstance(outcome.result, CutList):
        return outcome.result
    if isinstance(outcome.result, InterpositiveError):
        raise outcome.result
    raise CutListError(f"{job.path.name} cannot be read as a cut list", found=outcome.reason, expected=_READABLE)


def _attempt(job: _Job) -> CutList | InterpositiveError:
    """Errors travel as results, so that their words arrive whole; what readers log is for their makers."""
    logging.disable(logging.WARNING)
    try:
        return _read(job)
    except InterpositiveError as error:
        return error


def _read(job: _Job) -> CutList:
    path = job.path
    if not path.is_file():
        raise CutListError(f"there is no cut list at {path}", found="a folder" if path.is_dir() else "nothing")
    if path.stat().st_size > _MOST_BYTES:
        raise CutListError(
            f"{path.name} is too large for a cut list", found=f"{path.stat().st_size} bytes", expected="512 MiB at most"
        )
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith(_AAF_SIGNATURE):
        return _read_aaf(path, job.rate)
    if head[4:8] in (b"ftyp", b"moov", b"wide", b"mdat") or head[:4] in (b"RIFF", b"\x1aE\xdf\xa3"):
        raise CutListError(f"{path.name} is a movie, not a cut list", found="moving pictures", expected=_READABLE)
    text = paper_text(path.read_bytes(), path.name)
    start = text.lstrip("\ufeff \t\r\n")
    if start.startswith("<"):
        return _read_xml(text, path, job.rate)
    if start.startswith("{") and "OTIO_SCHEMA" in text:
        timeline = _by_adapter("otio_json", text, path)
        return _from_timeline(timeline, TimelineShots(), path, "OTIO", job.rate)
    if re.match(r"Heading\s*[\r\n]", start, re.IGNORECASE):
        return cut_list_from_ale(text, str(path), job.rate)
    if re.search(r"^\s*(TITLE:|FCM:|\d+\s+\S+.*\d\d:\d\d:\d\d[:;]\d\d)", text, re.MULTILINE):
        return cut_list_from_edl(text, str(path), _edl_rate(path, job.rate))
    what = "a playlist" if start.startswith("#EXTM3U") else start[:60].splitlines()[0] if start else "an empty file"
    raise CutListError(f"{path.name} is no cut list", found=what, expected=_READABLE)


def _edl_rate(path: Path, rate: Fraction | None) -> Fraction:
    if rate is None:
        raise ConfigError(
            f"{path.name} does not say at what rate it counts: no edit decision list does",
            expected="the rate of the cut",
            remedy="say it: cut_list_rate=24, 25, 24000/1001 or 30000/1001",
        )
    return rate


def _read_xml(text: str, path: Path, rate: Fraction | None) -> CutList:
    if re.search(r"<!ENTITY", text, re.IGNORECASE):
        raise CutListError(
            f"{path.name} defines entities of its own, which no editing system writes",
            found="<!ENTITY",
            expected="plain XML",
            remedy="do not use this file: such definitions serve to read other files or to fill the memory",
        )
    root = re.search(r"<([A-Za-z][\w.:-]*)", re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL))
    name = root[1] if root else "nothing"
    if name == "xmeml":
        timeline = _by_adapter("fcp_xml", fcp7_text(text, path), path)
        check_fcp7(text, timeline, path)
        return _from_timeline(timeline, TimelineShots(), path, "FCP7 XML", rate)
    if name == "fcpxml":
        whole = FcpxText(text, path)
        timeline = _by_adapter("fcpx_xml", whole.text, path)
        shots = TimelineShots(rate_of=whole.rate_of)
        cut = _from_timeline(timeline, shots, path, "FCPXML", rate)
        return whole.completed(cut)
    raise CutListError(
        f"{path.name} is XML, but no cut list", found=f"<{name}>", expected="<xmeml> (FCP7 XML) or <fcpxml>",
        remedy="export the cut from the editing system as FCP7 XML, FCPXML, EDL, AAF or OTIO",
    )  # fmt: skip


def _read_aaf(path: Path, rate: Fraction | None) -> CutList:
    reels = aaf_reels(path)
    try:
        timeline = otio.adapters.read_from_file(str(path), adapter_name="AAF")
    except Exception as error:
        raise _refusal(path, "AAF", error) from None
    cut = _from_timeline(timeline, TimelineShots(reel_of=reels.reel_of), path, "AAF", rate)
    return cut.model_copy(update={"drop_frame": reels.cut_drops})


def _by_adapter(adapter: str, text: str, path: Path) -> Any:
    try:
        return otio.adapters.read_from_string(text, adapter_name=adapter)
    except Exception as error:
        raise _refusal(path, adapter, error) from None


def _refusal(path: Path, kind: str, error: Exception) -> CutListError:
    """The readers raise their own errors and those of their mistakes alike; both refuse the list."""
    newer = "unsupported schema version" in str(error)
    return CutListError(
        f"{path.name} could not be read" + (" by this version of OpenTimelineIO" if newer else ""),
        found=" ".join(f"{type(error).__name__}: {error}".split())[:300],
        expected={"otio_json": "an OTIO timeline", "AAF": "an AAF composition"}.get(kind, "a whole sequence"),
        remedy="export it again for an older version" if newer else "export the sequence again, or as EDL or OTIO",
    )


def _from_timeline(timeline: Any, found: TimelineShots, path: Path, kind: str, rate: Fraction | None) -> CutList:
    if isinstance(timeline, otio.schema.Timeline):
        found.add_timeline(timeline)
    elif isinstance(timeline, otio.schema.SerializableCollection):
        found.add_bin(timeline)
    else:
        raise CutListError(
            f"{path.name} holds no sequence",
            found=type(timeline).__name__ if timeline is not None else "no event, project or clip",
            expected="a timeline, or a bin of timelines",
        )
    if not found.shots and not found.left_out:
        raise CutListError(
            f"{path.name} holds a sequence with nothing in it", found=f"{timeline.name!r} with no clip",
            expected="at least one track with a clip", remedy="select the sequence, not a bin, and export again",
        )  # fmt: skip
    if rate is not None and found.rate is not None and rate != found.rate:
        raise ConfigError(
            f"{path.name} says its rate itself", found=f"cut_list_rate={rate}", expected=str(found.rate),
            remedy="leave cut_list_rate out",
        )  # fmt: skip
    drop = str(timeline.metadata.get("fcp_xml", {}).get("timecode", {}).get("displayformat", "")) == "DF"
    return CutList(
        path=str(path),
        format=kind,
        title=timeline.name or "",
        rate=rate_text(found.rate) if found.rate else "",
        drop_frame=drop,
        shots=with_unique_names(found.shots),
        left_out=found.left_out,
    )
