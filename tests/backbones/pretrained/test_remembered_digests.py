"""Digests of weights are of bytes that were read, and a file that changed is read again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from interpositive.backbones.pretrained import remembered_digests as module
from interpositive.backbones.pretrained.remembered_digests import digests_folder, sha256_of_weights
from interpositive.records.digests import sha256_of_file

OLD_NS = 10**18


@pytest.fixture
def reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every file that was read; the clock is long after any file was changed."""
    found: list[Path] = []

    def counted(path: Path) -> str:
        found.append(path)
        return sha256_of_file(path)

    monkeypatch.setattr(module, "LEAST_BYTES", 4)
    monkeypatch.setattr(module, "sha256_of_file", counted)
    monkeypatch.setattr(module.time, "time_ns", lambda: 9 * OLD_NS)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return found


def test_a_file_that_did_not_change_is_read_once(tmp_path: Path, reads: list[Path]) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"weights")
    assert sha256_of_weights(path) == sha256_of_weights(path) == sha256_of_file(path)
    assert reads == [path]
    # By another name it is the same file.
    other = tmp_path / "link"
    other.symlink_to(path)
    assert sha256_of_weights(other) == sha256_of_file(path) and reads == [path]


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(b"WEIGHTS"),
        lambda path: path.write_bytes(b"more weights"),
        lambda path: (path.write_bytes(b"WEIGHTS"), os.utime(path, ns=(OLD_NS, OLD_NS))),
        lambda path: (path.with_suffix(".new").write_bytes(b"WEIGHTS"), path.with_suffix(".new").replace(path)),
    ],
    ids=["same size", "longer", "its time set back", "another file in its place"],
)
def test_a_file_that_changed_is_read_again(tmp_path: Path, reads: list[Path], change: Callable[[Path], object]) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"weights")
    os.utime(path, ns=(OLD_NS, OLD_NS))
    before = sha256_of_weights(path)
    change(path)
    assert sha256_of_weights(path) == sha256_of_file(path) != before
    assert reads == [path, path]


def test_what_was_just_touched_or_is_damaged_or_small_is_not_remembered(
    tmp_path: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"weights")
    sha256_of_weights(path)
    (kept,) = digests_folder().iterdir()
    kept.write_text(kept.read_text()[:-3])
    assert sha256_of_weights(path) == sha256_of_file(path) and len(reads) == 2
    # Others' digests do not pass for its own.
    kept.write_text(kept.read_text().replace('"size": 7', '"size": 8'))
    sha256_of_weights(path)
    assert len(reads) == 3
    kept.unlink()
    monkeypatch.setattr(module.time, "time_ns", lambda: path.stat().st_ctime_ns)
    sha256_of_weights(path)
    assert not list(digests_folder().iterdir())
    path.write_bytes(b"w")
    sha256_of_weights(path)
    assert not list(digests_folder().iterdir()) and len(reads) == 5


def test_a_home_that_cannot_be_written_changes_nothing(
    tmp_path: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    path = tmp_path / "weights"
    path.write_bytes(b"weights")
    assert sha256_of_weights(path) == sha256_of_weights(path) == sha256_of_file(path)
    assert len(reads) == 2
