"""What no file of the project may say."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# In two halves each, so that this file does not hold what it looks for.
REGISTRY_HOSTS = [
    "".join(halves)
    for halves in (
        ("py", "pi.org"),
        ("python", "hosted.org"),
        ("download.py", "torch.org"),
        ("registry.np", "mjs.org"),
        ("conda.ana", "conda.org"),
        ("repo.ana", "conda.com"),
        ("proxy.go", "lang.org"),
        ("pypi.nv", "idia.com"),
    )
]
PRIVATE_PLACES = ["".join(halves) for halves in (("/wo", "rk/"), ("/ro", "ot/"), ("/opt/wh", "eels"))]
TEXT_SUFFIXES = {
    ".cfg",
    ".css",
    ".csv",
    ".html",
    ".in",
    ".ipynb",
    ".js",
    ".json",
    ".md",
    ".overrides",
    ".py",
    ".sh",
    ".toml",
    ".txt",
    ".yaml",
    ".yml",
    "",
}


def project_files() -> list[Path]:
    """Files that git tracks or would track; it knows what is ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    paths = (ROOT / line for line in listed.stdout.splitlines())
    return [path for path in paths if path.is_file() and path.suffix in TEXT_SUFFIXES]


@pytest.mark.parametrize("words", [REGISTRY_HOSTS, PRIVATE_PLACES], ids=["registry hosts", "private places"])
def test_no_file_names(words: list[str]) -> None:
    found = [
        f"{path.relative_to(ROOT)} names {word}"
        for path in project_files()
        for word in words
        if word in path.read_text(errors="replace")
    ]
    assert found == []


def test_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_every_locked_package_has_digests() -> None:
    lines = (ROOT / "requirements" / "lock.txt").read_text().splitlines()
    pinned = [line for line in lines if line and not line.startswith((" ", "#", "-"))]
    assert len(pinned) > 50
    assert all("==" in line and line.endswith("\\") for line in pinned)
    assert not any(line.startswith("torch==") for line in pinned), "torch is installed apart"
