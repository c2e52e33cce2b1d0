"""Where every frame of a movie is: an index made from the packets themselves, not from headers."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from av.container import InputContainer
from av.video.stream import VideoStream

from interpositive.errors import MediaError
from interpositive.media.containers import media_errors
from interpositive.media.entry_points import is_safe_entry

STANDARD_RATES = (
    Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30),
    Fraction(48000, 1001),
    Fraction(48), Fraction(50), Fraction(60000, 1001), Fraction(60), Fraction(100), Fraction(120000, 1001),
    Fraction(120),
)  # fmt: skip
# A rate is constant when no timestamp is further than this from its place on the grid.
# One tick is rounding; cheap muxers round twice.
_RATE_TOLERANCE_TICKS = 1.5


@dataclass(frozen=True)
class EntryPoint:
    """A packet where decoding can begin: its time, where to seek for it, the first frame it shows."""

    pts: int
    seek_to: int
    frame: int


@dataclass(frozen=True)
class FrameIndex:
    """Timestamps of all frames in showing order, and where decoding can begin.

    ``pts`` are in units of ``time_base`` seconds; ``entries`` are in showing
    order. ``reach_seconds`` is when the last packet of any track ends,
    ``last_byte`` how far into the file the container says its packets lie. ``num_doubtful_entries`` were
    called entry points by the container but are none, and are not in ``entries``.
    ``num_leading_frames`` are stored after an entry point but shown before it (open groups).
    """

    pts: tuple[int, ...]
    time_base: Fraction
    entries: tuple[EntryPoint, ...]
    reach_seconds: float
    last_byte: int
    num_corrupt_packets: int
    num_doubtful_entries: int
    num_leading_frames: int

    def __len__(self) -> int:
        return len(self.pts)

    @property
    def intra_only(self) -> bool:
        """Whether every frame can be decoded alone."""
        return len(self.entries) == len(self.pts)

    def entry_before(self, frame: int) -> int:
        """Number of the last entry point whose own picture is shown at or before ``frame``."""
        return max(0, bisect_right(self.entries, frame, key=lambda entry: entry.frame) - 1)


class RecentIndexes:
    """The indexes of the files that were opened last, so that a loader with many takes reads each through once.

    Held by what a file keeps as long as nobody writes to it; ``most_frames`` of all indexes together.
    """

    def __init__(self, most_frames: int) -> None:
        self._most_frames = most_frames
        self._num_frames = 0
        self._indexes: OrderedDict[tuple[int, ...], FrameIndex] = OrderedDict()

    def find(self, identity: tuple[int, ...]) -> FrameIndex | None:
        """The index of a file, if it is still here."""
        if identity in self._indexes:
            self._indexes.move_to_end(identity)
        return self._indexes.get(identity)

    def keep(self, identity: tuple[int, ...], index: FrameIndex) -> None:
        """Keep an index, and let go of those that were not asked for longest."""
        self._num_frames += len(index)
        self._indexes[identity] = index
        while self._num_frames > self._most_frames:
            self._num_frames -= len(self._indexes.popitem(last=False)[1])


def index_frames(container: InputContainer, stream: VideoStream, path: Path) -> FrameIndex:
    """Read through all packets of the picture track once and note where each frame is.

    Packets that an edit list hides are left out, and so are frames shown
    before the first entry point, since nothing can decode them. Raises
    ``MediaError`` for a track with no frames, no timestamps or repeated ones.
    """
    packets: list[tuple[int | None, int | None, bool, bool]] = []
    is_h264 = stream.codec_context.codec.canonical_name == "h264"
    extradata = stream.codec_context.extradata
    num_corrupt = num_doubtful = 0
    last_byte = 0
    reach_seconds = 0.0
    with media_errors(path, "its packets cannot be read to the end"):
        # All tracks are read: only together do they reach as far as the header's duration says.
        for packet in container.demux():
            if packet.size == 0:
                continue
            num_corrupt += packet.is_corrupt
            last_byte = max(last_byte, (packet.pos or 0) + packet.size)
            if packet.time_base is not None and packet.dts is not None:
                end = max(packet.dts, packet.dts if packet.pts is None else packet.pts) + (packet.duration or 0)
                reach_seconds = max(reach_seconds, float(end * packet.time_base))
            if packet.stream_index == stream.index:
                if packet.has_sidedata("encryption_info"):
                    raise MediaError(
                        f"{path.name} is encrypted",
                        found="frames under a key (Common Encryption)",
                        expected="frames that can be decoded as they are",
                        remedy="ask the lab for the camera original or an unencrypted transcode",
                    )
                is_key = packet.is_keyframe
                if is_key and is_h264 and not is_safe_entry(bytes(packet), extradata):
                    # The very first has nothing before it to reach for.
                    num_doubtful += 1
                    is_key = not packets
                packets.append((packet.pts, packet.dts, is_key, packet.is_discard))
        if container.format.name.startswith("mov"):
            # QuickTime lists every packet beforehand, so a file that was cut shows here.
            extents = (entry.pos + entry.size for track in container.streams for entry in track.index_entries)
            last_byte = max(last_byte, max(extents, default=0))
    if any(pts is None for pts, *_ in packets):
        packets = _shown_as_stored(packets, stream, path)
    keys = [(pts, dts) for pts, dts, is_key, _ in packets if is_key and pts is not None]
    if not keys:
        raise MediaError(
            f"{path.name} has no frame that can be decoded",
            found=f"{len(packets)} packets, none of them an entry point",
            expected="at least one intra frame",
            remedy="copy it again from the source, or remove it from the folder",
        )
    shown = sorted(pts for pts, _, _, hidden in packets if pts is not None and not hidden and pts >= keys[0][0])
    if not shown:
        # An edit list may begin after the first entry point's own picture, never after everything.
        raise MediaError(f"{path.name} shows no frame", found="an edit list that hides all", expected="a movie")
    if len(set(shown)) != len(shown):
        raise MediaError(
            f"{path.name} gives two frames the same time",
            found=f"{len(shown) - len(set(shown))} repeated timestamps",
            expected="one time for every frame",
            remedy="transcode it with a constant frame rate",
        )
    num_leading = 0
    latest_key = keys[0][0]
    for pts, _, is_key, _ in packets:
        latest_key = pts if is_key and pts is not None else latest_key
        num_leading += pts is not None and pts < latest_key
    entries = tuple(
        EntryPoint(pts, pts if dts is None else dts, bisect_right(shown, pts - 1)) for pts, dts in sorted(keys)
    )
    time_base = stream.time_base
    if time_base is None:
        raise MediaError(f"{path.name} has no time base", found="timestamps without a unit", expected="a movie")
    return FrameIndex(
        tuple(shown), time_base, entries, reach_seconds, last_byte, num_corrupt, num_doubtful, num_leading
    )


def _shown_as_stored(
    packets: list[tuple[int | None, int | None, bool, bool]], stream: VideoStream, path: Path
) -> list[tuple[int | None, int | None, bool, bool]]:
    """Let storing order be showing order, which it is in AVI unless frames are reordered."""
    if stream.codec_context.has_b_frames or any(dts is None for _, dts, _, _ in packets):
        raise MediaError(
            f"{path.name} does not say when its frames are shown",
            found="packets without timestamps, in a codec that reorders frames",
            expected="a timestamp for every frame",
            remedy="rewrap it as MOV, MP4, MKV or MXF",
        )
    return [(dts, dts, is_key, hidden) for _, dts, is_key, hidden in packets]


def measure_rate(index: FrameIndex, stream: VideoStream) -> tuple[Fraction, bool]:
    """Give the exact frame rate and whether it varies, judged by all timestamps.

    Of the rates that fit every timestamp to the tick a standard one that the
    header states is preferred, then any standard one, since many headers round;
    when none fits, the mean is returned and the rate varies.
    """
    headers = [rate for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate) if rate]
    if len(index) == 1:
        return (headers or [Fraction(24)])[0], False
    span = (index.pts[-1] - index.pts[0]) * index.time_base
    mean = (len(index) - 1) / span
    near = [rate for rate in STANDARD_RATES if abs(rate / mean - 1) < Fraction(1, 100)]
    stated = [rate for rate in headers if rate in STANDARD_RATES]
    for rate in (*stated, *near, *headers, mean.limit_denominator(1001), mean):
        if _fits(index, rate):
            return rate, False
    return mean.limit_denominator(1001), True


def _fits(index: FrameIndex, rate: Fraction) -> bool:
    ticks = float(1 / (rate * index.time_base))
    first = index.pts[0]
    # The first timestamp was rounded like all others, so the grid may sit anywhere that serves all.
    errors = [pts - first - n * ticks for n, pts in enumerate(index.pts)]
    return max(errors) - min(errors) <= _RATE_TOLERANCE_TICKS
