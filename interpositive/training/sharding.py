"""A large network held in parts: each process keeps a share of every block's weights, gradients and optimiser state.

PyTorch's ``fully_shard`` (FSDP2; Zhao et al., PyTorch FSDP, VLDB 2023) brings a block together while it computes.
Checkpoints hold whole tensors, as those of other runs do, so that a run goes on from them on any number of processes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import interpositive.training  # noqa: F401  isort: skip
import torch
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from interpositive.mini_models.contract import MiniModel
from interpositive.training.ranks import is_first, mean_over_ranks, num_ranks


class ShardedStrategy(DDPStrategy):
    """Lightning's strategy for several processes, with the blocks of the mini-model sharded instead of copied.

    What belongs to no block stays whole on every process, and its gradients are averaged here.
    """

    def configure_ddp(self) -> None:
        """Shard the weights, which are whole by now, resumed ones included."""
        assert self.lightning_module is not None
        mini_model = self.lightning_module.mini_model
        assert isinstance(mini_model, MiniModel)
        self.shard(mini_model)

    def shard(self, mini_model: MiniModel) -> None:
        """Turn the blocks' parameters into this process's share of them, in place."""
        mesh = init_device_mesh(self.root_device.type, (num_ranks(),))
        for block in mini_model.blocks():
            fully_shard(block, mesh=mesh, reshard_after_forward=True)

    def post_backward(self, closure_loss: Tensor) -> None:
        """Average the gradients of what is not sharded; those of the blocks are averaged by now."""
        del closure_loss
        assert self.model is not None
        for parameter in self.model.parameters():
            if parameter.grad is not None and not isinstance(parameter, DTensor):
                parameter.grad.copy_(mean_over_ranks(parameter.grad))

    def save_checkpoint(self, checkpoint: dict[str, Any], filepath: Any, storage_options: Any = None) -> None:
        """Bring all shares together in the first process, which saves."""
        super().save_checkpoint(whole(checkpoint), filepath, storage_options)

    def load_optimizer_state_dict(self, checkpoint: Any) -> None:
        """Take this process's share of every moment."""
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            shares = {
                number: {name: _share_like(parameters[number], value) for name, value in moments.items()}
                for number, moments in state["state"].items()
            }
            optimizer.load_state_dict({**state, "state": shares})


def whole(value: Any) -> Any:
    """A state with its sharded tensors whole, in the first process; None in their place elsewhere.

    Every process must call it, with a state of the same tensors.
    """
    if isinstance(value, DTensor):
        gathered = value.full_tensor()
        return gathered.cpu() if is_first() else None
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(whole(item) for item in value)
    return value


def clip_sharded_gradients(parameters: Iterable[nn.Parameter], max_norm: float) -> None:
    """Scale all gradients so that their common norm is ``max_norm`` at most, whether they are sharded or whole.

    It is ``torch.nn.utils.clip_grad_norm_``, which refuses a mixture of both.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    shares = [gradient.to_local() for gradient in gradients if isinstance(gradient, DTensor)]
    wholes = [gradient for gradient in gradients if not isinstance(gradient, DTensor)]
    norm = (mean_over_ranks(_sum_of_squares(shares)) * num_ranks() + _sum_of_squares(wholes)).sqrt()
    factor = (max_norm / (norm + 1e-6)).clamp(max=1.0)
    for gradient in (*shares, *wholes):
        gradient.mul_(factor)


def is_sharded(module: nn.Module) -> bool:
    """Whether a module's parameters are held in parts."""
    return any(isinstance(parameter, DTensor) for parameter in module.parameters())


def _sum_of_squares(tensors: Sequence[Tensor]) -> Tensor:
    return sum((tensor.square().sum() for tensor in tensors), torch.zeros(()))


def _share_like(parameter: Tensor, value: Any) -> Any:
    # The count of steps is a scalar beside its sharded parameter.
    if not isinstance(parameter, DTensor) or not isinstance(value, Tensor) or value.shape != parameter.shape:
        return value
    local = value.to(parameter.device)
    return distribute_tensor(local, parameter.device_mesh, parameter.placements, src_data_rank=None)
