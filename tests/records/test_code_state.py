"""The code that a run was made with can be told apart, and had again from the commit and the changes kept beside it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from interpositive.records import code_state
from interpositive.records.code_state import CodeState, measure_code

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=trunk")
    return subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small package of that name in a checkout with one commit."""
    top = tmp_path / "checkout"
    package = top / "interpositive"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("one = 1\n")
    (top / "conf").mkdir()
    (top / "conf" / "train.yaml").write_text("a: 1\n")
    (top / "notes.txt").write_text("a password\n")
    git(top, "init", "-q")
    git(top, "add", ".")
    git(top, "commit", "-qm", "first")
    return top


def measured(top: Path) -> CodeState:
    return measure_code(top / "interpositive").state


def test_a_clean_checkout_is_its_commit(checkout: Path) -> None:
    state = measured(checkout)
    assert state.commit == git(checkout, "rev-parse", "HEAD").strip() and not state.differs and not state.diff_sha256
    assert "trunk" not in state.described and state.num_files == 1


def test_commit_and_diff_give_the_sources_back(checkout: Path, tmp_path: Path) -> None:
    (checkout / "interpositive" / "__init__.py").write_text("one = 2\n")
    (checkout / "interpositive" / "new.py").write_text("two = 2\n")
    (checkout / "conf" / "new.yaml").write_text("b: 1\n")
    (checkout / "notes.txt").write_text("another password\n")
    (checkout / "interpositive" / "weights.bin").write_bytes(b"\0" * 64)
    code = measure_code(checkout / "interpositive")
    assert code.state.differs and code.state.source_sha256
    assert b"password" not in code.diff and b"weights.bin" not in code.diff
    again = tmp_path / "again"
    git(tmp_path, "clone", "-q", str(checkout), str(again))
    assert measured(again).source_sha256 != code.state.source_sha256
    (tmp_path / "code.diff").write_bytes(code.diff)
    git(again, "apply", str(tmp_path / "code.diff"))
    assert measured(again).source_sha256 == code.state.source_sha256
    assert (again / "conf" / "new.yaml").read_text() == "b: 1\n"


def test_a_copy_that_is_no_checkout_has_the_same_sources_and_no_commit(checkout: Path, tmp_path: Path) -> None:
    shutil.copytree(checkout / "interpositive", tmp_path / "wheel" / "interpositive")
    state = measured(tmp_path / "wheel")
    assert state.source_sha256 == measured(checkout).source_sha256 and state.commit == "" and not state.differs


def test_a_package_installed_below_a_strangers_checkout_is_no_part_of_it(checkout: Path) -> None:
    inside = checkout / "site-packages"
    inside.mkdir()
    (inside / "interpositive").mkdir()
    (inside / "interpositive" / "__init__.py").write_text("one = 1\n")
    assert measured(inside).commit == ""


def test_a_diff_too_long_to_keep_is_told_and_left_out(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (checkout / "interpositive" / "__init__.py").write_text("one = 2\n" * 100)
    monkeypatch.setattr(code_state, "MOST_DIFF_BYTES", 100)
    code = measure_code(checkout / "interpositive")
    assert code.state.differs and code.diff == b"" and code.state.diff_sha256 == ""


def test_a_machine_without_git_still_tells_the_sources(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = measured(checkout).source_sha256
    monkeypatch.setenv("PATH", "")
    state = measured(checkout)
    assert state.source_sha256 == expected and state.commit == ""
