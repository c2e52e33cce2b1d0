"""One shot of an evaluation: read a few frames at a time, measured, and written as movies for the review page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import torch
from tqdm import tqdm

from interpositive.delivery.comparability import Judged, comparison_notes, float_notes, look_at, open_pictures
from interpositive.delivery.judged_shots import JudgedPaths
from interpositive.delivery.masks import open_mask
from interpositive.delivery.restoring import frames_to_float
from interpositive.delivery.review_movies import ReviewMovies
from interpositive.media.contract import MediaInfo
from interpositive.metrics.contract import MATTES, MakeMetric
from interpositive.metrics.encoded import measured_encoding
from interpositive.metrics.shot_meter import ShotMeter, worst_frames
from interpositive.records.evaluation_record import JudgedFile, ShotReport
from interpositive.records.measures import MetricInfo, ShotMeasures

UNKNOWN_ENCODING = "colour encoding not known: measured and shown as stored (encoding=<name> says it)"
RESULT, AGAINST = "result", "against"
# What is decoded at a time, all roles together, as float.
_WINDOW_BYTES = 192 << 20
_MOST_FRAMES = 16
_NUM_WORST = 8
_MOVIE_ROLES = {"result": "result", "against": "against", "reference": "target", "plate": "plate"}


@dataclass(frozen=True)
class ResultSettings:
    """What is measured, and what of the measuring is written down.

    ``rate`` (frames per second) is for frame sequences that carry none; ``layers`` name, by role, which picture of
    EXR frames that hold several is meant. ``encoding`` names the colour
    encoding of all pictures over what their files say; empty believes the files.
    ``told`` are the choices behind ``metrics`` in words, by key: an evaluation is resumed with the same only.
    """

    metrics: Sequence[MakeMetric]
    rate: Fraction | None = None
    layers: Mapping[str, str] = field(default_factory=dict)
    encoding: str = ""
    review_movies: bool = True
    told: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: str = ""
    progress: bool = True


def are_mattes(settings: ResultSettings) -> bool:
    """Whether a metric of mattes is among them: then all that is read is opacity, one channel, not colour."""
    return any(make().group == MATTES for make in settings.metrics)


def look_at_all(shot: JudgedPaths, settings: ResultSettings) -> dict[str, Judged]:
    """What the pictures of every role are; the mask is looked at by itself."""
    rate, layers = settings.rate, settings.layers
    return {role: look_at(role, path, rate, layers.get(role)) for role, path in shot.paths.items() if role != "mask"}


def measure_shot(shot: JudgedPaths, digests: Mapping[str, str], scratch: Path, settings: ResultSettings) -> ShotReport:
    """Measure one shot in windows of a few frames, and write its review movies into ``scratch``."""
    judged, layers = look_at_all(shot, settings), settings.layers
    info = judged[RESULT].info
    methods = [role for role in (RESULT, AGAINST) if role in judged]
    as_mattes = are_mattes(settings)
    encoding = "" if as_mattes else settings.encoding or info.encoding
    meter = ShotMeter(
        methods,
        settings.metrics,
        rate=info.rate,
        has_reference="reference" in judged,
        has_plate="plate" in judged,
        has_mask="mask" in shot.paths,
        encoding=encoding,
    )
    with ExitStack() as stack:
        readers = {role: open_pictures(one.path, settings.rate, layers.get(role)) for role, one in judged.items()}
        for reader in readers.values():
            stack.callback(reader.close)
        mask = open_mask(shot.paths["mask"], info, layer=layers.get("mask")) if "mask" in shot.paths else None
        if mask is not None:
            stack.callback(mask.close)
        movies = stack.enter_context(ReviewMovies(scratch, info.rate, encoding=encoding))
        for start, stop in _windows(info, len(readers) + (mask is not None), shot.name, settings.progress):
            codes = {role: reader.window(start, stop) for role, reader in readers.items()}
            masks = None if mask is None else mask.window(start, stop)
            frames = {role: frames_to_float(found, encoding) for role, found in codes.items()}
            if as_mattes:
                frames = {role: found.amax(1, keepdim=True) for role, found in frames.items()}
            meter.update(
                {method: frames[method] for method in methods},
                reference=frames.get("reference"),
                plate=frames.get("plate"),
                mask=None if masks is None else torch.from_numpy(masks)[:, None],
            )
            if settings.review_movies:
                for place in range(stop - start):
                    movies.write({_MOVIE_ROLES[role]: found[place] for role, found in codes.items()})
                    if masks is not None:
                        movies.write_matte(masks[place])
        pictures = movies.close()
    values, curves = meter.compute()
    first_frame, timecode = _numbering(judged)
    others = [one for role, one in judged.items() if role != RESULT]
    measures = ShotMeasures(
        name=shot.name,
        role=RESULT,
        num_frames=info.num_frames,
        first_frame=first_frame,
        rate=str(info.rate),
        start_timecode=timecode,
        values=values,
        curves=curves,
        worst_frames=[first_frame + place for place in _worst_places(curves[RESULT], meter.curve_infos)],
        pictures=pictures,
        encoding=measured_encoding(encoding),
        comments=[
            *(note for other in others for note in comparison_notes(judged[RESULT], other)),
            *(f"the result is the {one.role} itself" for one in others if digests[one.role] == digests[RESULT]),
            *([] if encoding else float_notes(list(judged.values()))),
            *([] if encoding or as_mattes else [UNKNOWN_ENCODING]),
        ],
    )  # fmt: skip
    files = [JudgedFile(role=role, path=str(path), sha256=digests[role]) for role, path in shot.paths.items()]
    return ShotReport(
        files=files, metrics=meter.infos, curve_metrics=meter.curve_infos, measures=measures, notes=meter.notes()
    )


def _windows(info: MediaInfo, num_streams: int, name: str, progress: bool) -> Iterator[tuple[int, int]]:
    """Start and end of windows of so few frames that memory does not depend on size or length."""
    frame_bytes = info.width * info.height * 3 * 4 * num_streams
    size = max(1, min(_MOST_FRAMES, _WINDOW_BYTES // frame_bytes))
    with tqdm(total=info.num_frames, desc=f"evaluate {name}", unit="frame", disable=not progress) as bar:
        for start in range(0, info.num_frames, size):
            stop = min(info.num_frames, start + size)
            yield start, stop
            bar.update(stop - start)


def _worst_places(curves: Mapping[str, list[float | None]], infos: Sequence[MetricInfo]) -> list[int]:
    """The worst frames by the meter's own rule; where it has none of those numbers, by the first that can rank."""
    found = worst_frames(curves)
    for info in infos:
        if not found and info.direction in ("higher", "lower"):
            sign = 1 if info.direction == "higher" else -1
            ranked = sorted((sign * v, place) for place, v in enumerate(curves.get(info.name, ())) if v is not None)
            found = [place for _, place in ranked[:_NUM_WORST]]
    return found


def _numbering(judged: Mapping[str, Judged]) -> tuple[int, str | None]:
    """The first frame's number and timecode: the result's own, else the plate's, else the reference's."""
    ordered = [judged[role] for role in (RESULT, "plate", "reference", AGAINST) if role in judged]
    numbers = [one.first_number for one in ordered if one.first_number is not None]
    timecodes = [one.info.start_timecode for one in ordered if one.info.start_timecode is not None]
    return (numbers[0] if numbers else 0), (timecodes[0] if timecodes else None)
