"""Whether an H.264 packet that is called an entry point really is one (ITU-T H.264, 7.4.1 and D.2.8).

Containers mark packets as entry points when they only begin with an intra
picture; later frames may still reach behind it, and decoding from there gives
other pixels than decoding in order. Two things make it safe: an IDR picture,
or a recovery point message that says everything is right from here on.
"""

from __future__ import annotations

from collections.abc import Iterator

_IDR_SLICE = 5
_MESSAGE = 6
_RECOVERY_POINT = 6
_START_CODE = b"\x00\x00\x01"


def is_safe_entry(packet: bytes, extradata: bytes | None) -> bool:
    """Whether decoding can begin at this H.264 packet and be right at once."""
    for unit in _units(packet, extradata):
        kind = unit[0] & 0x1F
        if kind == _IDR_SLICE or (kind == _MESSAGE and _recovers_at_once(unit[1:])):
            return True
    return False


def _units(packet: bytes, extradata: bytes | None) -> Iterator[bytes]:
    if extradata and extradata[0] == 1 and len(extradata) > 4:
        # MP4 and Matroska put each unit's length before it; the header says in how many bytes.
        width = (extradata[4] & 3) + 1
        at = 0
        while at + width < len(packet):
            length = int.from_bytes(packet[at : at + width], "big")
            if length:
                yield packet[at + width : at + width + length]
            at += width + length
        return
    for unit in packet.split(_START_CODE)[1:]:
        if unit:
            yield unit


def _recovers_at_once(messages: bytes) -> bool:
    at = 0
    while at + 2 < len(messages):
        kind, at = _sum_of_bytes(messages, at)
        size, at = _sum_of_bytes(messages, at)
        if kind == _RECOVERY_POINT and at < len(messages):
            # The count of frames until recovery is Exp-Golomb coded: a leading 1 is zero frames.
            return bool(messages[at] & 0x80)
        at += size
    return False


def _sum_of_bytes(messages: bytes, at: int) -> tuple[int, int]:
    total = 0
    while at < len(messages):
        value = messages[at]
        at += 1
        total += value
        if value != 255:
            break
    return total, at
