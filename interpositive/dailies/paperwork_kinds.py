"""What a file beside the footage is: each kind of paperwork recognised by its content and summed up, or refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from interpositive.dailies.camera_reports.reading import family_of, read_camera_report
from interpositive.dailies.cut_lists import read_cut_list
from interpositive.dailies.slate_rules import SIDECAR_NAME, read_slate_sheet
from interpositive.errors import PaperworkError
from interpositive.media.cdl_files import CDL_EXTENSIONS, read_cdls
from interpositive.media.colour_files import CONFIG_EXTENSIONS, TABLE_EXTENSIONS, read_colour_file
from interpositive.records.camera_data import CameraReport, CameraSettings
from interpositive.records.hash_lists.manifests import HISTORY_FOLDER, read_chain, read_manifest
from interpositive.records.hash_lists.simple_lists import SIMPLE_EXTENSIONS, read_simple_list
from interpositive.records.imf_packages import is_imf_document, read_imf_document
from interpositive.records.shots import Shot

_MOST_SHOTS = 12
_ASC_MHL, _ASC_MHL_CHAIN = b"urn:ASC:MHL:", b"urn:ASC:MHL:DIRECTORY:"
_CUT_LIST_EXTENSIONS = {".edl", ".ale", ".xml", ".fcpxml", ".aaf", ".otio"}
Facts = list[tuple[str, str]]
_HEAD_BYTES = 4096


@dataclass(frozen=True)
class Summary:
    """One file of paperwork: what kind it is and what it says, as labels and words."""

    kind: str
    facts: Facts = field(default_factory=list)


def describe_paperwork(path: Path, cut_list_rate: str | None = None) -> Summary:
    """Read a file of paperwork and sum it up; ``cut_list_rate`` counts edit decision lists, which do not say theirs.

    ``InterpositiveError`` of the kind's own class for one that is damaged, ``PaperworkError`` for a file of no kind
    that is known, with what to do about those that are met often.
    """
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    for recognises, describe in _KINDS:
        if recognises(path, head):
            return describe(path)
    if path.suffix.lower() in _CUT_LIST_EXTENSIONS:
        return _cut_list(path, cut_list_rate)
    raise _refusal(path, head)


def _camera_report(path: Path) -> Summary:
    report = read_camera_report(path)
    facts = [("clip", " ".join(filter(None, (report.clip_name, f"reel {report.reel}" if report.reel else ""))))]
    facts += settings_in_words(report.settings)
    facts += [("frames", _frames_in_words(report)), *(("note", note) for note in report.notes)]
    return Summary(f"camera report, {report.family}", facts)


def settings_in_words(settings: CameraSettings) -> Facts:
    """Camera, lens, exposure and encoding in a line each; what the camera did not say is left out."""
    camera = " ".join(filter(None, (settings.make, settings.model, f"#{settings.serial}" if settings.serial else "")))
    lens = " ".join(filter(None, (settings.lens, f"#{settings.lens_serial}" if settings.lens_serial else "")))
    exposure = {
        "EI {:g}": settings.exposure_index,
        "shutter {:g}°": settings.shutter_angle_degrees,
        "{:g} K": settings.white_balance_kelvin,
        "tint {:g}": settings.tint,
        "ND {:g} stops": settings.neutral_density_stops,
        "squeeze {:g}": settings.lens_squeeze if settings.lens_squeeze != 1 else None,
    }
    said = [form.format(value) for form, value in exposure.items() if value is not None]
    encoded = " / ".join(filter(None, (settings.curve, settings.gamut)))
    rows = [("camera", camera), ("lens", lens), ("exposure", ", ".join(said)), ("encoded as", encoded)]
    return [(label, words) for label, words in rows if words]


def _frames_in_words(report: CameraReport) -> str:
    count, columns = len(report.frames), ", ".join(report.frames.columns())
    if not count:
        return "none, only settings"
    span = f", {report.timecodes[0]} to {report.timecodes[-1]}" if report.timecodes else ""
    return f"{count}{span}: {columns}"


def _imf(path: Path) -> Summary:
    document = read_imf_document(path)
    facts = [("title", document.title), ("made by", document.made_by)]
    if document.num_assets:
        facts.append(("assets", str(document.num_assets)))
    if document.files or document.missing:
        facts.append(("beside it", f"{len(document.files)} of {len(document.files) + len(document.missing)} files"))
        facts += [("missing", name) for name in document.missing]
    if document.num_frames is not None:
        picture = f"{document.num_frames} frames at {document.edit_rate} in {document.picture_files} picture files"
        facts.append(("picture", picture))
        facts.append(("to use it", "inspect or ingest the picture's MXF; the playlist itself is not conformed"))
    return Summary(
        document.kind, [(label, words) for label, words in facts if words] or [("what", "part of a package")]
    )


def _grades(path: Path) -> Summary:
    grades = read_cdls(path)
    shown = [("grade", f"{cdl.id or '(no id)'}: {cdl.sop_text} {cdl.sat_text}") for cdl in grades[:8]]
    return Summary("ASC CDL", [("grades", str(len(grades))), *shown])


def _colour_file(path: Path) -> Summary:
    read = read_colour_file(path)
    steps = ", ".join(read.steps[:12]) + (f" … {len(read.steps)} in all" if len(read.steps) > 12 else "")
    spaces = f"{len(read.spaces)}: {', '.join(read.spaces[:6])} …" if read.spaces else ""
    facts = [("steps", steps), ("colour spaces", spaces), *(("note", note) for note in read.notes)]
    return Summary(read.kind, [(label, words) for label, words in facts if words])


def _hash_list(path: Path) -> Summary:
    """One list alone; whether its files are as it says is for the folder that it covers."""
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    if _ASC_MHL_CHAIN in head:
        links = read_chain(path)
        return Summary("ASC MHL chain", [("generations", f"{len(links)}: {', '.join(link.name for link in links)}")])
    asc = _ASC_MHL in head
    kind, read = ("ASC MHL hash list", read_manifest(path)) if asc else ("hash list", read_simple_list(path))
    formats = Counter(digest.format for file in read.files for digest in file.hashes)
    facts = [("files", f"{len(read.files)}, {', '.join(f'{number} {name}' for name, number in formats.items())}")]
    covers = path.parent.parent if path.parent.name == HISTORY_FOLDER else path.parent
    return Summary(kind, [*facts, ("to check it", f"interpositive inspect path={covers}")])


def _cut_list(path: Path, rate: str | None) -> Summary:
    cut = read_cut_list(path, rate)
    reels = {shot.reel for shot in cut.shots if shot.reel}
    speeds = Counter(shot.speed or "varying" for shot in cut.shots)
    retimed = ", ".join(f"{number} at {speed}" for speed, number in speeds.items() if speed != "1/1")
    facts = [
        ("title", cut.title),
        ("counts at", f"{cut.rate}{' drop-frame' if cut.drop_frame else ''}" if cut.rate else ""),
        ("shots", f"{len(cut.shots)} from {len(reels)} reels"),
        ("retimed", retimed),
        *(("shot", f"{shot.name}: {_shot_in_words(shot)}") for shot in cut.shots[:_MOST_SHOTS]),
        ("more", f"{len(cut.shots) - _MOST_SHOTS} shots" if len(cut.shots) > _MOST_SHOTS else ""),
        *(("left out", f"{left.name}: {left.reason}") for left in cut.left_out[:_MOST_SHOTS]),
        *(("note", note) for note in cut.notes),
    ]
    kind = "cut list" if cut.rate else "list of takes"
    return Summary(f"{kind}, {cut.format}", [(label, words) for label, words in facts if words])


def _shot_in_words(shot: Shot) -> str:
    if shot.source is None:
        return "no source frames named" + (f": {shot.media_names[0]}" if shot.media_names else "")
    begin, end = shot.source.timecodes(bool(shot.source_drop_frame))
    named = shot.reel or (shot.media_names[0] if shot.media_names else "no reel")
    return f"{named} {begin} to {end}, {shot.source.num_frames} frames at {shot.source.rate}"


def _slates(path: Path) -> Summary:
    sheet = read_slate_sheet(path)
    refused = [("refused", f"line {line}: {reason}") for line, reason in sheet.refused]
    return Summary("slate sheet", [("takes", str(len(sheet.slates))), *refused])


def _is_asc_mhl(head: bytes) -> bool:
    return _ASC_MHL in head and (b"<hashlist" in head or b"<ascmhldirectory" in head)


def _by_extension(extensions: frozenset[str]) -> Callable[[Path, bytes], bool]:
    return lambda path, head: path.suffix.lower() in extensions


_KINDS: tuple[tuple[Callable[[Path, bytes], bool], Callable[[Path], Summary]], ...] = (
    (lambda path, head: path.name.lower() == SIDECAR_NAME, _slates),
    (lambda path, head: family_of(path) is not None, _camera_report),
    (lambda path, head: is_imf_document(head), _imf),
    (lambda path, head: _is_asc_mhl(head) or path.suffix.lower() in SIMPLE_EXTENSIONS, _hash_list),
    (_by_extension(CDL_EXTENSIONS), _grades),
    (_by_extension(TABLE_EXTENSIONS | CONFIG_EXTENSIONS | {".ociom"}), _colour_file),
)

_RAW = "camera raw, which only its maker's software develops"
CAMERA_RAW_EXTENSIONS = frozenset({".r3d", ".braw", ".ari", ".arx", ".dng", ".cr2", ".cr3", ".nef", ".crm"})
_KNOWN_STRANGERS = (
    ({".r3d"}, f"RED {_RAW}", "export ProRes 4444 XQ or EXR from REDCINE-X PRO or Resolve, in Log3G10"),
    ({".braw"}, f"Blackmagic {_RAW}", "export ProRes 4444 or EXR from Resolve, in Film Gen 5"),
    ({".ari", ".arx"}, f"ARRI {_RAW}", "export ProRes 4444 or EXR from ARRI Reference Tool or Resolve, in LogC"),
    ({".dng", ".cr2", ".cr3", ".nef", ".crm"}, f"a still or cinema {_RAW}", "develop it to EXR, or to 16-bit TIFF"),
    ({".wav", ".bwf", ".mp3", ".aif", ".aiff"}, "sound, which is not looked at", "give the picture"),
    ({".m3u8", ".m3u", ".mpd"}, "a playlist, which only points to other files", "give the movie it plays"),
    ({".pem", ".pub", ".crt", ".key"}, "a key or certificate", "give the media that was signed with it"),
    ({".xsd"}, "a description of an XML format, not a document of it", "give the document"),
    ({".txt", ".md", ".log", ".pdf"}, "a document for people to read", ""),
    ({".xges"}, "a project of an editor that is not read", "export the cut as OTIO, EDL or FCP7 XML"),
)


def _refusal(path: Path, head: bytes) -> PaperworkError:
    for extensions, what, remedy in _KNOWN_STRANGERS:
        if path.suffix.lower() in extensions:
            return PaperworkError(f"{path.name} is {what}", remedy=remedy)
    return PaperworkError(
        f"{path.name} is neither footage nor paperwork that is known",
        found=f"a file that begins with {head[:12]!r}" if head else "an empty file",
        expected="a movie, frames, a cut list, hash list, camera report, colour file or a document of an IMF package",
    )
