"""Our hash lists against the reference tool, both ways, and every way of tampering we know of.

    python scripts/check_mhl.py --reference <folder with ascmhl and ascmhl-debug> [--xsd <folder of the schemas>]

The reference tool (``pip install ascmhl`` into an environment of its own) reads what we sealed and extends it;
we verify what it sealed, nested and renamed folders among it. Then a sealed folder is tampered with in one way
at a time, and a table tells what each of the two noticed. Exits with 1 if we miss anything that we must find.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from lxml import etree

from interpositive.errors import IntegrityError
from interpositive.records.hash_lists.sealing import seal_folder
from interpositive.records.hash_lists.verifying import verify_folder

FORMATS = ("md5", "sha1", "xxh64", "xxh3", "xxh128", "c4")


def main() -> int:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as scratch:
        checks = [*both_ways(Path(scratch), arguments.reference, arguments.xsd), *tampering(Path(scratch), arguments)]
    width = max(len(what) for what, *_ in checks)
    print(f"{'check':<{width}}  {'ours':<9}  {'reference':<10}  what we say")
    for what, passed, reference, said in checks:
        print(f"{what:<{width}}  {'ok' if passed else 'MISSED':<9}  {reference:<10}  {said}")
    missed = sum(not passed for _, passed, *_ in checks)
    print(f"{len(checks) - missed} of {len(checks)} hold")
    return 1 if missed else 0


Check = tuple[str, bool, str, str]


def both_ways(scratch: Path, reference: Path, xsd: Path | None) -> list[Check]:
    """What each of the two makes of the other's seals."""
    checks: list[Check] = []

    def add(what: str, passed: bool, theirs: str, said: str = "") -> None:
        checks.append((what, passed, theirs, said))

    ours = _footage(scratch / "ours")
    seal_folder(ours, ours.name)
    add("ours, read by the reference", *_agreed(reference, ours))
    for command in (["ascmhl", "diff"], ["ascmhl", "info", "-v"], ["ascmhl-debug", "verify", "-dh"]):
        code = _run(reference, *command, str(ours))
        add(f"ours, {' '.join(command)}", code == 0, f"exit {code}")
    if xsd is not None:
        manifest, chain = sorted((ours / "ascmhl").glob("*.mhl"))[0], ours / "ascmhl" / "ascmhl_chain.xml"
        add("our manifest is valid by the schema", _valid(manifest, xsd / "ASCMHL.xsd"), "")
        add("our chain is valid by the schema", _valid(chain, xsd / "ASCMHLDirectory.xsd"), "")
    code = _run(reference, "ascmhl", "create", str(ours))
    add("ours, a generation added by the reference", code == 0 and verify_folder(ours).verified, f"exit {code}")
    seal_folder(ours, ours.name)
    add("ours again on top of it", *_agreed(reference, ours))
    theirs = _footage(scratch / "theirs")
    for name in FORMATS:
        _run(reference, "ascmhl", "create", "-h", name, str(theirs))
        add(f"theirs, a generation of {name}", *_agreed(reference, theirs))
    nested = _footage(scratch / "nested")
    _run(reference, "ascmhl", "create", str(nested / "A"))
    _run(reference, "ascmhl", "create", str(nested))
    add("theirs, a history inside a history", *_agreed(reference, nested))
    (nested / "notes.tmp").write_text("ignored")
    _run(reference, "ascmhl", "create", "-i", "*.tmp", str(nested))
    add("theirs, a pattern ignored", *_agreed(reference, nested))
    (nested / "B" / "b.mov").rename(nested / "B" / "renamed.mov")
    _run(reference, "ascmhl", "create", "-dr", str(nested))
    add("theirs, a file renamed", *_agreed(reference, nested))
    (nested / "A").rename(nested / "C")
    _run(reference, "ascmhl", "create", "-dr", str(nested))
    add("theirs, a folder with a history renamed", *_agreed(reference, nested))
    (theirs / "B" / "b.mov").write_bytes(b"changed in transit")
    code = _run(reference, "ascmhl", "create", str(theirs))
    add("theirs, a failed record", code == 11 and not verify_folder(theirs).verified, f"exit {code}", _said(theirs))
    return checks


def _flip(path: Path) -> None:
    times = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _swap(one: Path, other: Path) -> None:
    between = one.with_name("between")
    one.rename(between)
    other.rename(one)
    between.rename(other)


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    if old not in text:
        raise SystemExit(f"{path} holds no {old!r} to tamper with")
    path.write_text(text.replace(old, new, 1))


def _drop_link(chain: Path, number: int) -> None:
    tree = etree.parse(str(chain))
    tree.getroot().remove(tree.getroot()[number - 1])
    tree.write(str(chain))


def _empty(folder: Path) -> None:
    manifest = _manifests(folder)[0]
    tree = etree.parse(str(manifest))
    hashes = tree.getroot().find("{urn:ASC:MHL:v2.0}hashes")
    tree.getroot().remove(hashes)
    tree.write(str(manifest))


def _manifests(folder: Path) -> list[Path]:
    return sorted((folder / "ascmhl").glob("*.mhl"))


def _chain(folder: Path) -> Path:
    return folder / "ascmhl" / "ascmhl_chain.xml"


def _without(folder: Path, number: int) -> None:
    _manifests(folder)[number - 1].unlink()
    _drop_link(_chain(folder), number)


# Each of these must be found in a folder with two generations.
TAMPERING: dict[str, Callable[[Path], object]] = {
    "a bit flipped, same size and time": lambda folder: _flip(folder / "A" / "a.0002.exr"),
    "two files swapped by name": lambda folder: _swap(folder / "A" / "a.0001.exr", folder / "A" / "a.0002.exr"),
    "two folders swapped by name": lambda folder: _swap(folder / "A", folder / "B"),
    "a file cut short": lambda folder: os.truncate(folder / "B" / "b.mov", 100),
    "a file emptied": lambda folder: os.truncate(folder / "B" / "b.mov", 0),
    "a file grown by one byte": lambda folder: (folder / "B" / "b.mov").open("ab").write(b"\0"),
    "a file deleted": lambda folder: (folder / "B" / "b.mov").unlink(),
    "a file added": lambda folder: (folder / "B" / "new.mov").write_bytes(b"new"),
    "a file hidden beside the manifests": lambda folder: (folder / "ascmhl" / "new.mov").write_bytes(b"new"),
    "a file renamed": lambda folder: (folder / "B" / "b.mov").rename(folder / "B" / "c.mov"),
    "a file replaced by a link elsewhere": lambda folder: _link_elsewhere(folder / "B" / "b.mov"),
    "a folder deleted": lambda folder: shutil.rmtree(folder / "B"),
    "a digest edited in a manifest": lambda folder: _edit(_manifests(folder)[0], "<xxh128 action", "<xxh128  action"),
    "a path edited in a manifest": lambda folder: _edit(_manifests(folder)[1], "b.mov", "../b.mov"),
    "a manifest emptied": _empty,
    "the first manifest dropped": lambda folder: _manifests(folder)[0].unlink(),
    "the last manifest dropped": lambda folder: _manifests(folder)[1].unlink(),
    "the first generation dropped, its link too": lambda folder: _without(folder, 1),
    "the last link of the chain dropped": lambda folder: _drop_link(_chain(folder), 2),
    "two manifests swapped by name": lambda folder: _swap(*_manifests(folder)),
    "the chain file dropped": lambda folder: _chain(folder).unlink(),
    "the chain file renamed": lambda folder: _chain(folder).rename(_chain(folder).with_name("chain.xml")),
    "the chain file cut short": lambda folder: os.truncate(_chain(folder), 200),
    "all manifests and links dropped": lambda folder: (_without(folder, 2), _without(folder, 1)),
    "the whole history dropped": lambda folder: shutil.rmtree(folder / "ascmhl"),
}
# Whoever may write into the folder can do these unseen: a hash list carries no signature.
FORGERIES: dict[str, Callable[[Path], object]] = {
    "the last generation dropped, its link too": lambda folder: _without(folder, 2),
    "a file changed, the folder sealed anew": lambda folder: _seal_anew(folder),
}


def _seal_anew(folder: Path) -> None:
    _flip(folder / "A" / "a.0002.exr")
    shutil.rmtree(folder / "ascmhl")
    seal_folder(folder, folder.name)


def _link_elsewhere(path: Path) -> None:
    outside = path.parent.parent.with_name("outside.mov")
    shutil.move(path, outside)
    path.symlink_to(outside)


def tampering(scratch: Path, arguments: argparse.Namespace) -> list[Check]:
    """One kind of tampering after the other, each on a fresh copy of a folder with two generations."""
    whole = _footage(scratch / "whole")
    seal_folder(whole, whole.name)
    seal_folder(whole, whole.name)
    checks: list[Check] = []
    for what, tamper in (TAMPERING | FORGERIES).items():
        folder = scratch / "tampered" / "card"
        shutil.copytree(whole, folder)
        tamper(folder)
        code = _run(arguments.reference, "ascmhl-debug", "verify", str(folder))
        said = _said(folder)
        seen = "" if code == 0 else f"exit {code}"
        if what in FORGERIES:
            checks.append((what, not said, seen or "unseen", "unseen, as expected: a hash list carries no signature"))
        else:
            checks.append((what, bool(said), seen or "missed", said))
        shutil.rmtree(folder.parent)
    return checks


def _footage(folder: Path) -> Path:
    for name, content in {"A/a.0001.exr": b"one", "A/a.0002.exr": b"two", "B/b.mov": b"moving" * 100}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content * 50)
    (folder / "B" / "empty").mkdir()
    return folder


def _agreed(reference: Path, folder: Path) -> tuple[bool, str, str]:
    code = _run(reference, "ascmhl-debug", "verify", str(folder))
    said = _said(folder)
    return code == 0 and not said, f"exit {code}", said


def _said(folder: Path) -> str:
    """The first thing that we find wrong with a folder; empty if it is verified."""
    try:
        check = verify_folder(folder)
    except IntegrityError as error:
        return error.what.replace(str(folder), folder.name)
    return "" if check.verified else check.describe().splitlines()[:2][-1].strip()


def _run(reference: Path, tool: str, *arguments: str) -> int:
    done = subprocess.run([str(reference / tool), *arguments], capture_output=True, text=True, check=False)
    return done.returncode


def _valid(path: Path, schema: Path) -> bool:
    # The directory schema fetches the other one from the network; here it lies beside it.
    tree = etree.parse(str(schema))
    for element in tree.getroot().iter("{http://www.w3.org/2001/XMLSchema}import"):
        element.set("schemaLocation", str(schema.with_name("ASCMHL.xsd")))
    return bool(etree.XMLSchema(tree).validate(etree.parse(str(path))))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, required=True, help="the folder of ascmhl and ascmhl-debug")
    parser.add_argument("--xsd", type=Path, help="the folder of ASCMHL.xsd and ASCMHLDirectory.xsd")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
