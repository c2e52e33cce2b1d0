"""Which takes train, which validate and which test: by slate setup, never by frame."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from interpositive.dailies.take import SPLITS, Take
from interpositive.errors import ConfigError
from interpositive.records.digests import sha256_of_value
from interpositive.records.slates import Slate


@dataclass(frozen=True)
class SplitRule:
    """How a production's takes are divided.

    ``by`` keeps all cameras of one take together, or all takes of one scene.
    ``val_fraction`` and ``test_fraction`` are shares of the setups, in [0, 1),
    met on average: a setup's split depends on ``seed`` and its own slate, so
    it stays what it is when takes are added. ``explicit`` pins takes by
    shell-style pattern on the take's name or ``scene/take`` (``{"12A_*": "test"}``)
    and wins, for the whole setup of a matching take; the first match counts.
    """

    by: Literal["take", "scene"] = "take"
    val_fraction: float = 0.15
    test_fraction: float = 0.15
    seed: int = 0
    explicit: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.by not in ("take", "scene"):
            raise ConfigError("takes are split by take or by scene", found=self.by, expected="take or scene")
        fractions = (self.val_fraction, self.test_fraction)
        if any(not 0 <= fraction < 1 for fraction in fractions) or sum(fractions) >= 1:
            raise ConfigError(
                "the split fractions leave nothing to train on",
                found=f"val_fraction={self.val_fraction}, test_fraction={self.test_fraction}",
                expected="each in [0, 1) and together below 1",
            )
        for pattern, split in self.explicit.items():
            if split not in SPLITS:
                raise ConfigError(f"{pattern!r} is put into no known split", found=split, expected=list(SPLITS))

    def digest(self) -> str:
        """Changes when any choice of the rule changes."""
        return sha256_of_value([self.by, self.val_fraction, self.test_fraction, self.seed, list(self.explicit.items())])


@dataclass(frozen=True)
class SplitPlan:
    """``splits`` by take name, and ``note``: what a reader must know about them, or empty."""

    splits: dict[str, str]
    note: str = ""


def setup_of(slate: Slate, by: Literal["take", "scene"] = "take") -> str:
    """The setup that must stay whole: case and leading zeros do not matter.

    Where the camera wrote no scene, its magazine number and running number
    stand in, so that cameras A and B on magazine 003 still go together.
    """
    scene = slate.scene or "roll " + re.sub(r"^[A-Za-z]+", "", slate.roll)
    scene = scene.casefold()
    return scene if by == "scene" else f"{scene}/{slate.take.casefold().lstrip('0')}"


def plan_splits(takes: Iterable[Take], rule: SplitRule, keep: bool = True) -> SplitPlan:
    """Give every take its split.

    With ``keep``, takes that have a split stay in it and draw new cameras of
    their setup in. Given two setups or more, at least one trains and one
    validates (or tests, where no validation was asked for); given three, every
    split that was asked for gets one. One setup alone trains, and the note says so.
    """
    groups: dict[str, list[Take]] = defaultdict(list)
    for take in takes:
        groups[setup_of(take.slate, rule.by)].append(take)
    fixed: dict[str, str] = {}
    for setup, members in groups.items():
        pinned = _explicit_split(members, rule) or (_kept_split(members) if keep else "")
        if pinned:
            fixed[setup] = pinned
    drawn = {setup: _share(rule.seed, setup) for setup in groups if setup not in fixed}
    chosen = {setup: _split_at(share, rule) for setup, share in drawn.items()}
    _fill_empty_splits(chosen, fixed, drawn, rule)
    chosen.update(fixed)
    splits = {take.name: chosen[setup] for setup, members in groups.items() for take in members}
    return SplitPlan(splits, _note(chosen, rule))


def _explicit_split(members: list[Take], rule: SplitRule) -> str:
    for pattern, split in rule.explicit.items():
        for take in members:
            if fnmatchcase(take.name, pattern) or fnmatchcase(take.slate.setup, pattern):
                return split
    return ""


def _kept_split(members: list[Take]) -> str:
    # A setup that was once held out must not leak into training when slates are corrected.
    present = {take.split for take in members}
    return next((split for split in ("test", "val", "train") if split in present), "")


def _share(seed: int, setup: str) -> float:
    return int(sha256_of_value([seed, setup])[:13], 16) / 16**13


def _split_at(share: float, rule: SplitRule) -> str:
    if share < rule.test_fraction:
        return "test"
    return "val" if share < rule.test_fraction + rule.val_fraction else "train"


def _fill_empty_splits(chosen: dict[str, str], fixed: dict[str, str], drawn: dict[str, float], rule: SplitRule) -> None:
    wanted = ["train"]
    wanted += ["val"] if rule.val_fraction > 0 else []
    wanted += ["test"] if rule.test_fraction > 0 else []
    wanted = wanted[: len(chosen) + len(fixed)]

    def members(split: str) -> list[str]:
        return [setup for setup, given in (*chosen.items(), *fixed.items()) if given == split]

    for split in wanted:
        if members(split):
            continue
        spare = [setup for setup in chosen if len(members(chosen[setup])) > 1 or chosen[setup] not in wanted]
        if spare:
            pick = max if split == "train" else min
            chosen[pick(spare, key=lambda setup: (drawn[setup], setup))] = split


def _note(chosen: dict[str, str], rule: SplitRule) -> str:
    present = set(chosen.values())
    if rule.val_fraction + rule.test_fraction == 0 and not rule.explicit:
        return ""
    if len(chosen) == 1 and present == {"train"}:
        return (
            "there is only one setup, so everything is train: nothing is held out and "
            "scores on it say nothing about other takes"
        )
    lacking = [split for split in ("train", "val") if split not in present]
    if rule.val_fraction == 0 and "test" in present:
        lacking = [split for split in lacking if split == "train"]
    return f"no take is in {' or '.join(lacking)}" if chosen and lacking else ""


def format_splits(takes: Iterable[Take]) -> str:
    """A table for the terminal: takes, setups, frames and minutes of each split, then its setups."""
    by_split: dict[str, list[Take]] = defaultdict(list)
    for take in takes:
        by_split[take.split or "unassigned"].append(take)
    lines = [f"{'split':<11}{'takes':>7}{'setups':>8}{'frames':>10}{'minutes':>9}  setups"]
    for split in (*SPLITS, "unassigned"):
        members = by_split.get(split, [])
        if not members and split == "unassigned":
            continue
        setups = sorted({take.slate.setup for take in members})
        shown = ", ".join(setups[:6]) + (f", … {len(setups) - 6} more" if len(setups) > 6 else "")
        frames = sum(take.num_frames for take in members)
        minutes = sum(take.duration_seconds for take in members) / 60
        lines.append(f"{split:<11}{len(members):>7}{len(setups):>8}{frames:>10}{minutes:>9.2f}  {shown}".rstrip())
    return "\n".join(lines)
