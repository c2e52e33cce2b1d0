"""A training step on the device ``meta``, which has shapes and no values: what a real one would hold and compute.

Every operation of the forward and the backward pass is seen with its tensors, so that nothing is scaled from a smaller
run, and a network that fits no machine at hand is measured as well.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.fx.experimental import _config as shape_settings
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from interpositive.functional.examples import Example
from interpositive.functional.seeds import generator_from
from interpositive.mini_models.contract import MiniModel
from interpositive.records.device_kind import DeviceKind

Module = TypeVar("Module", bound=nn.Module)
_HALF = (torch.bfloat16, torch.float16)


@dataclass(frozen=True)
class Operation:
    """``flops`` of a matrix product (0 of all else), bytes read and written, and whether it is at 16 bits."""

    flops: int
    num_bytes: int
    at_half: bool


@dataclass(frozen=True)
class ShadowStep:
    """``peak_bytes`` are the most that lives at once beside weights and batch, gradients among it."""

    peak_bytes: int
    batch_bytes: int
    operations: list[Operation] = field(repr=False)

    @property
    def flops(self) -> int:
        """Of all matrix products."""
        return sum(operation.flops for operation in self.operations)

    def seconds(self, kind: DeviceKind) -> float:
        """On one device, an operation after the other: each as long as its arithmetic, its memory or its launch take.

        Roofline model (Williams, Waterman and Patterson, Communications of the ACM, 2009).
        """
        memory = kind.memory_gb_per_second * 1e9 * kind.utilisation
        total = 0.0
        for each in self.operations:
            rate = (kind.bfloat16_tflops if each.at_half else kind.float32_tflops) * 1e12 * kind.utilisation
            total += max(each.flops / rate, each.num_bytes / memory, kind.launch_microseconds * 1e-6)
        return total


def shadow_of(module: Module) -> Module:
    """A twin on ``meta``; the module stays as it is, and nothing of its size is copied."""
    tensors: Iterable[Tensor] = (*module.parameters(), *module.buffers())
    memo: dict[int, Any] = {}
    for value in tensors:
        empty = torch.empty_like(value, device="meta")
        is_parameter = isinstance(value, nn.Parameter)
        memo[id(value)] = nn.Parameter(empty, requires_grad=value.requires_grad) if is_parameter else empty
    return copy.deepcopy(module, memo)


def take_shadow_step(shadow: MiniModel, batch: Example) -> ShadowStep:
    """One forward and one backward pass of a mini-model on ``meta`` over a batch of shapes."""
    given = batch.to("meta")
    own = [*shadow.parameters(), *shadow.buffers(), *_tensors(given)]
    shadow.train().zero_grad(set_to_none=True)
    # What looks at some of a mask's pixels only is taken to look at all: no step takes more.
    every_pixel = shape_settings.patch(meta_nonzero_assume_all_nonzero=True)  # type: ignore[attr-defined]
    with every_pixel, _attention_of_gpus(), _Ledger(own) as ledger:
        losses = shadow.losses(given, generator_from("shadow step"))
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
    shadow.zero_grad(set_to_none=True)
    return ShadowStep(ledger.peak, sum(value.nbytes for value in _tensors(given)), ledger.operations)


def batch_of(example: Example, num: int) -> Example:
    """So many of an example's shapes together."""

    def stacked(value: Tensor) -> Tensor:
        return torch.empty(num, *value.shape, dtype=value.dtype, device="meta")

    target = None if example.target is None else stacked(example.target)
    condition = {name: stacked(value) for name, value in example.condition.items()}
    return Example(stacked(example.input), stacked(example.mask), target, condition)


def _tensors(example: Example) -> list[Tensor]:
    target = [] if example.target is None else [example.target]
    return [example.input, example.mask, *target, *example.condition.values()]


class _Ledger(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes down every operation, and which storages live meanwhile."""

    def __init__(self, own: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: list[Operation] = []
        self.peak = self._living = 0
        # Kept, so that no other storage gets the number of one that is gone.
        self._own = [value.untyped_storage() for value in own]
        self._known: dict[int, Any] = {storage._cdata: None for storage in self._own}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        out = func(*args, **given)
        made = [value for value in tree_leaves(out) if isinstance(value, Tensor)]
        for value in made:
            self._see(value)
        if not func.is_view:
            read = [value for value in tree_leaves((args, given)) if isinstance(value, Tensor)]
            count = flop_registry.get(func._overloadpacket)
            flops = int(count(*args, **given, out_val=out)) if count else 0
            at_half = any(value.dtype in _HALF for value in read)
            self.operations.append(Operation(flops, sum(value.nbytes for value in (*read, *made)), at_half))
        return out

    def _see(self, value: Tensor) -> None:
        storage = value.untyped_storage()
        number, num_bytes = storage._cdata, storage.nbytes()
        if number in self._known:
            return
        self._living += num_bytes
        self.peak = max(self.peak, self._living)

        def gone(_: Any) -> None:
            self._living -= num_bytes
            self._known.pop(number, None)

        self._known[number] = weakref.ref(storage, gone)


@contextmanager
def _attention_of_gpus() -> Iterator[None]:
    """Inside, attention keeps no matrix of all pairs: on ``meta`` torch would choose the arithmetic that does."""

    def attention(
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        del enable_gqa
        if attn_mask is not None:
            attn_mask = attn_mask.to(query.dtype).expand(*query.shape[:3], key.shape[2])
        fused: Callable[..., tuple[Tensor, ...]] = torch.ops.aten._scaled_dot_product_efficient_attention
        return fused(query, key, value, attn_mask, True, dropout_p, is_causal, scale=scale)[0]

    before = nn.functional.scaled_dot_product_attention
    # Looked up where it is called, and again when a block computes its inside anew: a mode would not be there then.
    nn.functional.scaled_dot_product_attention = attention
    try:
        yield
    finally:
        nn.functional.scaled_dot_product_attention = before
