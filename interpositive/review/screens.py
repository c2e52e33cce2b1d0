"""What is told of a take, a catalogue, a run, a delivery or an evaluation on one screen: labels and words."""

from __future__ import annotations

import textwrap
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.paperwork_kinds import settings_in_words
from interpositive.dailies.take import SPLITS, Take
from interpositive.dailies.walking import Walk
from interpositive.media.contract import MediaInfo
from interpositive.records.camera_data import TakeCameraData
from interpositive.records.hash_lists.verifying import FolderCheck
from interpositive.records.timecode import is_drop_frame, timecode_to_frame, wrapped_timecode
from interpositive.review.looking import Look
from interpositive.review.subjects import Subject

WIDTH = 100
_LABEL_WIDTH = 12
_MOST_LINES = 4
UNKNOWN_ENCODING = "not known: name it in the production's encodings"


@dataclass(frozen=True)
class Screen:
    """A heading, and rows of a label and words."""

    heading: str
    rows: list[tuple[str, str]]

    def text(self) -> str:
        """The screen as text, no wider than 100 columns; a very long row is cut after four lines."""
        lines = [_cut(self.heading), ""]
        for label, words in self.rows:
            wrapped = textwrap.wrap(words, WIDTH - _LABEL_WIDTH - 4) or [""]
            if len(wrapped) > _MOST_LINES:
                wrapped = [*wrapped[: _MOST_LINES - 1], wrapped[_MOST_LINES - 1][: WIDTH - _LABEL_WIDTH - 6] + " …"]
            lines.append(f"  {label:<{_LABEL_WIDTH}}  {wrapped[0]}")
            lines += [" " * (_LABEL_WIDTH + 4) + more for more in wrapped[1:]]
        return "\n".join(lines)


def footage_screen(path: Path, look: Look, take: Take | None, camera: TakeCameraData | None) -> Screen:
    """A movie or a frame sequence, with what the catalogue and the camera say of it where they do."""
    info = look.info
    rows = [
        ("what", _what(info)),
        ("picture", _picture(info) + (f", layer {take.layer}" if take and take.layer else "")),
        ("time", _time(info, take)),
        ("reel", _reel(info, take)),
    ]
    rows.append(("colour", _colour(info, take)))
    rows += [("note", note) for note in _warnings(info)]
    rows += _standing(look, take)
    if camera is not None:
        rows += settings_in_words(camera.settings)
        rows += [("frames", _camera_frames(camera)), *(("note", note) for note in camera.notes)]
    return Screen(f"{take.name} — {path}" if take else str(path), rows)


def catalogue_screen(catalogue: Catalogue) -> Screen:
    """How much footage, how it is held out, and what is missing that will be asked for."""
    kinds: Counter[str] = Counter()
    rates: Counter[str] = Counter()
    splits: Counter[str] = Counter()
    lacking: Counter[str] = Counter()
    encodings: Counter[str] = Counter()
    scenes: set[str] = set()
    frames: Counter[str] = Counter()
    looks = catalogue.takes().columns("width", "height", "codec", "bits", "num_frames", "rate")
    for width, height, codec, bits, num_frames, rate in looks:
        kinds[f"{width}x{height} {codec} {bits}-bit"] += 1
        rates[rate] += 1
        frames[rate] += num_frames
    marks = catalogue.takes().columns("split", "encoding", "scene", "start_frame", "reel", "hash_list")
    for split, encoding, scene, start_frame, reel, hash_list in marks:
        splits[split or "none yet"] += 1
        encodings[encoding or "not known"] += 1
        scenes.add(scene)
        lacking["timecode"] += start_frame is None
        lacking["reel"] += reel is None
        lacking["hash list"] += not hash_list
    seconds = sum((number / Fraction(rate) for rate, number in frames.items()), Fraction(0))
    count = len(catalogue)
    held = ", ".join(f"{split} {splits[split]}" for split in (*SPLITS, "none yet") if splits[split])
    without = ", ".join(f"{what} {number}" for what, number in lacking.items() if number)
    rows = [
        ("takes", f"{count} of {len(scenes)} scenes, {_clock(seconds)}"),
        ("splits", held),
        ("pictures", _counted(kinds)),
        ("rates", _counted(rates)),
        ("colour", _counted(encodings)),
        ("without", without or "nothing: every take has timecode, reel and hash list"),
    ]
    return Screen(f"catalogue — {catalogue.path}", rows)


def subject_screen(subject: Subject) -> Screen:
    """A run, a delivery or an evaluation; a delivery's files were verified to get here."""
    rows = [("made", subject.created)]
    if subject.run is not None:
        record, splits = subject.run, Counter(take.split for take in subject.run.takes)
        rows += [
            ("what", f"run of {record.mini_model} for {record.task}, production {record.production}"),
            ("training", f"{record.steps} steps in {_clock(Fraction(record.seconds_training))}, seed {record.seed}"),
            ("takes", ", ".join(f"{split} {splits[split]}" for split in SPLITS if splits[split])),
            ("whole", "yes" if record.finished else "no: train again with the same run_folder, it goes on"),
            ("archive", f"sha256 {record.archive_sha256}"),
        ]
        rows += [("note", note) for note in record.notes]
    if subject.delivery is not None:
        made = subject.delivery
        altered = sum(frame.altered_pixels for frame in made.frames)
        share = altered / max(1, made.width * made.height * made.num_frames)
        rows += [
            ("what", f"shot {made.shot}, {made.task} by {made.method}, production {made.production}"),
            ("picture", f"{made.width}x{made.height}, {made.frame_format}, {made.num_frames} frames at {made.rate}"),
            ("time", made.start_timecode or "no timecode"),
            *([("replaces", made.delivered.in_words)] if made.delivered else []),
            ("colour", made.encoding or UNKNOWN_ENCODING),
            (
                "altered",
                f"{share:.3%} of all pixels, {sum(f.untouched_violations for f in made.frames)} outside the mask",
            ),
            ("whole", f"yes: all {len(made.files)} files have the digests of the manifest"),
        ]
        rows += [("note", note) for note in made.notes]
    if subject.evaluation is not None:
        judged = subject.evaluation
        rows += [
            ("what", f"evaluation of {len(judged.shots)} shots: {', '.join(shot.name for shot in judged.shots[:6])}")
        ]
        rows += [("note", note) for note in judged.notes]
    rows.append(("look at it", f"interpositive review path={subject.folder}"))
    return Screen(f"{subject.title} — {subject.folder}", rows)


def captions(info: MediaInfo, numbers: list[int], take: Take | None) -> list[str]:
    """What stands under each frame of a contact sheet: its timecode, or its number where there is none."""
    return _counted_from(*_start(info, take), info.rate, numbers)


def take_captions(take: Take, numbers: list[int]) -> list[str]:
    """What stands under frames of a take that is known well enough not to be opened."""
    return _counted_from(take.start_frame, take.drop_frame, take.frame_rate, numbers)


def _counted_from(start: int | None, drop_frame: bool, rate: Fraction, numbers: list[int]) -> list[str]:
    if start is None:
        return [f"frame {n}" for n in numbers]
    return [f"{wrapped_timecode(start + n, rate, drop_frame)}   {n}" for n in numbers]


def folder_screen(path: Path, walk: Walk, check: FolderCheck | None) -> Screen:
    """A folder of dailies that nobody has ingested yet: what a look at the names in it promises.

    ``check`` is the verification of its hash lists, None where there are none or nobody asked.
    """
    sequences = sum(bool(footage.frames) for footage in walk.footage)
    num_bytes = sum(footage.state.num_bytes for footage in walk.footage)
    ignored = Counter(reason for _, reason in walk.ignored)
    rows = [
        ("what", "a folder of dailies, not ingested; by the names in it"),
        ("footage", f"{len(walk.footage) - sequences} movies, {sequences} frame sequences, {num_bytes / 1e9:.2f} GB"),
        ("slates", f"{len(walk.sheets)} slate sheets"),
        ("beside it", _counted(ignored) or "nothing"),
        *[("refused", f"{refused.relative_to(walk.source)}: {reason}") for refused, reason in walk.refused[:8]],
    ]
    if check is not None:
        counts = Counter(file.state for file in check.files)
        said = ", ".join(f"{number} {state}" for state, number in counts.items())
        rows.append(("hash lists", f"{said}; {'all is as it left' if check.verified else 'NOT all is as it left'}"))
        rows += [("list", f"{problem.path.name}: {problem.reason}") for problem in check.problems[:4]]
        bad = check.of("changed", "missing")[:8]
        rows += [(file.state, f"{file.path}: {file.reason}") for file in bad]
    rows.append(("to use it", f"interpositive ingest source={path}"))
    return Screen(str(path), rows)


def seen_through(encoding: str) -> str:
    """How the pictures of a contact sheet are to be read."""
    return f"{encoding}, through the review display" if encoding else "codes as they are: the encoding is not known"


def _what(info: MediaInfo) -> str:
    kind = {"sequence": "frame sequence", "still": "single frame, no take by itself"}.get(info.kind, "movie")
    traits = [f"{info.codec} {info.pixel_format}", f"{info.bits} bits"]
    traits += ["every frame by itself"] if info.intra_only else []
    return f"{kind}, {', '.join(traits)}"


def _picture(info: MediaInfo) -> str:
    turned = f", turned by {info.rotation_degrees}°" if info.rotation_degrees else ""
    windows = f", stored {info.data_window}" if info.data_window and info.data_window != info.display_window else ""
    squeezed = f", pixels {info.pixel_aspect:g} wide" if info.pixel_aspect != 1 else ""
    frames = "" if info.kind == "still" else f", {info.num_frames} frames at {_rate(info.rate)}"
    return f"{info.width}x{info.height}{turned}{windows}{squeezed}{frames}"


def _rate(rate: Fraction) -> str:
    return str(rate) if rate.denominator == 1 else f"{rate} ({float(rate):.3f})"


def _start(info: MediaInfo, take: Take | None) -> tuple[int | None, bool]:
    if take is not None and take.start_frame is not None:
        return take.start_frame, take.drop_frame
    if info.start_timecode is None:
        return None, False
    return timecode_to_frame(info.start_timecode, info.rate), is_drop_frame(info.start_timecode)


def _time(info: MediaInfo, take: Take | None) -> str:
    length = _clock(info.num_frames / info.rate)
    start, drop = _start(info, take)
    if info.kind == "still":
        return info.start_timecode or "no timecode"
    if start is None:
        return f"no timecode, {length}: frames are counted from 0"
    first, last = (wrapped_timecode(n, info.rate, drop) for n in (start, start + info.num_frames - 1))
    return f"{first} to {last}, {length}"


def _clock(seconds: Fraction) -> str:
    minutes, rest = divmod(float(seconds), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest:.0f} s" if minutes else f"{rest:.1f} s"


def _reel(info: MediaInfo, take: Take | None) -> str:
    reel = take.reel if take and take.reel else info.reel
    if reel:
        return reel
    return "none in the file; an edit list finds it by timecode and name only"


def _colour(info: MediaInfo, take: Take | None) -> str:
    tags = info.colour
    coded = ", ".join(dict.fromkeys(filter(None, (tags.primaries, tags.transfer, tags.matrix, f"{tags.range} range"))))
    said = "by rule, the file says nothing" if tags.source == "rule" else tags.source
    if take is not None and take.encoding:
        return f"{take.encoding} ({take.encoding_source}); codes: {coded} ({said})"
    return f"{info.encoding or UNKNOWN_ENCODING}; codes: {coded} ({said})"


def _warnings(info: MediaInfo) -> list[str]:
    notes = [*info.notes, *(["interlaced: two moments in a frame"] if info.interlaced else [])]
    return notes + (["its frame rate varies; ingest refuses it"] if info.variable_rate else [])


def _standing(look: Look, take: Take | None) -> list[tuple[str, str]]:
    """Whether the footage is whole, and whether it is what the catalogue knows."""
    rows = [("whole", "yes: headers, index, first and last frames were read")]
    if take is None:
        rows.append(("catalogue", "not in it"))
        return [*rows, *([("digest", f"sha256 {look.sha256}")] if look.sha256 else [])]
    slate = take.slate
    rows.append(
        ("slate", f"scene {slate.scene}, take {slate.take}, camera {slate.camera or '?'}, roll {slate.roll or '?'}")
    )
    rows.append(("split", take.split or "none yet: the ingest was not finished"))
    rows.append(("digest", _digest(look.sha256, take)))
    if take.hash_list:
        rows.append(("hash list", f"vouched for by {take.hash_list}"))
    return [*rows, *([("proxy", take.proxy_path)] if take.proxy_path else [])]


def _digest(found: str, take: Take) -> str:
    if not found:
        return f"sha256 {take.sha256} when ingested, not checked now"
    if found == take.sha256:
        return f"sha256 {found}, as ingested"
    return f"CHANGED since it was ingested: sha256 {found}, was {take.sha256}"


def _camera_frames(camera: TakeCameraData) -> str:
    if not camera.joined_by:
        return "the camera report has none for these frames"
    spans = [_span(name, column) for name, column in camera.frames.columns().items()]
    return f"{camera.num_covered} of {camera.num_frames} by {camera.joined_by}: {', '.join(spans)}"


def _span(name: str, column: tuple[float | None, ...]) -> str:
    said = [value for value in column if value is not None]
    if not said:
        return f"{name} none"
    low, high = min(said), max(said)
    return f"{name} {low:g}" if low == high else f"{name} {low:g} to {high:g}"


def _counted(counter: Counter[str]) -> str:
    shown = ", ".join(f"{number} × {what}" for what, number in counter.most_common(4))
    return f"{shown}, {len(counter) - 4} other kinds" if len(counter) > 4 else shown


def _cut(text: str) -> str:
    return text if len(text) <= WIDTH else f"…{text[-WIDTH + 1 :]}"
