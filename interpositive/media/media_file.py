"""One media file, opened once, every byte of it checked before a decoder sees it."""

from __future__ import annotations

import os
import stat
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from interpositive.errors import IntegrityError, InterpositiveError, MediaError
from interpositive.records.digests import CHUNK_BYTES
from interpositive.records.take_digests import FileDigests, chunk_digest

_NUM_CHUNKS_KEPT = 4
_NUM_CHECKED_KEPT = 65536
_IDENTITY = ("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")
# What check_file_once found good in this process, by path and BLAKE3.
_CHECKED: dict[tuple[Path, str], os.stat_result] = {}


class MediaFile:
    """A file as FFmpeg reads it (``read``, ``seek``, ``tell``): no path, so nothing else can be reached from it.

    With ``digests`` only whole, checked chunks are handed on; a wrong one
    raises ``IntegrityError`` naming file and byte range, and so does every
    read after it. Raises ``MediaError`` for what is no regular file, is empty
    or cannot be read. The handle closes with the object.
    """

    def __init__(self, path: Path, digests: FileDigests | None = None) -> None:
        self.path = Path(path)
        # FFmpeg guesses at names; it gets none that means anything.
        self.name = "media"
        self.failure: InterpositiveError | None = None
        self._digests = digests
        self._position = 0
        self._chunks: OrderedDict[int, memoryview] = OrderedDict()
        self._handle = -1
        try:
            # Not to wait for a pipe's other end, nor to be taken over by a terminal.
            self._handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
            status = os.fstat(self._handle)
        except (OSError, ValueError) as error:
            self.close()
            raise _unreadable(self.path, getattr(error, "strerror", None) or str(error)) from error
        self.num_bytes = status.st_size
        # What a file keeps as long as nobody writes to it.
        self.identity = _identity(status)
        try:
            self._refuse_unfit(status)
        except BaseException:
            self.close()
            raise

    def _refuse_unfit(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise MediaError(
                f"{self.path} is not a regular file", found=stat.filemode(status.st_mode), expected="a media file"
            )
        if self._digests is not None and self.num_bytes != self._digests.num_bytes:
            raise IntegrityError(
                f"{self.path} is not the file that was ingested",
                found=f"{self.num_bytes} bytes",
                expected=f"{self._digests.num_bytes} bytes",
                remedy="restore the file from its source, or ingest it anew",
            )
        if self.num_bytes == 0:
            raise MediaError(
                f"{self.path.name} is empty",
                found="0 bytes",
                expected="a movie or a picture",
                remedy="copy it again from the source",
            )

    def read(self, size: int = -1) -> bytes:
        """Some bytes from here on, at most ``size``; none at the end."""
        if self.failure is not None:
            raise self.failure
        try:
            content = self._read(self.num_bytes if size < 0 else size)
        except InterpositiveError as failure:
            # Decoders turn a failed read into an end of file or an error of their own.
            self.failure = failure
            raise
        self._position += len(content)
        return content

    def _read(self, size: int) -> bytes:
        if self._digests is None:
            return self._pread(size, self._position)
        offset = self._position % CHUNK_BYTES
        return bytes(self._chunk(self._position // CHUNK_BYTES)[offset : offset + size])

    def _pread(self, size: int, position: int) -> bytes:
        try:
            return os.pread(self._handle, size, position)
        except OSError as error:
            raise _unreadable(self.path, error.strerror or str(error)) from error

    def _chunk(self, number: int) -> memoryview:
        if number in self._chunks:
            self._chunks.move_to_end(number)
            return self._chunks[number]
        start = number * CHUNK_BYTES
        wanted = min(CHUNK_BYTES, self.num_bytes - start)
        if wanted <= 0:
            return memoryview(b"")
        content = memoryview(bytearray(wanted))
        self._check(number, content)
        if len(self._chunks) >= _NUM_CHUNKS_KEPT:
            self._chunks.popitem(last=False)
        self._chunks[number] = content
        return self._chunks[number]

    def _check(self, number: int, room: memoryview) -> None:
        """Fill ``room`` with a chunk of the file and refuse it if it is not the one that was ingested."""
        assert self._digests is not None
        start, filled = number * CHUNK_BYTES, 0
        try:
            while filled < len(room) and (more := os.preadv(self._handle, [room[filled:]], start + filled)):
                filled += more
        except OSError as error:
            raise _unreadable(self.path, error.strerror or str(error)) from error
        if chunk_digest(room[:filled]) != self._digests.chunk(number):
            raise IntegrityError(
                f"{self.path} changed since it was ingested: nothing of it is used",
                found=f"bytes {start} to {start + len(room)} that do not match their digest",
                expected="every byte as it was ingested",
                remedy="restore the file from its source, or ingest it anew if the change is wanted",
            )

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a byte, as files do."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.num_bytes}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """Where the next read begins."""
        return self._position

    def seekable(self) -> bool:
        """Always."""
        return True

    def head(self, num_bytes: int) -> bytes:
        """The first bytes, checked like all others."""
        self.seek(0)
        content = self.read(num_bytes)
        self.seek(0)
        return content

    def check_whole(self) -> os.stat_result:
        """Check all bytes, keeping none; gives the file's state as it was before."""
        status = os.fstat(self._handle)
        room = memoryview(bytearray(min(CHUNK_BYTES, self.num_bytes)))
        for number, start in enumerate(range(0, self.num_bytes, CHUNK_BYTES)):
            self._check(number, room[: min(CHUNK_BYTES, self.num_bytes - start)])
        return status

    @contextmanager
    def vouched_for(self) -> Iterator[None]:
        """What is decoded in the body is only worth having if no read failed meanwhile, whatever FFmpeg says."""
        try:
            yield
        except Exception as error:
            if self.failure is not None and error is not self.failure:
                raise self.failure from error
            raise
        if self.failure is not None:
            raise self.failure

    def close(self) -> None:
        """Give the file back."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
        self._chunks.clear()

    def __del__(self) -> None:
        self.close()


def check_file(path: Path, digests: FileDigests) -> os.stat_result:
    """Check a whole file that a library will open by its path; gives what :func:`refuse_touched` compares.

    Raises ``IntegrityError`` naming the first byte range that is wrong.
    """
    file = MediaFile(path, digests)
    try:
        return file.check_whole()
    finally:
        file.close()


def check_file_once(path: Path, digests: FileDigests) -> os.stat_result:
    """Like :func:`check_file`, for files that are opened often: read again only if somebody wrote to it meanwhile."""
    key = (Path(path), digests.blake3)
    if (known := _CHECKED.pop(key, None)) is not None:
        with suppress(IntegrityError):
            refuse_touched(path, known)
            _CHECKED[key] = known
            return known
    if len(_CHECKED) >= _NUM_CHECKED_KEPT:
        del _CHECKED[next(iter(_CHECKED))]
    return _CHECKED.setdefault(key, check_file(path, digests))


def refuse_touched(path: Path, checked: os.stat_result) -> None:
    """Raise ``IntegrityError`` if the file at ``path`` was replaced or written to since it was checked."""
    try:
        now = os.stat(path)
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    if _identity(now) != _identity(checked):
        raise IntegrityError(
            f"{path} changed while it was read: nothing of it is used",
            expected="a file that nobody writes to",
            remedy="wait until the copy is done, or restore the file from its source",
        )


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return tuple(getattr(status, field) for field in _IDENTITY)


def _unreadable(path: Path, found: str) -> MediaError:
    return MediaError(
        f"{path} cannot be read",
        found=found,
        expected="a readable media file",
        remedy="check the path, its permissions and the disk",
    )
