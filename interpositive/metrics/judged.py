"""What metrics look at: the frames of one shot, one after another, with what is known beside each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor

from interpositive.errors import ConfigError, MediaError
from interpositive.metrics.checks import check_frames, check_mask, check_same_size, hole_of
from interpositive.metrics.luma import luma_of
from interpositive.metrics.pair_motion import DIS, FlowEngine, Grey, PairMotion

Found = TypeVar("Found")


@dataclass
class Beside:
    """What is known of one frame, whatever the method: reference and plate (``c h w`` in [0, 1]), mask (``1 h w``).

    Each may be missing. ``last`` is the frame before, None for the first. Motion
    is measured when it is first asked for, once for all methods and metrics.
    """

    reference: Tensor | None = None
    plate: Tensor | None = None
    mask: Tensor | None = None
    last: Beside | None = None
    engine: FlowEngine = DIS
    _found: dict[Callable[[Tensor], Any], Any] = field(default_factory=dict)

    @cached_property
    def hole(self) -> Tensor | None:
        """The hole, ``1 h w`` bool; None without a mask."""
        return None if self.mask is None else hole_of(self.mask)

    @property
    def source(self) -> Tensor | None:
        """The frame that motion is measured on: the reference, else the plate."""
        return self.plate if self.reference is None else self.reference

    @cached_property
    def grey(self) -> Grey:
        """The source's luma in 8-bit codes, ``h w``."""
        if self.source is None:
            raise MediaError("there is nothing to measure motion on", found="a result alone", expected="a plate")
        codes: Grey = (luma_of(self.source) * 255.0).round_().clamp_(0, 255).to(torch.uint8).cpu().numpy()
        return np.ascontiguousarray(codes)

    @cached_property
    def motion(self) -> PairMotion | None:
        """Motion from the frame before to this one; None for the first frame, or with nothing to measure it on."""
        if self.last is None or self.source is None:
            return None
        first, second = self.last, self
        if self.reference is None and first.mask is not None and second.mask is not None:
            motion = PairMotion.behind(first.grey, second.grey, first.mask, second.mask, self.engine)
        else:
            motion = PairMotion.between(first.grey, second.grey, self.engine)
        return motion.to(self.source.device)

    @cached_property
    def counted(self) -> Tensor | None:
        """Visible pixels of the pair that start or end in the hole, ``1 1 h w``; None without motion or mask."""
        if self.motion is None or self.hole is None or self.last is None or self.last.hole is None:
            return None
        return self.motion.counted(self.last.hole, self.hole)

    @cached_property
    def source_gap(self) -> Tensor | None:
        """The source's own squared change along its motion, as :attr:`JudgedFrame.gap`."""
        if self.motion is None or self.source is None or self.last is None or self.last.source is None:
            return None
        return self.motion.gap(self.last.source, self.source)

    def of_source(self, find: Callable[[Tensor], Found]) -> Found:
        """What a metric finds of the source, once for all methods."""
        assert self.source is not None
        if find not in self._found:
            self._found[find] = find(self.source)
        return cast(Found, self._found[find])

    def close(self) -> None:
        """Let go of the frame before and of what the pair was measured by; the next pair needs neither."""
        self.last = None
        for measured in ("motion", "counted", "source_gap"):
            self.__dict__.pop(measured, None)
        self._found.clear()


@dataclass
class JudgedFrame:
    """One frame of one method's result (``c h w`` in [0, 1]) and what lies beside it; ``last`` is the frame before."""

    result: Tensor
    beside: Beside
    last: JudgedFrame | None = None

    @cached_property
    def gap(self) -> Tensor | None:
        """The result's squared change along the motion, ``1 1 h w``; None without motion."""
        if self.last is None or self.beside.motion is None:
            return None
        return self.beside.motion.gap(self.last.result, self.result)


class JudgedShot:
    """The frames of one shot as windows of any length come in, for one or several methods.

    Kept between windows: one frame of each picture. Windows follow each other
    with no gap and no overlap.
    """

    def __init__(self, methods: Sequence[str], engine: FlowEngine = DIS) -> None:
        self.methods = tuple(methods)
        self.engine = engine
        self._beside: Beside | None = None
        self._results: dict[str, JudgedFrame] = {}

    def frames(
        self,
        results: Mapping[str, Tensor],
        *,
        reference: Tensor | None = None,
        plate: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Iterator[dict[str, JudgedFrame]]:
        """Each method's judged frame, frame by frame; the next window's frames follow these.

        ``results`` has ``t c h w`` in [0, 1] for each method; ``reference`` and
        ``plate`` have that shape, ``mask`` is ``t 1 h w``. ``ConfigError`` for
        other methods, ``MediaError`` or ``MaskError`` for frames that do not fit.
        """
        self._check(results, reference, plate, mask)
        num_frames = len(next(iter(results.values())))
        for place in range(num_frames):
            given = [None if stack is None else stack[place] for stack in (reference, plate, mask)]
            # A window's last frame outlives it: a view would hold all of the window, and see it overwritten.
            keep = place == num_frames - 1
            pictures = [None if p is None else (p.clone() if keep else p) for p in given]
            beside = Beside(pictures[0], pictures[1], pictures[2], self._beside, self.engine)
            judged = {}
            for method in self.methods:
                result = results[method][place]
                judged[method] = JudgedFrame(result.clone() if keep else result, beside, self._results.get(method))
            yield judged
            beside.close()
            for frame in judged.values():
                frame.last = None
                frame.__dict__.pop("gap", None)
            self._beside, self._results = beside, judged

    def _check(
        self, results: Mapping[str, Tensor], reference: Tensor | None, plate: Tensor | None, mask: Tensor | None
    ) -> None:
        if set(results) != set(self.methods):
            raise ConfigError("other methods than announced", found=sorted(results), expected=sorted(self.methods))
        stacks = {"reference": reference, "plate": plate, **results}
        given = {name: frames for name, frames in stacks.items() if frames is not None}
        first_name, first = next(iter(given.items()))
        for name, frames in given.items():
            check_frames(frames, name, batched=False)
            check_same_size(frames, first, name, first_name)
        if mask is not None:
            check_mask(mask, first)
        if self._beside is None:
            return
        before = {"reference": self._beside.reference, "plate": self._beside.plate, "mask": self._beside.mask}
        for name, stack in {"reference": reference, "plate": plate, "mask": mask}.items():
            if (stack is None) != (before[name] is None):
                raise MediaError(
                    f"a {name} must be given for every window or for none",
                    found="none" if stack is None else f"a {name}",
                    expected="none" if before[name] is None else f"a {name}",
                )
        last = next(iter(self._results.values())).result
        check_same_size(first[0], last, first_name, "window before it")
