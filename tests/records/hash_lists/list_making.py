"""Folders with hash lists of every kind, made by hand so that they can lie."""

from __future__ import annotations

import hashlib
from pathlib import Path

from interpositive.records.hash_lists.formats import HASH_FORMATS

CONTENTS = {"A/a.0001.exr": b"one" * 50, "A/a.0002.exr": b"two" * 50, "B/b.mov": b"moving" * 100}


def make_card(folder: Path) -> Path:
    """A card with two frames, a movie and an empty folder."""
    for name, content in CONTENTS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "B" / "empty").mkdir()
    return folder


def digest_text(name: str, content: bytes) -> str:
    """A digest as a hash list writes it."""
    maker = HASH_FORMATS[name].make()
    maker.update(content)
    return HASH_FORMATS[name].to_text(maker.digest())


def listed(path: str, content: bytes, name: str = "xxh64", action: str = "original", previous: str = "") -> str:
    """One file of an ASC MHL manifest."""
    was = f"<previousPath>{previous}</previousPath>" if previous else ""
    text = digest_text(name, content)
    return f'<hash><path size="{len(content)}">{path}</path><{name} action="{action}">{text}</{name}>{was}</hash>'


def manifest(*parts: str, ignored: str = "", before: str = "") -> str:
    """An ASC MHL manifest of these parts, without directory hashes."""
    ignore = f"<ignore><pattern>{ignored}</pattern></ignore>" if ignored else ""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{before}<hashlist version="2.0" xmlns="urn:ASC:MHL:v2.0">'
        "<creatorinfo><creationdate>2026-01-02T03:04:05+00:00</creationdate><hostname/><tool>hand</tool></creatorinfo>"
        f"<processinfo><process>in-place</process>{ignore}</processinfo><hashes>{''.join(parts)}</hashes></hashlist>"
    )


def write_history(folder: Path, *manifests: str) -> Path:
    """A history of these manifests with a chain that agrees with them, whatever they say."""
    place, links = folder / "ascmhl", []
    place.mkdir(parents=True)
    for number, text in enumerate(manifests, 1):
        name = f"{number:04d}_{folder.name}.mhl"
        (place / name).write_text(text)
        c4 = HASH_FORMATS["c4"].to_text(hashlib.sha512(text.encode()).digest())
        links.append(f'<hashlist sequencenr="{number}"><path>{name}</path><c4>{c4}</c4></hashlist>')
    chain = f'<ascmhldirectory xmlns="urn:ASC:MHL:DIRECTORY:v2.0">{"".join(links)}</ascmhldirectory>'
    (place / "ascmhl_chain.xml").write_text(chain)
    return folder
