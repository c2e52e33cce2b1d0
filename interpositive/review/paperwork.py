"""The page's paperwork: what was trained on, what was altered, versions, seeds and digests."""

from __future__ import annotations

from collections.abc import Iterable

from interpositive.records.delivery_manifest import DeliveryManifest
from interpositive.records.evaluation_record import EvaluationRecord
from interpositive.records.run_record import RunRecord
from interpositive.review.elements import Html, definitions, element, folded, table, together
from interpositive.review.subjects import Subject
from interpositive.review.verdicts import short_number

_SPLIT_WORDS = {
    "train": "Trained on",
    "val": "Watched while training, never trained on",
    "test": "Held out: measured once, at the end",
}


def untouched_statement(delivery: DeliveryManifest) -> tuple[bool, str]:
    """Whether pixels outside the mask are the plate's, and the sentence that says it."""
    frames = delivery.frames
    violations = sum(entry.untouched_violations for entry in frames)
    if violations:
        broken = [str(entry.frame) for entry in frames if entry.untouched_violations]
        return False, (
            f"{violations:,} pixels outside the mask were changed, on frames {', '.join(broken[:10])}"
            f"{' and others' if len(broken) > 10 else ''}. This delivery must not be used."
        )
    return True, f"0 pixels outside the mask differ from the plate, on all {len(frames)} frames."


def paperwork_section(subject: Subject) -> Html:
    """Everything that makes the result accountable and repeatable."""
    parts: list[str] = []
    notes = [*subject.measures.notes]
    if subject.run is not None:
        parts += [*_training(subject.run), *_run_facts(subject.run)]
        notes += [*subject.run.notes, *(subject.course.notes if subject.course else [])]
    if subject.evaluation is not None:
        parts += _judged(subject.evaluation)
        notes += subject.evaluation.notes
    if subject.delivery is not None:
        parts += [
            *_account(subject.delivery),
            *_delivery_training(subject.delivery),
            *_delivery_facts(subject.delivery),
        ]
        notes += subject.delivery.notes
    if notes:
        parts += [element("h3", "Notes"), _plain_list(dict.fromkeys(notes))]
    return element("section", element("h2", "Paperwork"), *parts, class_="paperwork")


def _training(run: RunRecord) -> list[Html]:
    parts = [element("h3", "What it was trained on")]
    splits = dict.fromkeys([*_SPLIT_WORDS, *(take.split for take in run.takes)])
    for split in splits:
        takes = [take for take in run.takes if take.split == split]
        if not takes:
            continue
        rows = [[take.name, str(take.num_frames), take.path, _digest(take.sha256)] for take in takes]
        title = f"{_SPLIT_WORDS.get(split, split)} ({split}, {len(takes)} {'take' if len(takes) == 1 else 'takes'})"
        parts.append(table(["Take", "Frames", "File", "SHA-256"], rows, title))
    return parts


def _run_facts(run: RunRecord) -> list[Html]:
    facts = [
        ("Mini-model", run.mini_model),
        *(("Began with", beginning.words().removeprefix("begins with ")) for beginning in run.begun_with),
        ("What learned", f"{run.adapter}: {run.num_parameters:,} parameters"),
        ("Seed", str(run.seed)),
        ("Steps", f"{run.steps:,}" + ("" if run.finished else " (not finished)")),
        ("Time training", f"{run.seconds_training / 60:.1f} minutes"),
        ("Machine", run.machine),
        ("Catalogue", run.catalogue),
        ("Catalogue SHA-256", _digest(run.catalogue_sha256)),
        ("Config SHA-256", _digest(run.config_sha256)),
        ("Archive SHA-256", _digest(run.archive_sha256)),
        *([("Finder SHA-256", _digest(run.finder_sha256))] if run.finder_sha256 else []),
        *(("Code", start.code.words()) for start in run.starts[:1]),
    ]
    parts = [element("h3", "How it was made"), definitions(facts)]
    if run.scores:
        parts += [element("h3", "Scores that training recorded"), definitions(_numbers(run.scores))]
    return [*parts, *_versions(run.versions)]


def _judged(evaluation: EvaluationRecord) -> list[Html]:
    """What was judged against what; the files lie elsewhere, so their digests are told and not verified."""
    rows = [[shot.name, file.role, file.path, _digest(file.sha256)] for shot in evaluation.shots for file in shot.files]
    settings = list(evaluation.settings.items())
    facts = [("Machine", evaluation.machine or "none recorded"), ("Config SHA-256", _digest(evaluation.config_sha256))]
    told = (
        "The digests are those of the files when they were judged. The files lie outside this folder and were not "
        "read again for this page: compare a file with its digest before you trust that it is the one judged."
    )
    return [
        element("h3", "What was judged, and against what"),
        element("p", told),
        table(["Shot", "Role", "File", "SHA-256"], rows, f"{len(rows)} files"),
        element("h3", "How it was made"),
        definitions(facts),
        *([folded("Settings, word for word", definitions(settings))] if settings else []),
        *_versions(evaluation.versions),
    ]


def _account(delivery: DeliveryManifest) -> list[Html]:
    frames = delivery.frames
    altered = sum(entry.altered_pixels for entry in frames)
    raster = delivery.width * delivery.height * max(1, len(frames))
    _, sentence = untouched_statement(delivery)
    rows = [
        [
            str(entry.frame),
            entry.timecode or "none",
            f"{entry.mask_pixels:,}",
            f"{entry.altered_pixels:,}",
            f"{entry.untouched_violations:,}",
        ]
        for entry in frames
    ]
    headings = ["Frame", "Timecode", "Pixels in the mask", "Pixels altered", "Altered outside the mask"]
    listing = element(
        "details",
        element("summary", f"The account of each of {len(frames)} frames"),
        element("div", table(headings, rows, "Altered pixels, frame by frame", "account"), class_="long"),
    )
    share = f"{altered:,} pixels were altered, {100 * altered / raster:.3f}% of the picture. "
    parts = [element("h3", "Account of altered pixels"), element("p", share + sentence), listing]
    if delivery.gate:
        parts += [element("h3", "What decided the method"), definitions(_numbers(delivery.gate))]
    return parts


def _delivery_training(delivery: DeliveryManifest) -> list[Html]:
    takes = delivery.training_takes
    told: Html = (
        _plain_list(takes) if takes else element("p", "No take: the method that was delivered is not a trained one.")
    )
    return [element("h3", "What it was trained on"), told]


def _delivery_facts(delivery: DeliveryManifest) -> list[Html]:
    facts = [
        ("Method", delivery.method),
        ("Raster", f"{delivery.width} × {delivery.height}"),
        ("Frames", f"{delivery.num_frames}, from {delivery.first_frame}"),
        ("Frame rate", delivery.rate),
        ("Start timecode", delivery.start_timecode or "none"),
        *([("Replaces", delivery.delivered.in_words)] if delivery.delivered else []),
        ("Format", f"{delivery.frame_format}, {delivery.encoding}"),
        ("Seed", str(delivery.seed)),
        ("Config SHA-256", _digest(delivery.config_sha256)),
        ("Files sealed by digest", str(len(delivery.files))),
    ]
    rows = [[source.role, source.path, _digest(source.sha256)] for source in delivery.sources]
    return [
        element("h3", "How it was made"),
        definitions(facts),
        table(["Role", "File", "SHA-256"], rows, "What the delivery was made from"),
        *_versions(delivery.versions),
    ]


def _versions(versions: dict[str, str]) -> list[Html]:
    return [element("h3", "Versions"), definitions(sorted(versions.items()))] if versions else []


def _numbers(values: dict[str, float | None]) -> Iterable[tuple[str, str]]:
    return ((name, "not measured" if value is None else short_number(value)) for name, value in values.items())


def _digest(sha256: str) -> Html:
    return element("code", sha256) if sha256 else together(["none recorded"])


def _plain_list(lines: Iterable[str]) -> Html:
    return element("ul", *(element("li", line) for line in lines))
