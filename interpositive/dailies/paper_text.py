"""Text of paperwork, whatever machine wrote it."""

from __future__ import annotations

from interpositive.errors import CutListError


def paper_text(raw: bytes, name: str) -> str:
    """Decode UTF-8, UTF-16 with its mark, or the code page of older editing systems; ``CutListError`` for binary."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", errors="replace")
    if b"\0" in raw:
        raise CutListError(f"{name} is no paperwork", found="binary data of an unknown kind", expected="text")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        # It differs from UTF-8 in accents only.
        return raw.decode("cp1252", errors="replace")
