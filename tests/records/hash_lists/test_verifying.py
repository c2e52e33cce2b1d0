"""What a verification finds in folders with hash lists: honest, tampered, hostile and of older kinds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from list_making import CONTENTS, digest_text, listed, make_card, manifest, write_history

from interpositive.errors import IntegrityError
from interpositive.records.hash_lists.formats import HASH_FORMATS
from interpositive.records.hash_lists.ignoring import IgnorePatterns
from interpositive.records.hash_lists.sealing import seal_folder
from interpositive.records.hash_lists.verifying import FolderCheck, verify_folder

FRAME, OTHER_FRAME, MOVIE = CONTENTS
ONE, TWO, MOVING = CONTENTS.values()


@pytest.fixture
def card(tmp_path: Path) -> Path:
    return make_card(tmp_path / "card")


def states(check: FolderCheck) -> dict[str, str]:
    return {file.path: file.state for file in check.files}


@pytest.mark.parametrize("name", sorted(HASH_FORMATS))
def test_digests_are_those_that_the_standards_publish(name: str) -> None:
    of_nothing = {
        "c4": "c459dsjfscH38cYeXXYogktxf4Cd9ibshE3BHUo6a58hBXmRQdZrAkZzsWcbWtDg5oQstpDuni4Hirj75GEmTc1sFT",
        "md5": "d41d8cd98f00b204e9800998ecf8427e",
        "sha1": "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "xxh128": "99aa06d3014798d86001c324468d497f",
        "xxh3": "2d06800538d394c2",
        "xxh32": "02cc5d05",
        "xxh64": "ef46db3751d8e999",
    }
    one = HASH_FORMATS[name]
    assert digest_text(name, b"") == of_nothing[name]
    assert one.to_bytes(of_nothing[name]) == one.make().digest()
    for wrong in ("", of_nothing[name][:-1], of_nothing[name] + "0", "l" * len(of_nothing[name])):
        with pytest.raises(IntegrityError, match=r"no .* digest"):
            one.to_bytes(wrong)


def test_a_whole_history_vouches_for_every_file(card: Path) -> None:
    latest = [listed(path, content, "md5", "verified") for path, content in CONTENTS.items()]
    write_history(card, manifest(*(listed(path, content) for path, content in CONTENTS.items())), manifest(*latest))
    check = verify_folder(card)
    assert check.verified, check.describe()
    assert {file.hash_list for file in check.files} == {"ascmhl/0002_card.mhl"}


def test_an_empty_manifest_verifies_nothing(tmp_path: Path) -> None:
    check = verify_folder(write_history(tmp_path / "void", manifest()))
    assert not check.verified
    with pytest.raises(IntegrityError, match="carries no hash list"):
        verify_folder(make_card(tmp_path / "plain"))


def flip(path: Path) -> None:
    times, content = path.stat(), bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def swap(one: Path, other: Path) -> None:
    between = one.with_name("between")
    one.rename(between)
    other.rename(one)
    between.rename(other)


def history(folder: Path, number: int) -> Path:
    return sorted((folder / "ascmhl").glob("*.mhl"))[number - 1]


CHAIN = "ascmhl/ascmhl_chain.xml"
TAMPERING: dict[str, tuple[Callable[[Path], object], str]] = {
    "bit": (lambda card: flip(card / MOVIE), "B/b.mov  changed: differs from the hash list 0001"),
    "swap": (lambda card: swap(card / FRAME, card / OTHER_FRAME), "A/a.0001.exr  changed"),
    "cut": (lambda card: os.truncate(card / MOVIE, 9), "B/b.mov  changed"),
    "delete": (lambda card: (card / MOVIE).unlink(), "B/b.mov  missing"),
    "add": (lambda card: (card / "B" / "new.mov").write_bytes(MOVING), "B/new.mov  unlisted"),
    "hide": (lambda card: (card / "ascmhl" / "x.mov").write_bytes(ONE), "ascmhl/x.mov  unlisted"),
    "late list": (
        lambda card: (card / "B" / "b.md5").write_text(f"{digest_text('md5', MOVING)}  b.mov"),
        "B/b.md5  unlisted",
    ),
    "pipe": (lambda card: ((card / MOVIE).unlink(), os.mkfifo(card / MOVIE)), "B/b.mov  unchecked: no regular file"),
    "link": (
        lambda card: (shutil.move(card / MOVIE, card.parent), (card / MOVIE).symlink_to(card.parent / "b.mov")),
        "B/b.mov  unchecked: a link that leads out",
    ),
    "edit": (lambda card: flip(history(card, 1)), "generation 1 was changed after it was sealed"),
    "drop": (lambda card: history(card, 1).unlink(), "generation 1 is missing"),
    "swap generations": (lambda card: swap(history(card, 1), history(card, 2)), "generation 1 was changed"),
    "no chain": (lambda card: (card / CHAIN).unlink(), "the chain file is missing"),
    "renamed chain": (lambda card: (card / CHAIN).rename(card / "ascmhl" / "chain.xml"), "the chain file is missing"),
    "cut chain": (lambda card: os.truncate(card / CHAIN, 180), "ascmhl_chain.xml is damaged"),
    "stranger": (lambda card: shutil.copy(history(card, 1), card / "ascmhl" / "0003_x.mhl"), "not in the chain"),
    "linked": (
        lambda card: (shutil.move(card / "ascmhl", card.parent), (card / "ascmhl").symlink_to(card.parent / "ascmhl")),
        "the history is a link",
    ),
}


@pytest.mark.parametrize("how", TAMPERING)
def test_tampering_is_found_and_named(card: Path, how: str) -> None:
    seal_folder(card, "card")
    seal_folder(card, "card")
    assert verify_folder(card).verified
    tamper, said = TAMPERING[how]
    tamper(card)
    check = verify_folder(card)
    assert not check.verified
    assert said in check.describe()


def test_failed_records_vouch_for_nothing_and_contradictions_are_told(card: Path) -> None:
    write_history(
        card,
        manifest(listed(FRAME, ONE), listed(OTHER_FRAME, b"another"), listed(MOVIE, MOVING, action="failed")),
        manifest(listed(FRAME, ONE, "xxh64", "verified"), listed(OTHER_FRAME, TWO, action="verified")),
    )
    check = verify_folder(card)
    assert states(check) == {FRAME: "verified", OTHER_FRAME: "unchecked", MOVIE: "unchecked"}
    assert "0002_card.mhl contradicts 0001_card.mhl: they list different xxh64 digests" in check.describe()
    assert "listed in 0001_card.mhl without a digest that holds" in check.describe()


def test_renamed_files_keep_their_first_digest(card: Path) -> None:
    files = [listed(path, content) for path, content in CONTENTS.items()]
    renamed = [
        listed(OTHER_FRAME, ONE, "md5", previous=FRAME),
        listed(FRAME, TWO, "md5", previous=OTHER_FRAME),
        "<directoryhash><path>C</path><content/><structure/><previousPath>B</previousPath></directoryhash>",
    ]
    swap(card / FRAME, card / OTHER_FRAME)
    (card / "B").rename(card / "C")
    write_history(card, manifest(*files), manifest(*renamed))
    assert verify_folder(card).verified
    (card / FRAME).write_bytes(ONE)
    check = verify_folder(card)
    assert states(check) == {FRAME: "changed", OTHER_FRAME: "verified", "C/b.mov": "verified"}


def test_a_history_inside_is_held_to_what_the_outer_one_says_of_it(card: Path) -> None:
    inner = write_history(card / "A", manifest(listed("a.0001.exr", ONE), listed("a.0002.exr", TWO)))
    c4 = digest_text("c4", (inner / "ascmhl" / "0001_A.mhl").read_bytes())
    reference = f"<references><hashlistreference><path>A/ascmhl/0001_A.mhl</path><c4>{c4}</c4></hashlistreference>"
    outer = manifest(listed(MOVIE, MOVING)).replace("</hashlist>", f"{reference}</references></hashlist>")
    write_history(card, outer)
    assert verify_folder(card).verified
    shutil.rmtree(inner / "ascmhl")
    write_history(inner, manifest(listed("a.0001.exr", ONE), listed("a.0002.exr", TWO), before="<!-- sealed anew -->"))
    assert "which is not the same any more" in verify_folder(card).describe()
    shutil.rmtree(inner / "ascmhl")
    assert "A/ascmhl/0001_A.mhl, which is missing" in verify_folder(card).describe()


def test_directory_hashes_must_follow_from_the_files(card: Path) -> None:
    path = seal_folder(card, "card")
    text = path.read_text()
    shutil.rmtree(card / "ascmhl")
    forged = text.replace(digest_text("xxh128", ONE), digest_text("xxh128", b"forged"))
    assert forged != text
    write_history(card, forged)
    assert "the xxh128 directory hash of A does not follow from the files listed" in verify_folder(card).describe()


@pytest.mark.parametrize("path", ["../b.mov", "A/../../b", "/etc/passwd", "C:/b", "A\\b", "~/b", "", "A/\tb"])
def test_paths_never_leave_the_folder(card: Path, path: str) -> None:
    write_history(card, manifest(listed(path, MOVING)))
    check = verify_folder(card)
    assert "names a path outside its folder" in check.describe()
    assert not check.of("verified", "missing")


HOSTILE = {
    "entities": (
        '<!DOCTYPE hashlist [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        "declares a document type",
    ),
    "file": ('<!DOCTYPE hashlist [<!ENTITY a SYSTEM "file:///etc/passwd">]>', "declares a document type"),
    "network": ('<!DOCTYPE hashlist SYSTEM "http://127.0.0.1:9/x.dtd">', "declares a document type"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_xml_is_refused(card: Path, kind: str) -> None:
    before, said = HOSTILE[kind]
    write_history(card, manifest(listed(MOVIE, MOVING), before=before))
    assert said in verify_folder(card).describe()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("urn:ASC:MHL:v2.0", "urn:ASC:MHL:v3.0", "is no such hash list"),
        ('version="2.0"', 'version="2.1"', "another version of ASC MHL"),
        ("</hashlist>", "", "is damaged"),
        ("</path>", f"{'<x>' * 300}{'</x>' * 300}</path>", "is damaged"),
        ("<path", "<where", "is damaged"),
        ("xxh64", "sha512", "only with sha512, which is no known digest"),
    ],
)
def test_manifests_that_are_none_are_refused(card: Path, old: str, new: str, said: str) -> None:
    text = manifest(listed(MOVIE, MOVING))
    write_history(card, text.replace(old, new) if old == "xxh64" else text.replace(old, new, 1))
    check = verify_folder(card)
    assert said in check.describe()
    assert not check.of("verified")


def test_older_lists_are_read(card: Path) -> None:
    little, small = (
        HASH_FORMATS["xxh64"].to_bytes(digest_text("xxh64", ONE))[::-1].hex(),
        int(digest_text("xxh32", TWO), 16),
    )
    (card / "card.mhl").write_text(
        '<?xml version="1.0"?><hashlist version="1.1"><creatorinfo><hostname>x</hostname></creatorinfo>'
        f"<hash><file>{FRAME}</file><size>150</size><xxhash64>{little}</xxhash64></hash>"
        f"<hash><file>{OTHER_FRAME}</file><xxhash>{small}</xxhash></hash>"
        f"<hash><file>{MOVIE}</file><xxhash64be>{digest_text('xxh64', MOVING)}</xxhash64be></hash></hashlist>"
    )
    (card / "B" / "sums.md5").write_text(f"# made on set\r\n{digest_text('md5', MOVING).upper()} *b.mov\r\n")
    (card / "A" / "sums.sha256").write_text(f"SHA256 (a.0001.exr) = {digest_text('sha256', ONE)}\n")
    check = verify_folder(card)
    assert check.verified, check.describe()
    (card / MOVIE).write_bytes(MOVING + b"!")
    assert states(verify_folder(card))[MOVIE] == "changed"
    (card / "B" / "sums.md5").write_text("these are no sums\n")
    assert "B/sums.md5  sums.md5 is no list of digests; found line 1" in verify_folder(card).describe()


def test_accents_may_be_composed_differently_on_disk(tmp_path: Path) -> None:
    (tmp_path / "café.mov").write_bytes(ONE)
    write_history(tmp_path, manifest(listed("café.mov", ONE)))
    assert states(verify_folder(tmp_path)) == {"café.mov": "verified"}


@pytest.mark.parametrize(
    ("patterns", "left_out", "kept"),
    [
        (["*.tmp"], ["a.tmp", "A/b/a.tmp"], ["a.tmpx", "tmp"]),
        (["/A"], ["A/x", "A"], ["B/A/x"]),
        (["A/"], ["A/x", "B/A/x"], ["A", "B/A"]),
        (["A/*.mov"], ["A/x.mov"], ["A/B/x.mov", "B/A/x.mov"]),
        (["A/**/x"], ["A/x", "A/b/x", "A/b/c/x"], ["x", "b/x"]),
        (["A/**", "**/z"], ["A/x", "A/b/x", "z", "q/z"], ["A", "B/x"]),
        (["*.mov", "!keep.mov"], ["a.mov"], ["keep.mov"]),
        (["a?.[ch]", "[!x]y"], ["ab.c", "zy"], ["ab.x", "abc.c", "xy"]),
        (["", "#x", "!", "/"], [], ["#x", "x"]),
        (["**/" * 40 + "a*a*a*a*a*a*b"], [], ["/".join(["a" * 50] * 60)]),
    ],
)
def test_ignore_patterns_are_those_of_git(patterns: list[str], left_out: list[str], kept: list[str]) -> None:
    ignored = IgnorePatterns(patterns)
    assert [path for path in left_out if not ignored.match(path)] == []
    assert [path for path in kept if ignored.match(path)] == []


def test_an_ignored_file_is_neither_stranger_nor_missing(card: Path) -> None:
    first = [listed(path, content) for path, content in CONTENTS.items()]
    write_history(card, manifest(*first), manifest(listed(FRAME, ONE), ignored="*.mov"))
    (card / "B" / "other.mov").write_bytes(b"left out")
    (card / MOVIE).unlink()
    assert verify_folder(card).verified
    (card / MOVIE).write_bytes(b"listed once, so it is checked")
    assert states(verify_folder(card))[MOVIE] == "changed"


def test_the_scenarios_of_the_standard_end_as_they_say(material: Path) -> None:
    folders = sorted((material / "interchange" / "mhl").glob("scenario_*/*/A002R2EC"))
    found = {f"{folder.parts[-3]}/{folder.parts[-2]}": states(verify_folder(folder)) for folder in folders}
    assert len(found) == 7
    failed = found.pop("scenario_04/file_server")
    assert failed["Sidecar.txt"] == "changed" and sorted(failed.values()) == ["changed", "verified", "verified"]
    assert all(set(one.values()) == {"verified"} and len(one) == 3 for one in found.values())
