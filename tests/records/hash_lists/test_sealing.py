"""Folders sealed by us: what the manifest says and does not say, and what the reference tool makes of it."""

from __future__ import annotations

import shutil
import socket
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from list_making import make_card
from lxml import etree

from interpositive.errors import IntegrityError
from interpositive.records.hash_lists.sealing import seal_folder
from interpositive.records.hash_lists.verifying import verify_folder

NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)


def test_a_seal_is_the_same_but_for_its_date_and_names_no_one(tmp_path: Path) -> None:
    texts = []
    for name in ("one", "two"):
        path = seal_folder(make_card(tmp_path / name), "card", NOON)
        assert path.name == "0001_card_2026-01-02_120000Z.mhl"
        texts.append([entry.read_text() for entry in sorted(path.parent.iterdir())])
    assert texts[0] == texts[1]
    creator = etree.fromstring(texts[0][0].encode()).find("{*}creatorinfo")
    told = [(etree.QName(one).localname, one.text) for one in creator]
    assert told == [("creationdate", "2026-01-02T12:00:00+00:00"), ("hostname", None), ("tool", "interpositive")]
    assert str(tmp_path) not in texts[0][0] and socket.gethostname() not in texts[0][0]


def test_a_second_seal_verifies_the_first_and_takes_in_new_files(tmp_path: Path) -> None:
    card = make_card(tmp_path / "card")
    seal_folder(card, "card", NOON)
    (card / "B" / "late.mov").write_bytes(b"late")
    text = seal_folder(card, "card", NOON).read_text()
    assert (text.count('action="verified"'), text.count('action="original"')) == (6, 2)
    assert verify_folder(card).verified


def test_only_a_folder_that_agrees_with_its_history_is_sealed(tmp_path: Path) -> None:
    card = make_card(tmp_path / "card")
    manifest = seal_folder(card, "card")
    kept = (card / "B" / "b.mov").read_bytes()
    (card / "B" / "b.mov").write_bytes(b"changed")
    with pytest.raises(IntegrityError, match=r"is not what was sealed before\n.*differs from the hash list 0001"):
        seal_folder(card, "card")
    (card / "B" / "b.mov").unlink()
    with pytest.raises(IntegrityError, match="lacks files"):
        seal_folder(card, "card")
    (card / "B" / "b.mov").symlink_to(manifest)
    with pytest.raises(IntegrityError, match="is a link"):
        seal_folder(card, "card")
    (card / "B" / "b.mov").unlink()
    (card / "B" / "b.mov").write_bytes(kept)
    (card / "ascmhl" / "ascmhl_chain.xml").unlink()
    with pytest.raises(IntegrityError, match="cannot be trusted"):
        seal_folder(card, "card")


def test_seals_are_valid_by_the_schemas(tmp_path: Path, material: Path) -> None:
    manifest = seal_folder(make_card(tmp_path / "card"), "card")
    schemas = material / "interchange" / "mhl" / "xsd"
    directory = etree.parse(str(schemas / "ASCMHLDirectory.xsd"))
    next(directory.getroot().iter("{*}import")).set("schemaLocation", str(schemas / "ASCMHL.xsd"))
    etree.XMLSchema(etree.parse(str(schemas / "ASCMHL.xsd"))).assertValid(etree.parse(str(manifest)))
    etree.XMLSchema(directory).assertValid(etree.parse(str(manifest.with_name("ascmhl_chain.xml"))))


def test_the_reference_tool_verifies_and_extends_a_seal(tmp_path: Path) -> None:
    if shutil.which("ascmhl") is None or shutil.which("ascmhl-debug") is None:
        pytest.skip("no ascmhl on the path; scripts/check_mhl.py compares with it at length")
    card = make_card(tmp_path / "card")
    seal_folder(card, "card")
    for command in (["ascmhl-debug", "verify"], ["ascmhl-debug", "verify", "-dh"], ["ascmhl", "create"]):
        subprocess.run([*command, str(card)], check=True, capture_output=True)
    assert verify_folder(card).verified
    assert len(list((card / "ascmhl").glob("*.mhl"))) == 2
