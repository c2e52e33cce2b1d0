"""Windows of takes: the right frames, the same for a seed in any process, in flat memory."""

from __future__ import annotations

import pickle
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from footage import make_movie
from PIL import Image

from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.ingest import ingest
from interpositive.dailies.proxies import resize_frames
from interpositive.dailies.splitting import SplitRule
from interpositive.dailies.take import Take
from interpositive.dailies.windows import NUM_OPEN_READERS, TakeWindows, code_values, frames_to_tensor, make_loader
from interpositive.errors import CatalogueError, ConfigError, MediaError
from interpositive.media.movie_writer import MovieWriter
from interpositive.media.opening import open_reader

LENGTHS = {"a": 40, "b": 12, "c": 5, "d": 25, "e": 18, "f": 30}


@pytest.fixture(scope="module")
def takes(tmp_path_factory: pytest.TempPathFactory) -> list[Take]:
    folder = tmp_path_factory.mktemp("windows")
    for number, (name, num_frames) in enumerate(LENGTHS.items()):
        make_movie(folder / "dailies" / f"{name}.mov", num_frames, 36, 64, seed=number)
    rule = SplitRule(val_fraction=0, test_fraction=0)
    path = folder / "c.sqlite"
    ingest(folder / "dailies", path, split_rule=rule, num_workers=0, proxy_height=24, progress=False)
    with Catalogue(path) as catalogue:
        return catalogue.takes("train")


@pytest.mark.parametrize("backend", ["pyav", "decord"])
def test_frames_are_those_of_the_take(takes: list[Take], backend: str) -> None:
    windows = TakeWindows(takes, 3, stride=2, backend=backend, seed=5)  # type: ignore[arg-type]
    for index in range(12):
        window = windows[index]
        take, start = takes[int(window["take"])], int(window["start"])
        assert start >= 0 and start + 5 <= take.num_frames
        reader = open_reader(Path(take.path))
        expected = reader.window(start, start + 5)[::2].transpose(0, 3, 1, 2).astype(np.float64) / 255
        reader.close()
        assert window["frames"].dtype == torch.float32 and window["frames"].shape == (3, 3, 36, 64)
        np.testing.assert_allclose(window["frames"].numpy(), expected, atol=1e-6)
        # The film itself: frame n is grey 16 + 4 n, so neighbours two apart differ by 8 codes.
        means = window["frames"].mean(dim=(1, 2, 3)).double() * 255
        assert abs(float(means[0]) - (17 + 4 * start)) < 2.5
        assert torch.allclose(means.diff(), torch.tensor(8.0, dtype=torch.double), atol=1.0)


def test_places_depend_on_seed_epoch_and_index_alone(takes: list[Take]) -> None:
    one, other = TakeWindows(takes, 4, seed=1), TakeWindows(takes, 4, seed=1, size=(18, 32))
    forward = [one.place(index, 2) for index in range(20)]
    assert [other.place(index, 2) for index in reversed(range(20))] == forward[::-1]
    assert [one.place(index, 3) for index in range(20)] != forward
    assert [TakeWindows(takes, 4, seed=2).place(index, 2) for index in range(20)] != forward
    torch.manual_seed(0)
    assert one.place(0, 2) == forward[0]


def test_all_windows_are_equally_likely_and_short_takes_left_out(takes: list[Take]) -> None:
    windows = TakeWindows(takes, 6, seed=0)
    assert [take.name for take in windows.too_short] == ["c"]
    counts: dict[tuple[int, int], int] = {}
    for index in range(6000):
        place = windows.place(index, 0)
        counts[place.take, place.start] = counts.get((place.take, place.start), 0) + 1
    legal = {(n, start) for n, take in enumerate(takes) for start in range(take.num_frames - 5)}
    assert set(counts) == legal
    expected = 6000 / len(legal)
    chi_squared = sum((count - expected) ** 2 / expected for count in counts.values())
    assert chi_squared < len(legal) + 5 * (2 * len(legal)) ** 0.5


def test_epochs_differ_and_come_back(takes: list[Take]) -> None:
    windows = TakeWindows(takes, 4, size=(18, 32), seed=1, windows_per_epoch=6)

    def starts() -> list[tuple[int, int]]:
        return [(int(windows[n]["take"]), int(windows[n]["start"])) for n in range(len(windows))]

    first = starts()
    windows.set_epoch(1)
    assert starts() != first
    windows.set_epoch(0)
    assert starts() == first


def test_size_and_crop(takes: list[Take]) -> None:
    whole = TakeWindows(takes, 2, size=(18, 32), seed=9, backend="pyav")
    cut = TakeWindows(takes, 2, size=(18, 32), crop=(10, 12), seed=9, backend="pyav")
    corners = set()
    for index in range(len(cut)):
        top, left = cut[index]["corner"].tolist()
        assert 0 <= top <= 8 and 0 <= left <= 20
        corners.add((top, left))
        expected = whole[index]["frames"][..., top : top + 10, left : left + 12]
        assert torch.equal(cut[index]["frames"], expected)
    assert len(corners) > len(cut) // 2


def test_shrinking_is_by_area_and_keeps_the_codes_of_flat_frames() -> None:
    frames = np.random.default_rng(0).integers(0, 65536, (2, 12, 20, 3)).astype(np.uint16)
    expected = frames.reshape(2, 6, 2, 10, 2, 3).astype(np.float64).mean(axis=(2, 4))
    assert np.abs(resize_frames(frames, 6, 10).astype(np.float64) - expected).max() <= 0.5
    flat = np.full((1, 12, 20, 3), 1234, np.uint16)
    for raster in ((5, 7), (24, 40)):
        assert (resize_frames(flat, *raster) == 1234).all()


def test_tensors_have_the_scale_of_their_codes() -> None:
    for kind, top in ((np.uint8, 255), (np.uint16, 65535)):
        codes = np.array([0, 1, top], kind).reshape(1, 1, 1, 3)
        assert frames_to_tensor(codes).flatten().tolist() == pytest.approx([0, 1 / top, 1])
    light = np.array([-0.5, 0.25, 3.0], np.float32).reshape(1, 1, 1, 3)
    assert frames_to_tensor(light).flatten().tolist() == [-0.5, 0.25, 3]


def test_a_proxy_is_read_where_it_suffices(takes: list[Take]) -> None:
    assert all(take.proxy_path for take in takes)
    small, full = TakeWindows(takes, 2, size=(24, 42)), TakeWindows(takes, 2, size=(30, 42))
    small[0], full[0]
    assert all("proxies" in path for path in small._readers)
    assert not any("proxies" in path for path in full._readers)


def test_decord_leaves_deep_movies_and_sequences_to_the_reference(tmp_path: Path) -> None:
    codes = np.random.default_rng(0).integers(0, 65536, (4, 16, 32, 3)).astype(np.uint16)
    (tmp_path / "dailies" / "plate").mkdir(parents=True)
    with MovieWriter(tmp_path / "dailies" / "deep.mkv", Fraction(24), 32, 16, codec="ffv1") as writer:
        writer.write(codes)
    for n, frame in enumerate(codes):
        Image.fromarray((frame >> 8).astype(np.uint8)).save(tmp_path / "dailies" / "plate" / f"plate.{n + 1}.png")
    ingest(tmp_path / "dailies", tmp_path / "c.sqlite", num_workers=0, progress=False)
    with Catalogue(tmp_path / "c.sqlite") as catalogue:
        deep, plate = catalogue.take("deep"), catalogue.take("plate")
    assert deep.bits > 8
    quick, reference = TakeWindows([deep], 4, backend="decord"), TakeWindows([deep], 4, backend="pyav")
    assert torch.equal(quick[0]["frames"], reference[0]["frames"])
    # 16-bit values in between prove that nothing was cut to 8 bits on the way.
    assert len((quick[0]["frames"] * 255 % 1).unique()) > 100
    expected = torch.from_numpy((codes >> 8).transpose(0, 3, 1, 2).astype(np.float32)) / 255
    assert torch.allclose(TakeWindows([plate], 4)[0]["frames"], expected)


def test_few_readers_stay_open_and_none_travel(takes: list[Take]) -> None:
    windows = TakeWindows(takes, 2, windows_per_epoch=40)
    for index in range(40):
        assert len(windows._readers) <= NUM_OPEN_READERS
        windows[index]
    assert len(windows._readers) == NUM_OPEN_READERS
    assert not pickle.loads(pickle.dumps(windows))._readers
    windows.close()
    assert not windows._readers


def test_a_take_that_changed_is_noticed(takes: list[Take]) -> None:
    wrong = takes[0].model_copy(update={"num_frames": 50})
    with pytest.raises(MediaError, match="not what was ingested"):
        TakeWindows([wrong], 2)[0]


def test_impossible_windows_are_refused(takes: list[Take]) -> None:
    with pytest.raises(CatalogueError, match="no take is long enough"):
        TakeWindows(takes, 41)
    with pytest.raises(CatalogueError, match="no take is long enough"):
        TakeWindows([], 1)
    for bad in ({"crop": (40, 40)}, {"size": (8, 8), "crop": (9, 8)}, {"stride": 0}, {"backend": "auto"}):
        with pytest.raises(ConfigError):
            TakeWindows(takes, 2, **bad)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="must not be forked"):
        make_loader(TakeWindows(takes, 2), 1, 1, start_method="fork")  # type: ignore[arg-type]
    with pytest.raises(IndexError):
        windows = TakeWindows(takes, 2)
        windows[len(windows)]


def test_spawned_workers_give_the_same_windows_in_flat_memory(takes: list[Take]) -> None:
    windows = TakeWindows(takes, 4, size=(24, 42), seed=3, windows_per_epoch=150)
    loader = make_loader(windows, batch_size=5, num_workers=2, start_method="spawn")
    iterator_workers: set[int] = set()
    resident = []
    for epoch in range(2):
        loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        for number, batch in enumerate(loader):
            assert batch["frames"].shape == (5, 4, 3, 24, 42)
            for row in range(5):
                place = windows.place(number * 5 + row, epoch)
                assert (int(batch["take"][row]), int(batch["start"][row])) == (place.take, place.start)
            workers = [worker.pid for worker in loader._iterator._workers]  # type: ignore[union-attr]
            iterator_workers.update(workers)
            resident.append(sum(resident_kib(pid) for pid in workers))
        if epoch == 0:
            # Codes travel as bytes; their values are those of the window itself.
            assert batch["frames"].dtype == torch.uint8
            assert torch.equal(code_values(batch["frames"])[-1], windows_at(windows, 149))
    assert len(iterator_workers) == 2
    # Two workers, 150 windows: warm-up is over in the second epoch.
    assert resident[-1] - resident[30] < 24 * 1024


def windows_at(windows: TakeWindows, index: int) -> torch.Tensor:
    return windows[index]["frames"]


def resident_kib(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0])
