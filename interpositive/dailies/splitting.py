"""Which takes train, which validate and which test: by slate setup, never by frame."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from fractions import Fraction
from itertools import islice
from typing import Literal, Protocol

from interpositive.dailies.selection import take_columns
from interpositive.dailies.take import SPLITS, UNASSIGNED, Take
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
    """``splits`` by take name, the ``changes`` among them, and ``note``: what a reader must know, or empty."""

    splits: dict[str, str]
    changes: dict[str, str]
    note: str = ""


class Marked(Protocol):
    """What a split depends on; a :class:`Take` has it."""

    @property
    def name(self) -> str:
        """The take's name."""

    @property
    def slate(self) -> Slate:
        """How it is marked."""

    @property
    def split(self) -> str:
        """The split it has, or empty."""


def setup_of(slate: Slate, by: Literal["take", "scene"] = "take") -> str:
    """The setup that must stay whole: case and leading zeros do not matter.

    Where the camera wrote no scene, its magazine number and running number
    stand in, so that cameras A and B on magazine 003 still go together.
    """
    scene = slate.scene or "roll " + re.sub(r"^[A-Za-z]+", "", slate.roll)
    scene = scene.casefold()
    return scene if by == "scene" else f"{scene}/{slate.take.casefold().lstrip('0')}"


def plan_splits(takes: Iterable[Marked], rule: SplitRule, keep: bool = True) -> SplitPlan:
    """Give every take its split.

    With ``keep``, takes that have a split stay in it and draw new cameras of
    their setup in. Given two setups or more, at least one trains and one
    validates (or tests, where no validation was asked for); given three, every
    split that was asked for gets one. One setup alone trains, and the note says so.
    """
    setups: dict[str, _Setup] = defaultdict(_Setup)
    for take in takes:
        setups[setup_of(take.slate, rule.by)].add(take, rule)
    fixed: dict[str, str] = {}
    for name, setup in setups.items():
        if split := setup.pinned(rule) or (setup.kept() if keep else ""):
            fixed[name] = split
    drawn = {name: _share(rule.seed, name) for name in setups if name not in fixed}
    chosen = {name: _split_at(share, rule) for name, share in drawn.items()}
    _fill_empty_splits(chosen, fixed, drawn, rule)
    chosen.update(fixed)
    members = [(name, split, chosen[key]) for key, setup in setups.items() for name, split in setup.members]
    return SplitPlan(
        {name: given for name, _, given in members},
        {name: given for name, split, given in members if given != split},
        _note(chosen, rule),
    )


@dataclass(slots=True)
class _Setup:
    """The takes of one setup with the splits they have, and the first pattern of the rule that one of them meets."""

    members: list[tuple[str, str]] = field(default_factory=list)
    pattern: int | None = None

    def add(self, take: Marked, rule: SplitRule) -> None:
        self.members.append((take.name, take.split))
        for number, pattern in enumerate(islice(rule.explicit, self.pattern)):
            if fnmatchcase(take.name, pattern) or fnmatchcase(take.slate.setup, pattern):
                self.pattern = number
                return

    def pinned(self, rule: SplitRule) -> str:
        return "" if self.pattern is None else list(rule.explicit.values())[self.pattern]

    def kept(self) -> str:
        # A setup that was once held out must not leak into training when slates are corrected.
        present = {split for _, split in self.members}
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
    sizes = Counter((*chosen.values(), *fixed.values()))
    for split in wanted:
        if sizes[split]:
            continue
        spare = [setup for setup, given in chosen.items() if sizes[given] > 1 or given not in wanted]
        if spare:
            pick = max if split == "train" else min
            moved = pick(spare, key=lambda setup: (drawn[setup], setup))
            sizes[chosen[moved]] -= 1
            sizes[split] += 1
            chosen[moved] = split


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


def format_splits(takes: Sequence[Take]) -> str:
    """A table for the terminal: takes, setups, frames and minutes of each split, then its setups."""
    num_takes: Counter[str] = Counter()
    num_frames: dict[str, Counter[str]] = defaultdict(Counter)
    setups: dict[str, set[str]] = defaultdict(set)
    for split, rate, frames, scene, take in take_columns(takes, "split", "rate", "num_frames", "scene", "take"):
        num_takes[split] += 1
        num_frames[split][rate] += frames
        setups[split].add(f"{scene}/{take}")
    lines = [f"{'split':<11}{'takes':>7}{'setups':>8}{'frames':>10}{'minutes':>9}  setups"]
    for split in (*SPLITS, UNASSIGNED):
        if not num_takes[split] and split == UNASSIGNED:
            continue
        named = sorted(setups[split])
        shown = ", ".join(named[:6]) + (f", … {len(named) - 6} more" if len(named) > 6 else "")
        frames = num_frames[split].total()
        minutes = float(sum(count / Fraction(rate) for rate, count in num_frames[split].items())) / 60
        label = split or "unassigned"
        lines.append(f"{label:<11}{num_takes[split]:>7}{len(named):>8}{frames:>10}{minutes:>9.2f}  {shown}".rstrip())
    return "\n".join(lines)
