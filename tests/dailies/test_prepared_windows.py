"""Prepared windows: the same wherever they are made, made once, and blind to known damage."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from preparing import blotch, middle_frames, recipe_for
from productions import TinyProduction, write_shot

from interpositive.dailies import prepared_windows
from interpositive.dailies.data_module import ProductionDataModule, SeededOrder
from interpositive.dailies.prepared_windows import (
    PreparedWindows,
    WindowRecipe,
    batch_to_example,
    make_prepared_window,
    prepare_windows,
    read_damage,
)
from interpositive.errors import CatalogueError, ConfigError, MaskError
from interpositive.functional.examples import Example
from interpositive.media.sequence_writer import SequenceWriter
from interpositive.records.digests import sha256_of_value

TESTS = Path(__file__).resolve().parents[1]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_workers_make_the_same_files_as_one_process(tiny_production: TinyProduction, tmp_path: Path) -> None:
    recipe = recipe_for(tiny_production.takes_of("train"))
    for num_workers in (0, 2):
        prepare_windows(recipe, 5, tmp_path / str(num_workers), num_workers=num_workers, progress=False)
    alone = contents(tmp_path / "0")
    assert len(alone) == 10 and alone == contents(tmp_path / "2")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The windows that this process makes."""
    indices: list[int] = []

    def watched(recipe: WindowRecipe, index: int) -> list[Example]:
        indices.append(index)
        return make_prepared_window(recipe, index)

    monkeypatch.setattr(prepared_windows, "make_prepared_window", watched)
    return indices


def test_after_a_kill_only_what_is_missing_is_made(
    tiny_production: TinyProduction, tmp_path: Path, made: list[int]
) -> None:
    command = [sys.executable, str(TESTS / "dailies" / "preparing.py"), "3"]
    done = subprocess.run([*command, str(tiny_production.catalogue_path), str(tmp_path / "cut")], timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert sorted(path.name for path in (tmp_path / "cut").glob("*.json")) == [f"window_{i:05d}.json" for i in range(3)]
    # Killed between a window and its note that it is whole: that window is made again.
    (tmp_path / "cut" / "window_00001.json").unlink()
    (tmp_path / "cut" / ".window_00003.safetensors.0a1b2c3d.part").write_bytes(b"half of it")
    recipe = recipe_for(tiny_production.takes_of("train"))
    prepare_windows(recipe, 6, tmp_path / "cut", num_workers=0, progress=False)
    assert made == [1, 3, 4, 5]
    prepare_windows(recipe, 6, tmp_path / "cut", num_workers=0, progress=False)
    assert made == [1, 3, 4, 5]
    prepare_windows(recipe, 6, tmp_path / "whole", num_workers=0, progress=False)
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


def test_fewer_windows_leave_those_of_another_run(tiny_production: TinyProduction, tmp_path: Path) -> None:
    recipe = recipe_for(tiny_production.takes_of("train"))
    assert len(prepare_windows(recipe, 4, tmp_path, num_workers=0, progress=False)) == 8
    before = contents(tmp_path)
    assert len(prepare_windows(recipe, 2, tmp_path, num_workers=0, progress=False)) == 4
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", ["window_00001.safetensors", "window_00001.json"])
def test_a_window_that_changed_since_it_was_written_is_made_again(
    tiny_production: TinyProduction, tmp_path: Path, name: str, made: list[int]
) -> None:
    recipe = recipe_for(tiny_production.takes_of("train"))
    prepare_windows(recipe, 3, tmp_path, num_workers=0, progress=False)
    whole = contents(tmp_path)
    assert made == [0, 1, 2]
    flipped, cut = bytearray(whole[name]), whole[name][:-1]
    # A bit of a picture; two examples that became three.
    place = whole[name].index(b'examples":2') + 10 if name.endswith("json") else len(flipped) - 7
    flipped[place] ^= 1
    for damaged in (bytes(flipped), cut, b""):
        (tmp_path / name).write_bytes(damaged)
        made.clear()
        prepare_windows(recipe, 3, tmp_path, num_workers=0, progress=False)
        assert made == [1] and contents(tmp_path) == whole


def test_a_worker_ends_with_the_process_that_it_prepares_for(tiny_production: TinyProduction, tmp_path: Path) -> None:
    command = [sys.executable, str(TESTS / "dailies" / "preparing.py"), "hang"]
    given = [str(tiny_production.catalogue_path), str(tmp_path / "store")]
    with subprocess.Popen([*command, *given], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        handle = os.pidfd_open(worker)
        parent.kill()
        # The worker would have a minute to go, and then wait for ever.
        ended, _, _ = select.select([handle], [], [], 30)
        if not ended:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        os.close(handle)
    assert ended and worker != parent.pid


def test_of_two_that_prepare_at_once_one_waits_and_finds_all_made(
    tiny_production: TinyProduction, tmp_path: Path, made: list[int]
) -> None:
    command = [sys.executable, str(TESTS / "dailies" / "preparing.py"), "100"]
    other = subprocess.Popen([*command, str(tiny_production.catalogue_path), str(tmp_path / "store")])
    deadline = time.monotonic() + 60
    while not (tmp_path / "store" / "window_00000.json").is_file():
        assert time.monotonic() < deadline and other.poll() is None
        time.sleep(0.002)
    recipe = recipe_for(tiny_production.takes_of("train"))
    prepare_windows(recipe, 6, tmp_path / "store", num_workers=0, progress=False)
    assert made == [] and len(contents(tmp_path / "store")) == 12
    assert other.wait(60) == 0


def test_each_example_can_be_traced_to_its_frames(tiny_production: TinyProduction, tmp_path: Path) -> None:
    recipe = recipe_for(tiny_production.takes_of("train"))
    stored = prepare_windows(recipe, 3, tmp_path, num_workers=0, progress=False)
    (windows,) = recipe.groups
    for number in range(len(stored)):
        note, place = stored.notes[stored.window_of(number)], windows.place(number // 2, 0)
        assert int(stored[number]["number"]) == number and stored.window_of(number) == number // 2
        assert (note.take, note.first_frame) == (windows.takes[place.take].name, place.start)


def test_what_is_stored_is_what_was_made(tiny_production: TinyProduction, tmp_path: Path) -> None:
    recipe = recipe_for(tiny_production.takes_of("train"))
    stored = prepare_windows(recipe, 3, tmp_path, num_workers=0, progress=False)
    made = [example for index in range(3) for example in make_prepared_window(recipe, index)]
    assert len(stored) == len(made) == 6
    for item, example in zip((stored[i] for i in range(6)), made, strict=True):
        back = batch_to_example(item)
        assert back.target is not None and example.target is not None
        assert torch.equal(back.input, example.input) and torch.equal(back.mask, example.mask)
        assert torch.equal(back.target, example.target) and back.condition.keys() == example.condition.keys()
        assert all(torch.equal(back.condition[name], example.condition[name]) for name in example.condition)


def test_windows_without_an_example_are_skipped_and_none_at_all_is_refused(
    tiny_production: TinyProduction, tmp_path: Path
) -> None:
    recipe = recipe_for(tiny_production.takes_of("train"))
    half = replace(recipe, prepare=lambda e, g: middle_frames(e, g) if e.condition["shown"][0] > 20 else [])
    kept = sum(int(make_prepared_window(recipe, i)[0].condition["shown"][0]) > 20 for i in range(6))
    assert 0 < kept < 6
    stored = prepare_windows(half, 6, tmp_path / "half", num_workers=0, progress=False)
    assert len(stored) == 2 * kept and len(contents(tmp_path / "half")) == 12
    with pytest.raises(CatalogueError, match="no example could be prepared"):
        prepare_windows(replace(recipe, prepare=lambda e, g: []), 2, tmp_path / "none", num_workers=0, progress=False)


def test_known_damage_is_hidden_and_never_judged(tiny_production: TinyProduction, tmp_path: Path) -> None:
    takes = tiny_production.takes_of("train")
    frames = np.zeros((24, 64, 96, 3), np.float32)
    frames[:, 8:56, 16:80] = 1.0
    path = write_shot(tmp_path / "damage.mov", frames)
    recipe = recipe_for(takes, {takes[0].name: str(path)}, seed=1)
    plain = recipe_for(takes, seed=1)
    hidden = torch.from_numpy(frames[0, :, :, 0])
    inside = torch.zeros(64, 96, dtype=torch.bool)
    inside[10:54, 18:78] = True
    seen = {True: 0, False: 0}
    for index in range(8):
        take = recipe.groups[0].takes[recipe.groups[0].place(index, 0).take]
        for example, without in zip(
            make_prepared_window(recipe, index), make_prepared_window(plain, index), strict=True
        ):
            damaged = take.name == takes[0].name
            seen[damaged] += 1
            if damaged:
                assert (example.mask[0, 0][inside] == 1).all()
                assert not example.condition["judged"][0, 0][inside].any()
                far = torch.nn.functional.max_pool2d(hidden[None], 5, 1, 2)[0] == 0
                assert torch.equal(example.mask[0, 0][far], without.mask[0, 0][far])
            else:
                assert torch.equal(example.mask, without.mask)
    assert seen[True] and seen[False]


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_damage_is_read_whatever_its_codes_are(tmp_path: Path, dtype: str) -> None:
    frames = np.zeros((6, 20, 30, 3), np.float32)
    frames[2, 5:9, 7:11] = 0.5
    frames[3, 0, 0] = 0.03  # what a lossy movie leaves of black
    codes: Any = (frames * 65535).astype(np.uint16) if dtype == "uint16" else frames
    settings: Any = {"format": "png16" if dtype == "uint16" else "exr", "bits": 16}
    folder = tmp_path / "mask"
    folder.mkdir()
    with SequenceWriter(folder, "m", first_frame=1, rate=Fraction(24), start_timecode=None, **settings) as writer:
        writer.write(codes)
    damage = read_damage(folder, 1, 3, 1, (20, 30))
    assert damage.shape == (3, 1, 20, 30) and damage[1].sum() == 16 and damage.sum() == 16
    strided = read_damage(folder, 0, 5, 2, (10, 15))
    assert strided.shape == (3, 1, 10, 15)
    assert strided[1].sum() == 3 * 3 and strided.sum() == 9, "any touched pixel counts"
    with pytest.raises(MaskError, match="shorter than the take"):
        read_damage(folder, 3, 4, 1, (20, 30))


def test_order_depends_on_seed_and_batch_number_alone() -> None:
    whole = list(SeededOrder(10, 3, 5, 40))
    assert len(whole) == 40
    for start in (0, 1, 7, 39):
        assert list(SeededOrder(10, 3, 5, 40, start)) == whole[start:]
    assert list(SeededOrder(10, 3, 5, 90))[:40] == whole
    assert SeededOrder(10, 3, 5, 40, 12).batch(30) == whole[30]
    assert list(SeededOrder(10, 3, 6, 40)) != whole
    assert all(len(set(batch)) == 3 and set(batch) <= set(range(10)) for batch in whole)
    for first in range(0, 39, 3):
        passed = [index for batch in whole[first : first + 3] for index in batch]
        assert len(set(passed)) == 9, "no example twice in one pass"
    assert len({tuple(batch) for batch in whole}) > 30


def test_processes_share_every_batch_and_a_change_of_their_number_changes_no_order() -> None:
    whole = list(SeededOrder(24, 6, 5, 40))
    for num_ranks in (1, 2, 3, 6):
        parts = [list(SeededOrder(24, 6, 5, 40, 7, rank, num_ranks)) for rank in range(num_ranks)]
        together = [[number for piece in pieces for number in piece] for pieces in zip(*parts, strict=True)]
        assert together == whole[7:]
    # One process, then two, then one again.
    first, last = list(SeededOrder(24, 6, 5, 11)), list(SeededOrder(24, 6, 5, 40, 29))
    left, right = (list(SeededOrder(24, 6, 5, 29, 11, rank, 2)) for rank in range(2))
    assert first + [a + b for a, b in zip(left, right, strict=True)] + last == whole
    with pytest.raises(ConfigError, match="a batch of 6 examples has no equal parts for 4 processes"):
        SeededOrder(24, 6, 5, 40).part(0, 4)
    with pytest.raises(ConfigError, match="a batch of 4 examples has no equal parts for 3 processes"):
        SeededOrder(4, 6, 5, 40).part(0, 3)


def test_a_batch_larger_than_the_store_takes_all_of_it() -> None:
    order = SeededOrder(4, 16, 0, 5)
    assert all(sorted(batch) == [0, 1, 2, 3] for batch in order)


def module(production: TinyProduction, folder: Path, **changes: Any) -> ProductionDataModule:
    settings: dict[str, Any] = {
        "height": 64,
        "window_frames": 4,
        "num_windows": 3,
        "num_val_windows": 2,
        "num_batches": 7,
        "batch_size": 2,
        "num_prepare_workers": 0,
        "progress": False,
    }
    settings |= changes
    return ProductionDataModule(
        production.takes,
        blotch,
        middle_frames,
        folder=folder,
        recipe_digest=settings.pop("recipe_digest", "r"),
        **settings,
    )


def test_the_data_module_keeps_its_splits_apart(tiny_production: TinyProduction, tmp_path: Path) -> None:
    dailies = module(tiny_production, tmp_path)
    dailies.prepare_data()
    dailies.setup("fit")
    assert [take.split for take in dailies.takes_of("train")] == ["train", "train"]
    assert {take.name for group in dailies.window_groups("val") for take in group.takes} == {"11B_01_A"}
    assert len(dailies.prepared["train"]) == 6 and len(dailies.prepared["val"]) == 4
    loader = dailies.train_dataloader()
    batches = list(loader)
    assert len(batches) == 7 and batches[0]["input"].shape == (2, 1, 3, 64, 96)
    dailies.start_batch = 5
    rest = list(dailies.train_dataloader())
    assert len(rest) == 2 and all(torch.equal(rest[i]["input"], batches[5 + i]["input"]) for i in range(2))
    example = dailies.on_after_batch_transfer(batches[0], 0)
    assert isinstance(example, Example) and set(example.condition) == {"judged", "shown"}
    assert example.numbers is not None and example.numbers.tolist() == dailies.order().batch(0)
    for rank in range(2):
        dailies.share(rank, 2)
        part = next(iter(dailies.train_dataloader()))
        assert torch.equal(part["input"], batches[5]["input"][rank : rank + 1])
    with pytest.raises(ConfigError, match="no equal parts for 3 processes"):
        dailies.share(0, 3)
    assert [batch.input.shape[0] for batch in dailies.held_out_batches()] == [2, 2]
    # What a run saw is still to be told when it ends, whatever was ingested or cleared away meanwhile.
    store = dailies.store_path("train")
    dailies.takes = []
    shutil.rmtree(store)
    assert dailies.store_path("train") == store
    assert dailies.prepared_facts("train") == {
        "store": store.name,
        "num_windows": 3,
        "num_examples": 6,
        "sha256": sha256_of_value([note.model_dump() for note in dailies.prepared["train"].notes]),
    }


def test_a_production_without_a_held_out_take_validates_on_its_training_takes(
    tiny_production: TinyProduction, tmp_path: Path
) -> None:
    training = replace(tiny_production, takes=tiny_production.takes_of("train"))
    dailies = module(training, tmp_path)
    assert dailies.takes_of("val") == dailies.takes_of("train") and dailies.takes_of("test") == []
    with pytest.raises(CatalogueError, match="no take is in the test split"):
        dailies.window_groups("test")


def test_prepared_windows_are_named_by_all_they_depend_on(tiny_production: TinyProduction, tmp_path: Path) -> None:
    plain = module(tiny_production, tmp_path)
    damage = tmp_path / "damage.mov"
    damage.write_bytes(b"one mask")
    other_damage = tmp_path / "other.mov"
    other_damage.write_bytes(b"another mask")
    changes: list[dict[str, Any]] = [
        {"recipe_digest": "other"},
        {"height": 60},
        {"window_frames": 5},
        {"seed": 1},
        {"damage_paths": {"10A_01_A": str(damage)}},
        {"damage_paths": {"10A_01_A": str(other_damage)}},
    ]
    stores = [module(tiny_production, tmp_path, **change).store_path("train") for change in changes]
    retaken = [take.model_copy(update={"sha256": "f" * 64}) for take in tiny_production.takes]
    stores.append(module(replace(tiny_production, takes=retaken), tmp_path).store_path("train"))
    assert len({plain.store_path("train"), plain.store_path("val"), *stores}) == len(stores) + 2
    # How many, and in which batches, is no property of a window.
    assert module(tiny_production, tmp_path, num_windows=9, batch_size=1).store_path("train") == plain.store_path(
        "train"
    )


def test_known_damage_that_is_missing_is_refused(tiny_production: TinyProduction, tmp_path: Path) -> None:
    with pytest.raises(MaskError, match="known damage of 10A_01_A is not there"):
        module(tiny_production, tmp_path, damage_paths={"10A_01_A": str(tmp_path / "nowhere.mov")})


def test_a_store_that_was_never_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="4 of 4 not there, such as window_00000"):
        PreparedWindows(tmp_path / "nowhere", 4)
