"""Choosing takes: every condition, the index behind it, and rows read only when they are looked at."""

from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from footage import cheap_info

from interpositive.dailies.catalogue import Catalogue, FileState
from interpositive.dailies.selection import SelectedTakes, pick_takes, take_columns
from interpositive.dailies.take import SPLITS, Take, take_from_info
from interpositive.errors import CatalogueError
from interpositive.records.slates import Slate

STATE = FileState(1, 1)


def numbered_take(number: int) -> Take:
    """Scenes of ten takes, reels of twenty takes that lie 100 frames apart and run 24."""
    slate = Slate(scene=str(number // 10), take=str(number % 10), camera="AB"[number % 2], roll=f"R{number // 20}")
    name = f"{slate.scene}_{slate.take}_{slate.camera}"
    take = take_from_info(cheap_info(Path(name)), name, Path("/dailies") / f"{name}.mov", f"{number:064x}", slate)
    place = {"reel": f"A{number // 20:03d}", "start_frame": number % 20 * 100, "split": SPLITS[number % 3]}
    return take.model_copy(update=place)


@pytest.fixture
def takes() -> list[Take]:
    return sorted((numbered_take(number) for number in range(200)), key=lambda take: take.name)


@pytest.fixture
def catalogue(tmp_path: Path, takes: list[Take]) -> Iterator[Catalogue]:
    path = tmp_path / "c.sqlite"
    with Catalogue(path, writable=True) as writer:
        writer.put_new((take, STATE) for take in takes)
    with Catalogue(path) as catalogue:
        yield catalogue


def test_every_condition_chooses_what_it_says(catalogue: Catalogue, takes: list[Take]) -> None:
    assert catalogue.select() == takes
    assert catalogue.select(split="val") == [take for take in takes if take.split == "val"]
    assert catalogue.select(scene="7", camera="B") == [take for take in takes if take.name.startswith("7_")][1::2]
    assert catalogue.select(take="3") == [take for take in takes if take.slate.take == "3"]
    assert catalogue.select(roll="R2", split="test") == [
        take for take in takes if take.slate.roll == "R2" and take.split == "test"
    ]
    assert [take.name for take in catalogue.select(name="1[0-2]_[!1-9]_?")] == ["10_0_A", "11_0_A", "12_0_A"]
    assert [take.name for take in catalogue.select(name="7_3_B")] == ["7_3_B"]
    assert len(catalogue.select(rate=Fraction(24))) == 200 and len(catalogue.select(rate=Fraction(25))) == 0


@pytest.mark.parametrize(
    ("frames", "starts"),
    [((0, 1), [0]), ((23, 24), [0]), ((24, 100), []), ((24, 101), [100]), ((120, 210), [100, 200])],
)
def test_a_reels_frames_find_the_takes_that_hold_them(
    catalogue: Catalogue, frames: tuple[int, int], starts: list[int]
) -> None:
    found = catalogue.select(reel="A003", rate=Fraction(24), frames=frames)
    assert [(take.reel, take.start_frame) for take in found] == [("A003", start) for start in starts]


def test_conditions_are_answered_from_an_index(catalogue: Catalogue) -> None:
    asked: list[str] = []
    catalogue._connection.set_trace_callback(asked.append)
    catalogue.select(split="val")
    catalogue.select(scene="7", split="val")
    catalogue.select(reel="A003", frames=(5, 6), split="train")
    catalogue.select(name="7_*", split="train")
    catalogue.select(roll="R1")
    catalogue._connection.set_trace_callback(None)
    chosen = [statement for statement in asked if statement.startswith("SELECT id")]
    plans = [" ".join(str(row[3]) for row in catalogue._connection.execute(f"EXPLAIN QUERY PLAN {s}")) for s in chosen]
    for plan, keys in zip(
        plans, ["split=?", "scene=?", "reel=? AND start_frame<?", "name>? AND name<?", "roll=?"], strict=True
    ):
        assert plan.startswith("SEARCH takes USING") and f"({keys})" in plan, plan
    assert "TEMP B-TREE" not in plans[0]


def test_a_selection_is_a_sequence_that_outlives_its_catalogue(catalogue: Catalogue, takes: list[Take]) -> None:
    chosen = catalogue.select()
    catalogue.close()
    chosen = pickle.loads(pickle.dumps(chosen))
    assert len(chosen) == 200 and list(chosen) == takes
    assert chosen[3] == chosen[3] == takes[3] and chosen[-1] == takes[-1] and chosen[10:20] == takes[10:20]
    assert pick_takes(chosen, [5, 2]) == pick_takes(takes, [5, 2]) == [takes[5], takes[2]]
    with pytest.raises(IndexError):
        chosen[200]
    names = ("num_frames", "split", "scene")
    assert list(take_columns(chosen, *names)) == list(take_columns(takes, *names))


def test_a_choice_holds_content_not_paths(catalogue: Catalogue, takes: list[Take]) -> None:
    chosen, first = catalogue.select(), takes[0]
    with Catalogue(catalogue.path, writable=True) as writer:
        writer.put(first.model_copy(update={"path": "/moved.mov"}), STATE, replaces=first.path)
    assert chosen[0].path == "/moved.mov"
    with Catalogue(catalogue.path, writable=True) as writer:
        writer.put(chosen[0].model_copy(update={"sha256": "f" * 64}), STATE)
    fresh = SelectedTakes(catalogue.path, chosen._ids)
    for look in (lambda: fresh[0], lambda: list(fresh)):
        with pytest.raises(CatalogueError, match="left"):
            look()
    with sqlite3.connect(catalogue.path) as connection:
        assert connection.execute("SELECT max(id) FROM takes").fetchone() == (201,)
