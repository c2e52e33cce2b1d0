"""What can go wrong for a user, one class for each kind of mistake.

Every message says what is wrong, then what was found, what was expected, and
how to mend it. The command line prints the message alone and exits with the
class's ``exit_code``; a traceback means a defect of ours.
"""

from __future__ import annotations


class InterpositiveError(ValueError):
    """A mistake that the user can mend; the base of all errors raised on purpose."""

    exit_code = 2

    def __init__(self, what: str, *, found: object = None, expected: object = None, remedy: str = "") -> None:
        self.what = what
        self.found = found
        self.expected = expected
        self.remedy = remedy
        lines = [what]
        if found is not None:
            lines.append(f"  found:    {found}")
        if expected is not None:
            lines.append(f"  expected: {expected}")
        if remedy:
            lines.append(f"  to mend:  {remedy}")
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the journey out of a worker process."""
        return (_rebuild, (type(self), self.what, self.found, self.expected, self.remedy))


def _rebuild(
    kind: type[InterpositiveError], what: str, found: object, expected: object, remedy: str
) -> InterpositiveError:
    return kind(what, found=found, expected=expected, remedy=remedy)


class ConfigError(InterpositiveError):
    """A key, value or target in the configuration that cannot be honoured."""


class MediaError(InterpositiveError):
    """A media file that is missing, damaged, or not what it says it is."""

    exit_code = 3


class MaskError(InterpositiveError):
    """A mask that does not fit its shot: size, length, values or format."""

    exit_code = 3


class PaperworkError(InterpositiveError):
    """A report, list or sheet beside the footage that is damaged, or not what it says it is."""

    exit_code = 3


class TimecodeError(InterpositiveError):
    """A timecode or frame rate that the standard does not allow."""

    exit_code = 3


class CutListError(InterpositiveError):
    """A cut list or log that cannot be read, or from which frames, reels or events would be lost."""

    exit_code = 3


class ColourError(InterpositiveError):
    """A colour encoding or grade that is unknown, unsaid, or cannot be used as asked."""

    exit_code = 3


class CatalogueError(InterpositiveError):
    """A catalogue that is missing, of another version, or lacks what was asked of it."""

    exit_code = 3


class RunFolderError(InterpositiveError):
    """A run folder that is missing or incomplete."""

    exit_code = 3


class IntegrityError(InterpositiveError):
    """A file whose digest is not the recorded one, or a delivery that changed pixels it must not."""

    exit_code = 4


class TrainingError(InterpositiveError):
    """Training that cannot go on, such as a loss that is no longer a number."""

    exit_code = 7


class RankLostError(InterpositiveError):
    """A process of a distributed run that died or stopped answering; the others ended, and the run can be resumed."""

    exit_code = 8


class NotReproducedError(InterpositiveError):
    """A run that was trained anew and ended as another one, or would be trained under what gives another one."""

    exit_code = 9


class CannotReproduceError(InterpositiveError):
    """A run that cannot be trained anew here: footage, masks, a device or its configuration are not to be had."""

    exit_code = 10


class RightsError(InterpositiveError):
    """Something learned that may not be used here, for want of a grant."""

    exit_code = 11


class TrainingStopped(InterpositiveError):
    """Training that was asked to stop and left a checkpoint; the same command goes on from it.

    The code is that of a temporary failure (``EX_TEMPFAIL`` of ``sysexits.h``): a queue may start it again.
    """

    exit_code = 75


class StorageError(InterpositiveError):
    """A disk that is full, read-only, or already holds what would be overwritten."""

    exit_code = 5


class MissingWeightsError(InterpositiveError):
    """Pretrained weights that are not on this machine, or whose digest is not the known one."""

    exit_code = 6
