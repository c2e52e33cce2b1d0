"""One screen on a run that was trained anew, or that is asked whether it can be."""

from __future__ import annotations

from interpositive.records.reproduction import PARTS, Finding, ReproductionRecord
from interpositive.review.screens import Screen

_MOST_FINDINGS = 4
_MOST_TENSORS = 3


def reproduction_screen(record: ReproductionRecord) -> Screen:
    """What is other here, part by part; what came of it; the likeliest cause first."""
    rows = [row for part in PARTS for row in _part(part, [found for found in record.findings if found.part == part])]
    if record.num_tensors:
        rows += [("weights", _weights(record)), *_scores(record)]
    if record.first_difference:
        rows.append(("cause", record.first_difference))
    remedies = [found.remedy for found in record.findings if found.remedy and found.weight != "none"]
    rows += [("to mend", remedy) for remedy in dict.fromkeys(remedies[:_MOST_FINDINGS])]
    return Screen(f"{record.run}: {record.verdict}", rows)


def _part(part: str, findings: list[Finding]) -> list[tuple[str, str]]:
    if not findings:
        return [] if part == "numerics" else [(part, "as recorded")]
    telling = [found for found in findings if found.weight != "none"]
    harmless = [found for found in findings if found.weight == "none"]
    rows = [(part, f"{_WORDS[found.weight]}{found.line()}") for found in telling[:_MOST_FINDINGS]]
    if len(telling) > _MOST_FINDINGS:
        rows.append((part, f"and {len(telling) - _MOST_FINDINGS} more"))
    if harmless:
        names = ", ".join(found.what for found in harmless)
        before = "" if telling else "as recorded, but for "
        rows.append((part, f"{before}what decides no result: {names}"))
    return rows


_WORDS = {"other result": "other: ", "unknown": "not known: ", "no run": "not to be had: ", "none": ""}


def _weights(record: ReproductionRecord) -> str:
    was, is_now = record.weights_sha256
    if was == is_now:
        return f"byte for byte the same, sha256 {was[:12]}"
    names = ", ".join(
        f"{found.name} " + ("cannot be compared" if found.relative is None else f"{found.relative:.2g}")
        for found in record.tensors[:_MOST_TENSORS]
    )
    apart = (
        "cannot be compared as a whole"
        if record.distance is None
        else f"are {record.distance:.2g} of their length apart"
    )
    return (
        f"{apart} (tolerance {record.tolerance:g}); {len(record.tensors)} of {record.num_tensors} tensors differ, "
        f"furthest by these shares of their largest value: {names}"
    )


def _scores(record: ReproductionRecord) -> list[tuple[str, str]]:
    pairs = [(name.removeprefix("held_out/"), was, is_now) for name, (was, is_now) in record.scores.items()]
    differing = [f"{name} {_number(was)} → {_number(is_now)}" for name, was, is_now in pairs if was != is_now]
    if not differing:
        return [("held out", f"all {len(pairs)} scores the same")]
    return [("held out", f"{len(differing)} of {len(pairs)} scores differ: {'; '.join(differing)}")]


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.6g}"
