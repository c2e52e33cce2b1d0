"""The reference reader: any movie FFmpeg decodes, every frame exact, at its own bit depth."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from interpositive.errors import MediaError
from interpositive.media.containers import media_errors, open_movie, picture_tracks, video_stream
from interpositive.media.contract import Frames, MediaInfo, check_window
from interpositive.media.frame_index import FrameIndex, RecentIndexes, index_frames
from interpositive.media.media_file import MediaFile
from interpositive.media.movie_info import describe_movie
from interpositive.media.rgb_codes import RgbConverter
from interpositive.records.take_digests import FileDigests

# A forked worker shares its parent's file position and has none of its decoder threads, so it opens its own
# handle; the parent's is kept here unused, since closing it would wait for threads that are not there.
INHERITED: list[object] = []
# At most some 40 MB in each process.
RECENT = RecentIndexes(250_000)


class PyAVReader:
    """Frame-exact access to a movie: ``uint8`` codes up to 8 bits, full-scale ``uint16`` above.

    Opens at the first use, anew in each process that uses it, and can be pickled
    at any time: what is open stays behind. A window that begins where the last
    one ended goes on decoding instead of seeking. Alpha is left out and a
    display rotation by quarter turns is applied. With ``digests`` every byte is
    checked before it is decoded, and a wrong one raises ``IntegrityError``.
    """

    _opened: _OpenMovie | None = None

    def __init__(
        self, path: Path, matrix: str | None = None, num_threads: int = 1, digests: FileDigests | None = None
    ) -> None:
        self.path = Path(path)
        self.matrix = matrix
        self.num_threads = num_threads
        self.digests = digests
        self._process_id = 0

    @property
    def info(self) -> MediaInfo:
        """What the movie is; the first call reads through its packets."""
        return self._movie().info

    def __len__(self) -> int:
        return self.info.num_frames

    @property
    def index(self) -> FrameIndex:
        """Where every frame is."""
        return self._movie().index

    @property
    def header_seconds(self) -> float | None:
        """How long the container's header says the longest track is, if it says so."""
        duration = self._movie().container.duration
        return None if duration is None else duration / av.time_base

    @property
    def num_picture_tracks(self) -> int:
        """Of these the first is read."""
        return len(picture_tracks(self._movie().container))

    @property
    def container_format(self) -> str:
        """FFmpeg's name of the container family."""
        return str(self._movie().container.format.name)

    def window(self, start: int, stop: int) -> Frames:
        """Decode frames ``start <= n < stop`` as ``t h w 3``."""
        movie = self._movie()
        check_window(self.path, start, stop, len(movie.index))
        with movie.file.vouched_for():
            return movie.window(start, stop)

    def close(self) -> None:
        """Let go of the file; a later read opens it again."""
        self._let_go()

    def __del__(self) -> None:
        # What FFmpeg's objects hold in a ring is never collected: frames and decoder would stay for good.
        self._let_go()

    def _let_go(self) -> None:
        if self._opened is not None and self._process_id == os.getpid():
            self._opened.close()
        elif self._opened is not None:
            INHERITED.append(self._opened)
        self._opened = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}

    def _movie(self) -> _OpenMovie:
        if self._process_id != os.getpid():
            self._let_go()
        if self._opened is None:
            self._opened = _OpenMovie(MediaFile(self.path, self.digests), self.matrix, self.num_threads)
            self._process_id = os.getpid()
        return self._opened


class _OpenMovie:
    """An open container, its index, and a decoder that knows which frame comes next."""

    def __init__(self, file: MediaFile, matrix: str | None, num_threads: int) -> None:
        self.path = file.path
        self.file = file
        self._decoded: Generator[av.VideoFrame] | None = None
        self._packets: Generator[Packet[VideoStream]] | None = None
        try:
            with file.vouched_for():
                self.container: InputContainer = open_movie(file)
                self._begin(matrix, num_threads)
        except BaseException:
            self.close()
            raise
        self._converter = RgbConverter(self.info.colour, self.info.pixel_format)
        # The first frame is spent, so the next window has to seek.
        self._next = len(self.index)

    def _begin(self, matrix: str | None, num_threads: int) -> None:
        self.stream: VideoStream = video_stream(self.container, self.path)
        context = self.stream.codec_context
        # FFV1 carries checksums, but FFmpeg only logs that they do not match, and the log is
        # listened to by thread.
        self._has_checksums = context.codec.canonical_name == "ffv1"
        alone = num_threads == 1 or self._has_checksums
        context.thread_count = 1 if alone else num_threads
        context.thread_type = "NONE" if alone else "AUTO"
        self.index = self._find_index()
        self._number_of = {pts: n for n, pts in enumerate(self.index.pts)}
        # The first frame describes the movie, and its packet may tell the decoder which encoder's
        # faults to allow for (x264 names itself there alone): a decoder that never saw it decodes
        # some movies wrongly.
        self._seek(0)
        with media_errors(self.path, "its first frame cannot be decoded"):
            first = self._decode(0)
        self.info = describe_movie(self.path, self.container, self.stream, self.index, first, matrix)
        self._raster = (first.width, first.height)
        self._end_decoding()
        # A frame that was asked for its side data refers to itself; it is young, so this is quick,
        # and a whole picture does not wait for the next full collection.
        del first
        gc.collect(1)

    def _find_index(self) -> FrameIndex:
        # Only these have an index of their own to seek by; the others learn where things are as they are read.
        if self.container.format.name.split(",")[0] not in ("mov", "mxf"):
            return index_frames(self.container, self.stream, self.path)
        index = RECENT.find(self.file.identity)
        if index is None:
            index = index_frames(self.container, self.stream, self.path)
            RECENT.keep(self.file.identity, index)
        return index

    def close(self) -> None:
        # The suspended decoder holds this object, which holds it: without an end to it both would wait
        # for the garbage collector, with their frames.
        self._end_decoding()
        if hasattr(self, "container"):
            self.container.close()
        self.file.close()

    def window(self, start: int, stop: int) -> Frames:
        entry = self.index.entry_before(start)
        if not self.index.entries[entry].frame <= self._next <= start:
            self._seek(entry)
        info = self.info
        frames = np.empty((stop - start, info.height, info.width, 3), self._converter.dtype)
        try:
            with media_errors(self.path, f"frames {start} to {stop} cannot be decoded"):
                for n in range(self._next, stop):
                    decoded = self._decode(n)
                    if n < start:
                        continue
                    if (decoded.width, decoded.height) != self._raster:
                        raise self._lost(n, f"a raster of {decoded.width}x{decoded.height} in mid-movie")
                    self._converter.write_rgb(decoded, frames[n - start])
        except BaseException:
            self._next = len(self.index)
            raise
        return frames

    def _decode(self, n: int) -> av.VideoFrame:
        assert self._decoded is not None
        for frame in self._decoded:
            number = self._number_of.get(cast(int, frame.pts))
            if number is None or number < self._next:
                # Hidden by an edit list, or shown before the entry point.
                continue
            if number > self._next:
                raise self._lost(
                    self._next, f"the decoder skipped to frame {number}: a lost frame, or no showing order in the file"
                )
            if frame.is_corrupt:
                raise self._lost(number, "the decoder marks it as damaged")
            self._next += 1
            if number == n:
                return frame
        raise self._lost(self._next, "the decoder ended before it")

    def _lost(self, n: int, found: str) -> MediaError:
        return MediaError(
            f"frame {n} of {self.path.name} cannot be decoded",
            found=found,
            expected=f"{len(self.index)} whole frames",
            remedy="copy the file again from the source and compare digests",
        )

    def _seek(self, entry: int) -> None:
        """Set the decoder on an entry point; its first frame of interest is that entry's picture."""
        self._end_decoding()
        with media_errors(self.path, "it cannot be searched"):
            self._decoded = self._frames_from(entry)
        self._next = self.index.entries[entry].frame

    def _end_decoding(self) -> None:
        if self._decoded is not None:
            self._decoded.close()
            self._decoded = None
        self._end_demuxing()

    def _end_demuxing(self) -> None:
        # A generator of PyAV's that is dropped before its end, and not closed, leaks its packet.
        if self._packets is not None:
            self._packets.close()
            self._packets = None

    def _frames_from(self, entry: int) -> Generator[av.VideoFrame]:
        # Containers differ in whether they seek by showing or storing time, so what was found is looked at:
        # if it lies after the wanted entry, an earlier one is tried, and at last the very beginning.
        wanted = self.index.entries[entry]
        for step in (0, 1, 2, 8, entry):
            target = self.index.entries[max(0, entry - step)].seek_to
            self.container.seek(target, stream=self.stream, backward=True, any_frame=False)
            self._end_demuxing()
            packets = cast("Generator[Packet[VideoStream]]", self.container.demux(self.stream))
            self._packets = packets
            for packet in packets:
                if packet.pts == wanted.pts or (packet.pts is None and packet.dts == wanted.pts):
                    return self._decode_packets(packet, packets)
                if packet.dts is not None and packet.dts > wanted.seek_to:
                    break
        raise MediaError(
            f"{self.path.name} cannot be searched",
            found=f"no way to the entry point at frame {wanted.frame}",
            expected="a container whose index leads to its frames",
            remedy="rewrap it (MOV, MP4, MKV or MXF)",
        )

    def _decode_packets(
        self, first: Packet[VideoStream], others: Iterator[Packet[VideoStream]]
    ) -> Generator[av.VideoFrame]:
        # The last packet demux gives is empty and flushes the decoder.
        for packet in chain([first], others):
            yield from self._decode_checked(packet) if self._has_checksums else packet.decode()

    def _decode_checked(self, packet: Packet[VideoStream]) -> list[av.VideoFrame]:
        level = av.logging.get_level()
        av.logging.set_level(av.logging.ERROR)
        try:
            with av.logging.Capture() as messages:
                frames = packet.decode()
        finally:
            av.logging.set_level(level)
        if any("CRC mismatch" in text for _, _, text in messages):
            raise MediaError(
                f"{self.path.name} is damaged",
                found=f"a wrong checksum at {float((packet.pts or 0) * self.index.time_base):.2f} s",
                expected="frames that match the checksums written with them",
                remedy="copy the file again from the source and compare digests",
            )
        return frames
