"""What became of a run that was trained anew, or of the question whether it can be."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from interpositive.errors import RunFolderError
from interpositive.records.base import Record
from interpositive.records.code_state import CODE_DIFF_NAME
from interpositive.records.provenance import SHAPING_PACKAGES, Provenance
from interpositive.records.publishing import write_file_whole

REPRODUCTION_NAME = "reproduction.json"
PARTS = ("config", "code", "data", "environment", "machine", "numerics")

Part = Literal["config", "code", "data", "environment", "machine", "numerics"]
Weight = Literal["none", "unknown", "other result", "no run"]
Verdict = Literal[
    "can be reproduced", "can be trained, as another run", "cannot", "equal", "within tolerance", "different"
]


class Finding(Record):
    """One thing that is not as it was: ``recorded`` then, ``here`` now.

    ``weight`` is what follows: nothing, nobody can say (the record is silent), perhaps another result, or that the run
    cannot be trained here. ``remedy`` says how to come nearer.
    """

    part: Part
    what: str
    recorded: str = ""
    here: str = ""
    weight: Weight = "other result"
    remedy: str = ""

    def line(self) -> str:
        """The finding on one line."""
        both = f": {self.recorded or 'nothing'} → {self.here or 'nothing'}" if self.recorded or self.here else ""
        return f"{self.what}{both}"


class TensorDifference(Record):
    """How far a tensor is from the recorded one; ``relative`` is the largest difference over its largest value.

    Both are None for tensors that cannot be compared: of another shape, missing, or not a number.
    """

    name: str
    largest: float | None
    relative: float | None


class ReproductionRecord(Record):
    """A run, what is other here than where it was trained, and how near training anew came to it.

    ``first_difference`` names the likeliest cause, empty where all is equal. ``tensors`` are those that differ,
    furthest first; ``distance`` is that of all weights as a share of their length, None where they cannot be compared.
    ``scores`` have (recorded, here) of the kept checkpoint. ``first_step`` is the first logged step at which the two
    runs part, None where they do not or nothing was trained.
    """

    schema_version: int = 1
    run: str
    run_record_sha256: str
    created: str
    verdict: Verdict
    first_difference: str = ""
    findings: list[Finding] = Field(default_factory=list)
    tolerance: float
    tensors: list[TensorDifference] = Field(default_factory=list)
    num_tensors: int = 0
    distance: float | None = None
    scores: dict[str, tuple[float | None, float | None]] = Field(default_factory=dict)
    first_step: int | None = None
    weights_sha256: tuple[str, str] = ("", "")
    seconds_training: float = 0.0

    def write(self, folder: Path) -> None:
        """Write ``reproduction.json`` into the new run folder, whole or not at all."""
        write_file_whole(folder / REPRODUCTION_NAME, self.model_dump_json(indent=1))

    @classmethod
    def read(cls, folder: Path) -> ReproductionRecord:
        """Read it back, with one clear error for what is none."""
        path = folder / REPRODUCTION_NAME
        try:
            return cls.model_validate_json(path.read_text())
        except (OSError, ValueError) as error:
            raise RunFolderError(f"{path} is no account of a reproduction", found=str(error)[:300]) from None


def first_of_weight(findings: Iterable[Finding], *weights: Weight) -> Finding | None:
    """The first finding of such a weight, in the order config, code, data, environment, machine, numerics."""
    ordered = sorted(findings, key=lambda finding: PARTS.index(finding.part))
    return next((finding for finding in ordered if finding.weight in weights), None)


def verdict_before_training(findings: Iterable[Finding]) -> Verdict:
    """Whether a run can be trained anew here, and as the same run; another processor alone makes it no other run."""
    found = list(findings)
    if first_of_weight(found, "no run"):
        return "cannot"
    differing = [finding for finding in found if finding.part != "machine"]
    return "can be trained, as another run" if first_of_weight(differing, "other result") else "can be reproduced"


def compare_configs(recorded: Mapping[str, Any], here: Mapping[str, Any], harmless: Iterable[str]) -> list[Finding]:
    """Every key whose value differs; those that begin with one of ``harmless`` decide no result."""
    then, now = dict(_dotted(recorded)), dict(_dotted(here))
    prefixes = tuple(harmless)
    return [
        Finding(
            part="config",
            what=key,
            recorded=_shown(then, key),
            here=_shown(now, key),
            weight="none" if key.startswith(prefixes) else "other result",
        )
        for key in dict.fromkeys([*then, *now])
        if _shown(then, key) != _shown(now, key)
    ]


def compare_provenance(
    starts: list[Provenance], here: Provenance, recorded_packages: Mapping[str, str], packages: Mapping[str, str]
) -> list[Finding]:
    """How code, environment and machine differ from those that a run was begun under.

    ``recorded_packages`` and ``packages`` are the versions of all that was and is installed.
    """
    if not starts:
        silent = "the record is of version 1 and does not say"
        return [Finding(part=part, what=silent, weight="unknown") for part in ("code", "environment", "machine")]
    then = starts[0]
    found = [
        *_code(then, here),
        *_environment(then, here),
        *_packages(recorded_packages, packages),
        *_machine(then, here),
    ]
    for later in starts[1:]:
        if differences := then.differences(later):
            what = "the run was gone on with under something else"
            found.append(Finding(part="environment", what=what, recorded="; ".join(differences)))
    return found


def _code(then: Provenance, here: Provenance) -> list[Finding]:
    if then.code.source_sha256 == here.code.source_sha256:
        return []
    remedy = f"git checkout {then.code.commit}" if then.code.commit else f"install interpositive {then.code.version}"
    if then.code.diff_sha256:
        remedy += f", then git apply <run>/{CODE_DIFF_NAME}"
    return [Finding(part="code", what="the package", recorded=then.code.words(), here=here.code.words(), remedy=remedy)]


def _environment(then: Provenance, here: Provenance) -> list[Finding]:
    facts, now = then.environment, here.environment
    build, build_now = facts.torch_build, now.torch_build
    pairs: list[tuple[str, str, str, Weight]] = [
        ("Python", facts.python, now.python, "other result"),
        ("platform", facts.platform, now.platform, "other result"),
        ("requirements/lock.txt", facts.lock_sha256[:12], now.lock_sha256[:12], "none"),
        *(
            (f"torch's {name}", build.get(name, ""), build_now.get(name, ""), "other result")
            for name in {**build, **build_now}
        ),
        *(
            # How many threads there are in the end is told of the machine.
            (name, facts.variables.get(name, ""), now.variables.get(name, ""), _weight_of_variable(name))
            for name in {**facts.variables, **now.variables}
        ),
    ]
    return [
        Finding(part="environment", what=what, recorded=was, here=is_now, weight=weight)
        for what, was, is_now, weight in pairs
        if was != is_now
    ]


def _weight_of_variable(name: str) -> Weight:
    return "none" if name == "OMP_NUM_THREADS" else "other result"


def _packages(recorded: Mapping[str, str], here: Mapping[str, str]) -> list[Finding]:
    differing = [name for name in dict.fromkeys([*recorded, *here]) if recorded.get(name) != here.get(name)]
    found = [
        Finding(part="environment", what=name, recorded=recorded.get(name, ""), here=here.get(name, ""))
        for name in differing
        if name in SHAPING_PACKAGES
    ]
    if rest := [name for name in differing if name not in SHAPING_PACKAGES]:
        names = ", ".join(rest[:6]) + (f" and {len(rest) - 6} more" if len(rest) > 6 else "")
        found.append(Finding(part="environment", what=f"packages that shape no numbers: {names}", weight="none"))
    return found


def _machine(then: Provenance, here: Provenance) -> list[Finding]:
    was, is_now = then.machine, here.machine
    found = [
        Finding(part="machine", what=name, recorded=value, here=is_now.arithmetic[name])
        for name, value in was.arithmetic.items()
        if value != is_now.arithmetic[name]
    ]
    for what, one, other in (
        ("processor", was.processor, is_now.processor),
        ("cores", str(was.cores), str(is_now.cores)),
        ("memory", f"{was.memory_gib} GiB", f"{is_now.memory_gib} GiB"),
    ):
        if one != other:
            found.append(Finding(part="machine", what=what, recorded=one, here=other, weight="none"))
    return found


def _dotted(node: Any, prefix: str = "") -> Iterable[tuple[str, Any]]:
    if isinstance(node, Mapping) and node:
        for key, value in node.items():
            yield from _dotted(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, node


def _shown(values: Mapping[str, Any], key: str) -> str:
    return json.dumps(values[key], ensure_ascii=False, default=str) if key in values else ""
