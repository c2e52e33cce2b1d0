"""A sidecar and a link can name what is in their folder and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interpositive.dailies.inside import open_inside, path_inside
from interpositive.errors import MediaError


@pytest.mark.parametrize("text", ["a.mov", "day 1/a.mov", "day1\\a.mov", "./a.mov", "..a/b...mov", "a/./b.mov"])
def test_names_within_the_folder_are_found(tmp_path: Path, text: str) -> None:
    assert path_inside(tmp_path, text) == tmp_path / text.replace("\\", "/")


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "/etc/passwd", "../a.mov", "a/../../b.mov", "..\\a.mov", "C:\\a.mov", "C:a.mov", "\\\\host\\a.mov"),
        *("file:a.mov", "concat:a.mov|b.mov", "https://host/a.mov", "a\0.mov", "a\n.mov"),
    ],
)
def test_names_that_lead_out_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(MediaError, match="leads out of"):
        path_inside(tmp_path, text)


def test_a_link_on_the_way_out_is_refused(tmp_path: Path) -> None:
    folder, other = tmp_path / "dailies", tmp_path / "other"
    folder.mkdir()
    other.mkdir()
    (other / "secret.mov").write_bytes(b"secret")
    (folder / "day1").symlink_to(other)
    (folder / "first").symlink_to("second")
    (folder / "second").symlink_to(other / "secret.mov")
    for text in ("day1/secret.mov", "first"):
        with pytest.raises(MediaError, match="a link to"):
            path_inside(folder, text)
        with pytest.raises(MediaError, match="leads out"):
            open_inside(folder, folder / text)


def test_what_is_opened_is_a_file_that_lies_there(tmp_path: Path) -> None:
    (tmp_path / "kept.mov").write_bytes(b"kept")
    (tmp_path / "link.mov").symlink_to("kept.mov")
    for name in ("kept.mov", "link.mov"):
        with open_inside(tmp_path, tmp_path / name) as stream:
            assert stream.read() == b"kept"
    num_handles = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    os.mkfifo(tmp_path / "pipe.mov")
    for name in ("absent.mov", "nul\0.mov", "pipe.mov", "."):
        with pytest.raises(MediaError):
            open_inside(tmp_path, tmp_path / name)
    if num_handles:
        assert len(os.listdir("/proc/self/fd")) == num_handles


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(["..", ".", "a", "b", "/", "\\", "C:", "\0", " ", "…", "%2e"]), max_size=6))
def test_no_text_at_all_leads_out(tmp_path_factory: pytest.TempPathFactory, pieces: list[str]) -> None:
    folder = tmp_path_factory.getbasetemp()
    try:
        path = path_inside(folder, "/".join(pieces))
    except MediaError:
        return
    assert Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
