"""A folder appears whole or not at all, whatever ends the writing."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from interpositive.errors import StorageError
from interpositive.records import publishing
from interpositive.records.publishing import publish_folder, write_file_whole


def run_python(code: str, *arguments: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30)


def test_nothing_is_there_until_all_is_there(tmp_path: Path) -> None:
    final = tmp_path / "deep" / "delivery"
    with publish_folder(final) as scratch:
        (scratch / "frames").mkdir()
        (scratch / "frames" / "1.png").write_bytes(b"one")
        assert not final.exists()
        assert scratch.parent == final.parent, "a rename within one folder is one step on any file system"
        assert scratch.name.startswith("."), "unfinished work stays out of sight"
    assert (final / "frames" / "1.png").read_bytes() == b"one"
    assert [path.name for path in final.parent.iterdir()] == ["delivery"]


def test_it_appears_by_one_rename_after_its_bytes_are_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    sync, rename = publishing.sync, Path.rename
    monkeypatch.setattr(publishing, "sync", lambda path: (events.append(f"sync {path.name}"), sync(path))[1])
    monkeypatch.setattr(Path, "rename", lambda self, to: (events.append(f"rename to {to.name}"), rename(self, to))[1])
    with publish_folder(tmp_path / "final") as scratch:
        (scratch / "a").write_bytes(b"a")
    assert events == ["sync a", f"sync {scratch.name}", "rename to final", f"sync {tmp_path.name}"]


@pytest.mark.parametrize("failure", [RuntimeError("a defect"), KeyboardInterrupt()])
def test_a_failure_leaves_nothing(tmp_path: Path, failure: BaseException) -> None:
    with pytest.raises(type(failure)), publish_folder(tmp_path / "final") as scratch:
        (scratch / "half").write_bytes(b"half")
        raise failure
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["folder", "file", "dangling link"])
def test_what_exists_is_never_overwritten(tmp_path: Path, kind: str) -> None:
    final = tmp_path / "final"
    if kind == "folder":
        final.mkdir()
    elif kind == "file":
        final.write_text("mine")
    else:
        final.symlink_to(tmp_path / "nowhere")
    with pytest.raises(StorageError, match="already exists"), publish_folder(final):
        pytest.fail("the body must not begin")
    assert [path.name for path in tmp_path.iterdir()] == ["final"]
    assert kind != "file" or final.read_text() == "mine"


def test_what_is_replaced_stays_until_all_else_is_on_disk(tmp_path: Path) -> None:
    final = tmp_path / "final"
    for content in ("first", "second"):
        with publish_folder(final, replaces=True) as scratch:
            (scratch / content).touch()
    assert [path.name for path in final.iterdir()] == ["second"]
    with pytest.raises(ZeroDivisionError), publish_folder(final, replaces=True) as scratch:
        raise ZeroDivisionError
    assert [path.name for path in final.iterdir()] == ["second"]
    assert list(tmp_path.iterdir()) == [final]


def test_what_appeared_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    final = tmp_path / "final"
    with pytest.raises(StorageError, match="already exists"), publish_folder(final) as scratch:
        (scratch / "ours").write_text("ours")
        final.mkdir()
        (final / "theirs").write_text("theirs")
    assert [path.name for path in final.iterdir()] == ["theirs"]
    assert [path.name for path in tmp_path.iterdir()] == ["final"]


def test_a_disk_that_refuses_the_bytes_is_a_storage_error_and_leaves_nothing(tmp_path: Path) -> None:
    # A limit on the size of any file stands for a disk that fills up in the middle of one.
    done = run_python(
        """
        import resource, signal, sys
        from pathlib import Path
        from interpositive.errors import StorageError
        from interpositive.records.publishing import publish_folder
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
        try:
            with publish_folder(Path(sys.argv[1])) as scratch:
                (scratch / "small").write_bytes(b"fits")
                (scratch / "large").write_bytes(bytes(1 << 20))
        except StorageError as error:
            print(error)
        """,
        tmp_path / "final",
    )
    assert done.returncode == 0, done.stderr
    assert f"could not write {tmp_path / 'final'}" in done.stdout and "MB free" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_full_disk_on_the_last_sync_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def full(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(publishing.os, "fsync", full)
    with pytest.raises(StorageError, match="nothing was published"), publish_folder(tmp_path / "final") as scratch:
        (scratch / "a").write_bytes(b"a")
    assert list(tmp_path.iterdir()) == []


def test_a_parent_that_is_a_file_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StorageError, match="could not write"), publish_folder(tmp_path / "file" / "final"):
        pytest.fail("the body must not begin")
    with pytest.raises(StorageError, match="could not write"):
        write_file_whole(tmp_path / "file" / "record.json", "{}")


def test_a_process_killed_in_the_middle_leaves_no_final_folder(tmp_path: Path) -> None:
    done = run_python(
        """
        import os, signal, sys
        from pathlib import Path
        from interpositive.records.publishing import publish_folder
        with publish_folder(Path(sys.argv[1])) as scratch:
            (scratch / "half").write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
        """,
        tmp_path / "final",
    )
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "final").exists()
    with publish_folder(tmp_path / "final") as scratch:
        (scratch / "whole").write_bytes(b"whole")
    assert (tmp_path / "final" / "whole").read_bytes() == b"whole"


def test_a_file_is_replaced_whole_and_survives_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "record.json"
    write_file_whole(path, "first")
    write_file_whole(path, b"second")
    assert path.read_text() == "second"

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(publishing.os, "fsync", full)
    with pytest.raises(StorageError, match="could not write"):
        write_file_whole(path, "third")
    assert path.read_text() == "second"
    assert [entry.name for entry in path.parent.iterdir()] == ["record.json"]
