"""Splits by setup: whole, stable, never empty where it can be helped."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import pytest
from footage import cheap_info

from interpositive.dailies.splitting import SplitRule, format_splits, plan_splits, setup_of
from interpositive.dailies.take import Take, take_from_info
from interpositive.errors import ConfigError
from interpositive.records.slates import Slate


def takes_of(num_scenes: int, num_takes: int = 3, cameras: str = "AB") -> list[Take]:
    slates = [
        Slate(scene=str(scene + 1), take=str(take + 1), camera=camera)
        for scene in range(num_scenes)
        for take in range(num_takes)
        for camera in cameras
    ]
    return [one_take(slate) for slate in slates]


def one_take(slate: Slate, split: str = "") -> Take:
    name = f"{slate.scene}_{slate.take}_{slate.camera}"
    take = take_from_info(cheap_info(Path(name)), name, Path("/x") / name, name, slate)
    return take.model_copy(update={"split": split})


@pytest.mark.parametrize("by", ["take", "scene"])
@pytest.mark.parametrize("num_scenes", [1, 2, 3, 5, 40])
@pytest.mark.parametrize("seed", range(12))
def test_setups_stay_whole_and_no_wanted_split_is_empty(by: str, num_scenes: int, seed: int) -> None:
    rule = SplitRule(by=by, val_fraction=0.1, test_fraction=0.1, seed=seed)  # type: ignore[arg-type]
    takes = takes_of(num_scenes)
    splits = plan_splits(takes, rule).splits
    members = defaultdict(set)
    for take in takes:
        members[setup_of(take.slate, rule.by)].add(splits[take.name])
    assert all(len(given) == 1 for given in members.values())
    present = set(splits.values())
    assert present >= {"train", "val", "test"} if len(members) >= 3 else True
    assert present >= {"train", "val"} if len(members) >= 2 else present == {"train"}


def test_one_setup_trains_and_says_so() -> None:
    plan = plan_splits(takes_of(1, 1), SplitRule())
    assert set(plan.splits.values()) == {"train"}
    assert "only one setup" in plan.note


def test_two_setups_test_where_no_validation_is_wanted() -> None:
    splits = plan_splits(takes_of(2, 1), SplitRule(val_fraction=0, test_fraction=0.1)).splits
    assert sorted(set(splits.values())) == ["test", "train"]


def test_fractions_are_met_on_average() -> None:
    splits = plan_splits(takes_of(600, 1, "A"), SplitRule(val_fraction=0.2, test_fraction=0.1)).splits
    counts = Counter(splits.values())
    assert 90 < counts["val"] < 150 and 35 < counts["test"] < 85


def test_order_does_not_matter_and_seed_does() -> None:
    takes = takes_of(20)
    assert plan_splits(takes, SplitRule()).splits == plan_splits(takes[::-1], SplitRule()).splits
    assert plan_splits(takes, SplitRule()).splits != plan_splits(takes, SplitRule(seed=1)).splits


@pytest.mark.parametrize("first", [1, 2, 3, 4, 8])
def test_takes_keep_their_split_when_others_come_in(first: int) -> None:
    rule = SplitRule(val_fraction=0.1, test_fraction=0.1, seed=3)
    early = takes_of(first, 1)
    before = plan_splits(early, rule).splits
    known = [take.model_copy(update={"split": before[take.name]}) for take in early]
    after = plan_splits([*known, *takes_of(40, 1)[len(early) :]], rule).splits
    assert {name: after[name] for name in before} == before
    assert set(after.values()) == {"train", "val", "test"}


def test_a_second_camera_joins_the_split_of_its_setup() -> None:
    known = one_take(Slate(scene="1", take="1", camera="A"), split="test")
    late = one_take(Slate(scene="1", take="01", camera="C"))
    assert plan_splits([known, late, *takes_of(9)[6:]], SplitRule()).splits[late.name] == "test"


def test_explicit_patterns_win_for_the_whole_setup() -> None:
    rule = SplitRule(explicit={"3_1_A": "test", "4/*": "val"})
    splits = plan_splits(takes_of(8), rule).splits
    assert splits["3_1_B"] == "test"
    assert {splits[f"4_{take}_{camera}"] for take in "123" for camera in "AB"} == {"val"}


def test_nothing_is_noted_when_nothing_was_to_be_held_out() -> None:
    plan = plan_splits(takes_of(1), SplitRule(val_fraction=0, test_fraction=0))
    assert plan.note == "" and set(plan.splits.values()) == {"train"}


@pytest.mark.parametrize(
    "bad",
    [
        {"val_fraction": 1.0},
        {"val_fraction": 0.5, "test_fraction": 0.5},
        {"by": "frame"},
        {"explicit": {"*": "x"}},
    ],
)
def test_impossible_rules_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        SplitRule(**bad)  # type: ignore[arg-type]


def test_table_counts_takes_setups_and_frames() -> None:
    takes = [take.model_copy(update={"split": "train"}) for take in takes_of(2)]
    table = format_splits(takes).splitlines()
    assert table[1].split()[:4] == ["train", "12", "6", "288"]
    assert table[2].split()[:2] == ["val", "0"]
