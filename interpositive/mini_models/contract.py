"""What every mini-model promises, whatever network it is made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import torch
from torch import Tensor, nn

from interpositive.errors import ConfigError
from interpositive.functional.examples import Example
from interpositive.mini_models.exportable import Exportable
from interpositive.tasks.contract import Lack


@dataclass(frozen=True)
class Restored:
    """Restored frames ``t 3 h w`` and how sure the model is, ``t 1 h w`` in [0, 1].

    Frames go no further beyond [0, 1] than the input does. Outside the mask the frames equal the input exactly.
    ``made_up`` (``t 1 h w``, bool) is where a method that makes up what no frame shows did so; None for the others.
    ``lent`` (``t m``) is how many pixels each frame of other takes gave, as the condition's ``lent_places`` count
    them; None where none was asked. ``seen`` (``t``) is how many pixels of each hole any real view shows, or are kept
    of the plate; None for methods that do not look.
    """

    frames: Tensor
    confidence: Tensor
    made_up: Tensor | None = None
    lent: Tensor | None = None
    seen: Tensor | None = None


class MadeWhenAsked(Mapping[str, Restored]):
    """Results by method, each made anew whenever it is asked for, so that only one needs to be whole at a time."""

    def __init__(self, makers: Mapping[str, Callable[[], Restored]]) -> None:
        self._makers = dict(makers)

    def __getitem__(self, method: str) -> Restored:
        return self._makers[method]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


class MiniModel(nn.Module, ABC):
    """A backbone, how it learns and how it restores.

    ``reach_frames`` is how many frames on either side of a frame can help it.
    ``methods`` names the ways it can restore, itself included: what it would do
    untrained, and the fills that learn nothing; a held-out choice picks among them.
    ``supplies`` is what it can give a shot that lacks it (:class:`interpositive.tasks.contract.Task`).
    """

    supplies: ClassVar[frozenset[Lack]] = frozenset({"pixels"})

    reach_frames: int
    methods: tuple[str, ...]
    trained_method: str
    hides_masked = True
    """What is masked is damage that must not be seen. A correction of what is there, such as of its light, sees it."""
    reads_codes: ClassVar[bool] = False
    """Whether a window to restore may hold integer codes at full scale, and masks that are true or false: large frames
    are then values only as far as they are looked at."""
    makes_up: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Methods that make up what no frame shows, and for each the one that it equals wherever one does."""
    only_compared: ClassVar[frozenset[str]] = frozenset()
    """Methods that are measured beside the others, and never chosen: what PSNR rewards in them is a fault to a viewer,
    such as two pictures at once. They can be delivered by name."""
    learns_at_half_size: ClassVar[bool] = False
    """Whether prepared examples may be halved for the first steps (``trainer.half_size_share``)."""
    anew_argument: ClassVar[str | None] = None
    """The argument that lets blocks compute their inside anew in the backward pass; None if they always keep it."""

    @property
    def preparation(self) -> object:
        """What prepared examples depend on, as plain values; None if that is every argument."""
        return None

    @abstractmethod
    def prepare(self, example: Example, generator: torch.Generator) -> Sequence[Example]:
        """Turn one window ``t c h w`` with a target into the small examples that training draws from.

        Runs in data workers; everything random comes from the generator.
        """

    @abstractmethod
    def losses(self, example: Example, generator: torch.Generator) -> dict[str, Tensor]:
        """Named terms to be minimised, for a batch of prepared examples; their sum is the loss.

        Each is a mean over the examples, so that processes with parts of a batch average to the loss of the whole.
        ``generator`` is the same for all parts: draw from it what all examples share, whatever their number, and
        from :func:`~interpositive.functional.seeds.generators_of` what is each example's own. torch's global
        generator (dropout, ``torch.randn``) is seeded anew for each step and part: a run that is taken up again
        draws from it as it would have, one cut into other parts does not.
        """

    def half_size(self, example: Example) -> Example:
        """A batch of prepared examples at half their height and width; ``ConfigError`` where that means nothing."""
        del example
        raise ConfigError(
            f"{type(self).__name__} does not learn at half size", remedy="leave trainer.half_size_share at 0"
        )

    @abstractmethod
    def restore(self, example: Example, keep: range, methods: Sequence[str] | None = None) -> Mapping[str, Restored]:
        """Restore the frames ``keep`` of a window ``t c h w``, by each of the methods (all, if not named).

        The window may lie on any device, and what comes back on either: networks are asked on :attr:`device`.
        What is given may be :class:`MadeWhenAsked`: ask once for each method, and for the next when done with it.
        """

    def papers(self, condition: Mapping[str, Tensor], method: str, name: str) -> Mapping[str, str]:
        """What is delivered beside a shot's frames, texts by file name: what other programs need to do the same."""
        del condition, method, name
        return {}

    @property
    def origins(self) -> Sequence[str]:
        """What it begins with that this production did not make, a sentence each, for the record."""
        return ()

    def settle_in(self, folder: Path) -> None:
        """Before training: what is made once for a production is taken from its ``folder``, or made and kept there."""
        del folder

    def outline(self, num_frames: int, height: int, width: int) -> Example | None:
        """A prepared example of such a window as shapes on the device ``meta``; None if only preparing one tells."""
        del num_frames, height, width
        return None

    def compute_anew(self, anew: bool) -> None:
        """Keep the inside of blocks for the backward pass, or compute it anew there; see ``anew_argument``."""
        del anew

    def exportable(self, plate_height: int) -> Sequence[Exportable]:
        """What of it other programs can run, for plates that are about ``plate_height`` rows high.

        ``ConfigError`` if nothing can.
        """
        del plate_height
        raise ConfigError(f"{type(self).__name__} has no part that other programs can run")

    def save_adapter(self, folder: Path) -> Path:
        """Write what it learned beside somebody else's weights, as programs that have these take it.

        ``ConfigError`` if it is no adapter.
        """
        del folder
        raise ConfigError(
            f"{type(self).__name__} is a network of its own, and no adapter", remedy="form=torchscript or form=onnx"
        )

    def wanted(self, methods: Sequence[str] | None) -> tuple[str, ...]:
        """The methods that were named, all if none were; ``ConfigError`` for one that there is not."""
        wanted = tuple(methods) if methods is not None else self.methods
        unknown = set(wanted) - set(self.methods)
        if unknown:
            raise ConfigError("unknown methods", found=sorted(unknown), expected=list(self.methods))
        return wanted

    def blocks(self) -> Iterable[nn.Module]:
        """The parts that a large network is sharded by, each run as a whole through its ``forward``; its children.

        A part is whole on a device only while it runs: a deep network names its layers.
        """
        return self.children()

    @property
    def device(self) -> torch.device:
        """Where its networks are."""
        return next((parameter.device for parameter in self.parameters()), torch.device("cpu"))

    @property
    def num_parameters(self) -> int:
        """Trainable parameters."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)
