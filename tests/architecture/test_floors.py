"""The floors of the house, kept by the import linter and by reading the source."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "interpositive"

# Where a library may be imported, at any depth of a file; everything else goes through that room.
HOMES = {
    "hydra": {"cli"},
    "omegaconf": {"cli"},
    "av": {"media"},
    "decord": {"media"},
    "OpenImageIO": {"media"},
    "pytorch_lightning": {"training", "dailies", "cli"},
    "lpips": {"metrics", "objectives"},
    "sqlite3": {"dailies"},
    "wandb": {"training", "review", "cli"},
}
MOST_LINES = 400
# pickle itself may be imported for the name of its error alone.
UNPICKLERS = {"pickle.load", "pickle.loads", "pickle.Unpickler"}
UNSAFE_MODULES = {"cPickle", "dill", "joblib", "cloudpickle", "marshal", "shelve"}


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imported(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Top-level names of all modules that a file imports, with the line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.split(".")[0], node.lineno


def unsafe_loads(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Calls that would run code hidden in a file of weights or arrays."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        called = ast.unparse(node.func)
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        if called == "torch.load" and given.get("weights_only") != "True":
            yield "torch.load without weights_only=True", node.lineno
        if called in UNPICKLERS:
            yield called, node.lineno
        if called.rpartition(".")[2] == "load" and given.get("allow_pickle", "False") != "False":
            yield "load with allow_pickle", node.lineno


def room(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else ""


def test_import_contracts_are_kept() -> None:
    beside = Path(sys.executable).parent / "lint-imports"
    linter = str(beside) if beside.is_file() else shutil.which("lint-imports")
    if linter is None:
        pytest.skip("import-linter is not installed")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Contracts: 4 kept, 0 broken" in done.stdout


def test_each_library_stays_in_its_room() -> None:
    strays = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in sources()
        for name, line in imported(ast.parse(path.read_text()))
        if name in HOMES and room(path) not in HOMES[name]
    ]
    assert strays == []


def test_nothing_loads_pickled_code() -> None:
    found = []
    for path in sources():
        tree = ast.parse(path.read_text())
        renamed = (
            ("pickle under another name", node.lineno)
            for node in ast.walk(tree)
            if (
                isinstance(node, ast.ImportFrom)
                and node.module == "pickle"
                and {alias.name for alias in node.names} != {"UnpicklingError"}
            )
            or (isinstance(node, ast.Import) and any(a.name == "pickle" and a.asname for a in node.names))
        )
        modules = ((name, line) for name, line in imported(tree) if name in UNSAFE_MODULES)
        found += [f"{path.relative_to(ROOT)}:{line} {what}" for what, line in (*unsafe_loads(tree), *renamed, *modules)]
    assert found == []


@pytest.mark.parametrize(
    ("code", "num_found"),
    [
        ("torch.load(path)", 1),
        ("torch.load(path, weights_only=False)", 1),
        ("torch.load(path, weights_only=True)", 0),
        ("np.load(path, allow_pickle=True)", 1),
        ("numpy.load(path, allow_pickle=flag)", 1),
        ("np.load(path)", 0),
        ("pickle.loads(text)", 1),
    ],
)
def test_unsafe_loads_are_seen(code: str, num_found: int) -> None:
    assert len(list(unsafe_loads(ast.parse(code)))) == num_found


def test_every_file_and_room_says_what_it_is() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in sources()
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_files_stay_readable() -> None:
    counts = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources()}
    assert {path: count for path, count in counts.items() if count > MOST_LINES} == {}
