"""The catalogue file: versions, strangers, kills, exports."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from footage import cheap_info, write_bytes

from interpositive.dailies.catalogue import Catalogue, FileState
from interpositive.dailies.ingest import ingest
from interpositive.dailies.parquet import write_parquet
from interpositive.dailies.take import Take, take_from_info
from interpositive.dailies.take_rows import SCHEMA_VERSION
from interpositive.errors import CatalogueError
from interpositive.records.slates import Slate


def some_take(name: str = "12A_1_A", sha256: str = "", split: str = "train") -> Take:
    slate = Slate(scene="12A", take="1", camera="A", roll="R1")
    take = take_from_info(cheap_info(Path(name)), name, Path("/dailies") / f"{name}.mov", sha256 or name, slate)
    return take.model_copy(update={"split": split, "start_frame": 86400})


def test_a_path_that_is_too_long_for_a_database_is_said_to_be(tmp_path: Path) -> None:
    path = tmp_path.joinpath(*["x" * 100] * 6, "c.sqlite")
    for _ in range(2):
        with pytest.raises(CatalogueError, match=r"(?s)cannot be opened.*at most 500 bytes"):
            Catalogue(path, writable=True)
    path.write_bytes(b"")
    with pytest.raises(CatalogueError, match="cannot be opened"):
        Catalogue(path)


def test_a_take_comes_back_as_it_went_in(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    take = some_take()
    with Catalogue(path, writable=True) as catalogue:
        catalogue.put(take, FileState(5, 6))
    with Catalogue(path) as catalogue:
        assert catalogue.takes() == catalogue.takes("train") == [take] and catalogue.takes("val") == []
        assert catalogue.take(take.name) == take
        assert catalogue.file_state(take.path) == FileState(5, 6) and catalogue.take_at(take.path) == take
        with pytest.raises(CatalogueError, match="no such take"):
            catalogue.take("99")
        with pytest.raises(CatalogueError, match="no such split"):
            catalogue.takes("holdout")


@pytest.mark.parametrize("version", [SCHEMA_VERSION + 1, SCHEMA_VERSION - 1])
@pytest.mark.parametrize("writable", [False, True])
def test_other_versions_are_refused(tmp_path: Path, version: int, writable: bool) -> None:
    path = tmp_path / "c.sqlite"
    Catalogue(path, writable=True).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    with pytest.raises(CatalogueError, match="a newer" if version > SCHEMA_VERSION else "an older"):
        Catalogue(path, writable=writable)


def test_strangers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="no catalogue at"):
        Catalogue(tmp_path / "none.sqlite")
    words = write_bytes(tmp_path / "words.sqlite", b"not a database at all, by any means" * 40)
    other = tmp_path / "other.sqlite"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE recipes (cake TEXT)")
    connection.commit()
    connection.close()
    for path in (words, other):
        before = path.read_bytes()
        for writable in (False, True):
            with pytest.raises(CatalogueError, match="is not a catalogue"):
                Catalogue(path, writable=writable)
        assert path.read_bytes() == before


def test_digest_sees_name_content_and_split_only(tmp_path: Path) -> None:
    def digest(number: int, *takes: Take) -> str:
        with Catalogue(tmp_path / f"{number}.sqlite", writable=True) as catalogue:
            for take in takes:
                catalogue.put(take, FileState(number, number))
            return catalogue.digest()

    one, two = some_take("a"), some_take("b")
    base = digest(0, one, two)
    assert digest(1, two, one) == base
    assert digest(2, one.model_copy(update={"path": "/elsewhere"}), two) == base
    for number, change in enumerate(({"name": "c"}, {"sha256": "c"}, {"split": "val"}), 3):
        assert digest(number, one.model_copy(update=change), two) != base


def test_parquet_holds_every_take(tmp_path: Path) -> None:
    takes = [some_take("a"), some_take("b", split="val")]
    with Catalogue(tmp_path / "c.sqlite", writable=True) as catalogue:
        for take in takes:
            catalogue.put(take, FileState(1, 1))
        write_parquet(catalogue.takes(), tmp_path / "takes.parquet")
    rows = pq.read_table(tmp_path / "takes.parquet").to_pylist()
    assert [row["name"] for row in rows] == ["a", "b"]
    assert (rows[1]["split"], rows[1]["scene"], rows[1]["num_frames"], rows[1]["proxy_path"]) == (
        "val",
        "12A",
        24,
        None,
    )


def test_a_failed_transaction_changes_nothing(tmp_path: Path) -> None:
    with Catalogue(tmp_path / "c.sqlite", writable=True) as catalogue:
        catalogue.put(some_take("a"), FileState(1, 1))
        catalogue.put(some_take("b"), FileState(1, 1))
        with pytest.raises(sqlite3.IntegrityError):
            catalogue.put(some_take("a", sha256="b"), FileState(2, 2))
        assert [take.sha256 for take in catalogue.takes()] == ["a", "b"]


def test_a_finished_catalogue_is_one_plain_file(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    for name in ("a", "b"):
        with Catalogue(path, writable=True) as catalogue:
            catalogue.put(some_take(name), FileState(1, 1))
            assert Path(f"{path}-wal").exists()
        assert sorted(entry.name for entry in tmp_path.iterdir()) == ["c.sqlite", "c.sqlite.lock"]
    # The file says in its header that it has no log: a machine without the log's memory can read it.
    assert path.read_bytes()[18:20] == b"\1\1"
    with Catalogue(path) as catalogue:
        assert len(catalogue) == 2


def test_a_reader_sees_the_past_while_an_ingest_writes(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    with Catalogue(path, writable=True) as writer:
        writer.put(some_take("a"), FileState(1, 1))
        with Catalogue(path) as reader:
            writer.put(some_take("b"), FileState(1, 1))
            assert len(reader) == 2


_INGEST = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from footage import slow_probe
from interpositive.dailies.ingest import ingest
print("ready", flush=True)
ingest(Path({source!r}), Path({catalogue!r}), num_workers=0, progress=False, probe=slow_probe)
"""


def test_kills_at_random_moments_leave_a_catalogue_that_goes_on(tmp_path: Path) -> None:
    source = tmp_path / "dailies"
    for n in range(120):
        write_bytes(source / f"{n // 6}_T{n % 6 + 1}_A.mov", bytes([n % 100]) * 9)
    (source / "slates.csv").write_text("file,scene,take,camera,roll\n3_T1_A.mov,3X,1,,\n")
    whole, broken = tmp_path / "whole" / "c.sqlite", tmp_path / "broken" / "c.sqlite"
    ingest(source, whole, num_workers=0, progress=False, probe=cheap_info)
    text = _INGEST.format(tests=str(Path(__file__).parent), source=str(source), catalogue=str(broken))
    chance = random.Random(7)
    lengths: list[int] = []
    # On a busy machine a kill may come before the first take, so it is kills amid takes that are counted.
    while len([length for length in lengths if length]) < 4 and len(lengths) < 20:
        child = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE)
        assert child.stdout is not None and child.stdout.readline() == b"ready\n"
        time.sleep(chance.uniform(0.02, 0.25))
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        if broken.exists():
            with Catalogue(broken, writable=True) as catalogue:
                lengths.append(len(catalogue))
    assert lengths == sorted(lengths) and lengths[-1] > 0, lengths
    ingest(source, broken, num_workers=0, progress=False, probe=cheap_info)
    with Catalogue(whole) as expected, Catalogue(broken) as found:
        assert found.takes() == expected.takes()
        repeats = [path for path in map(str, sorted(source.glob("*.mov"))) if expected.duplicate_at(path)]
        assert len(repeats) == 20
        assert all(found.duplicate_at(path) == expected.duplicate_at(path) for path in repeats)
        assert found.digest() == expected.digest()


def test_an_unfinished_ingest_gives_no_split(tmp_path: Path) -> None:
    with Catalogue(tmp_path / "c.sqlite", writable=True) as catalogue:
        catalogue.put(some_take(split=""), FileState(1, 1))
        assert len(catalogue.takes()) == 1
        with pytest.raises(CatalogueError, match="not finished"):
            catalogue.takes("train")
