"""Perceptual distance of a result to the clean reference: LPIPS 0.1, Zhang et al., CVPR 2018.

The ``lpips`` package brings its learned heads; the image-classification trunk
must already be on this machine and is checked against its known digest.
Nothing here downloads.
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import lpips
import safetensors
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torchmetrics import Metric

from interpositive.errors import ConfigError, MediaError, MissingWeightsError
from interpositive.metrics.checks import check_pair
from interpositive.records.digests import sha256_of_file

Network = Literal["alex", "vgg", "squeeze"]
MIN_SIDE_PX = 32


@dataclass(frozen=True)
class _Trunk:
    """A torchvision weights file; the eight digits in its name begin its SHA-256."""

    model: str
    file_name: str

    @property
    def sha256_prefix(self) -> str:
        return self.file_name.removesuffix(".pth").rsplit("-", 1)[1]


TRUNKS: dict[str, _Trunk] = {
    "alex": _Trunk("alexnet", "alexnet-owt-7be5be79.pth"),
    "vgg": _Trunk("vgg16", "vgg16-397923af.pth"),
    "squeeze": _Trunk("squeezenet1_1", "squeezenet1_1-b8a52dc0.pth"),
}


class LpipsNet(nn.Module):
    """LPIPS with a given trunk; make one with :func:`load_lpips`."""

    def __init__(self, network: Network, trunk: Mapping[str, Tensor]) -> None:
        """``trunk`` has torchvision's names (``features.<layer>.…``); unused layers are ignored."""
        super().__init__()
        self.network = network
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            # lpips builds its empty trunk through a torchvision argument that is deprecated.
            warnings.filterwarnings("ignore", "The parameter 'pretrained'", UserWarning)
            warnings.filterwarnings("ignore", "Arguments other than a weight enum", UserWarning)
            self.distance_net = lpips.LPIPS(net=network, pnet_rand=True, verbose=False)
        own = self.distance_net.net.state_dict()
        theirs = {name: trunk.get("features." + name.split(".", 1)[1]) for name in own}
        wrong = [name for name in own if (found := theirs[name]) is None or found.shape != own[name].shape]
        if wrong:
            raise MissingWeightsError(
                f"LPIPS not measured: the weights are not those of {TRUNKS[network].model}",
                found=f"{len(wrong)} of {len(own)} tensors missing or misshapen; it has {sorted(trunk)[:4]}",
                expected="features." + wrong[0].split(".", 1)[1] + f" of shape {tuple(own[wrong[0]].shape)}",
            )
        self.distance_net.net.load_state_dict(theirs)
        self.distance_net.requires_grad_(False)
        self.eval()

    @torch.no_grad()
    def distance(self, result: Tensor, reference: Tensor) -> Tensor:
        """Distance of each frame (``n``), 0 if equal; ``n 3 h w`` in [0, 1], sides of 32 px or more."""
        return self._measured(result, reference, spatial=False).flatten()

    @torch.no_grad()
    def distance_map(self, result: Tensor, reference: Tensor) -> Tensor:
        """Where the distance comes from, ``n 1 h w``; interpolated, so its mean is only near the distance."""
        return self._measured(result, reference, spatial=True)

    def _measured(self, result: Tensor, reference: Tensor, *, spatial: bool) -> Tensor:
        check_pair(result, reference)
        shape = tuple(result.shape)
        if len(shape) != 4 or shape[1] != 3 or min(shape[2:]) < MIN_SIDE_PX:
            expected = f"n 3 h w, {MIN_SIDE_PX} px or more each side"
            raise MediaError("LPIPS cannot read these frames", found=shape, expected=expected)
        self.distance_net.spatial = spatial
        measured: Tensor = self.distance_net(result, reference, normalize=True)
        return measured


def trunk_place(network: Network = "alex") -> Path:
    """Where the trunk is looked for when no path is given: torch's hub cache on this machine."""
    return Path(torch.hub.get_dir()) / "checkpoints" / TRUNKS[network].file_name


def load_lpips(
    network: Network = "alex", trunk_path: Path | None = None, *, expected_sha256: str | None = None
) -> LpipsNet:
    """LPIPS with its trunk read from disk (``.pth`` without pickled code, or ``.safetensors``).

    Looks at ``trunk_path``, else in torch's hub cache. The file's SHA-256 must
    begin with ``expected_sha256``, else with the digits in torchvision's file
    name. ``MissingWeightsError`` (the message can be shown as it is) if the
    file is absent, altered, or not this network's.
    """
    if network not in get_args(Network):
        raise ConfigError("no such LPIPS network", found=network, expected=", ".join(get_args(Network)))
    trunk = TRUNKS[network]
    path = trunk_place(network) if trunk_path is None else Path(trunk_path)
    if not path.is_file():
        raise MissingWeightsError(
            f"LPIPS not measured: the weights of {trunk.model} are not on this machine",
            found=f"no file at {path}",
            expected=f"{trunk.file_name} (torchvision, IMAGENET1K_V1)",
            remedy="on a machine with a network: python -c 'import torchvision; "
            f'torchvision.models.{trunk.model}(weights="IMAGENET1K_V1")\'; '
            f"then copy {trunk.file_name} from its torch hub cache to {path}",
        )
    digest = sha256_of_file(path)
    wanted = trunk.sha256_prefix if expected_sha256 is None else expected_sha256.lower()
    if len(wanted) < 8 or not digest.startswith(wanted):
        raise MissingWeightsError(
            f"LPIPS not measured: the digest of {path} is not the known one",
            found=f"SHA-256 {digest}",
            expected=f"SHA-256 that begins with {wanted or '(nothing was given)'}, 8 digits or more",
            remedy=f"fetch {trunk.file_name} again; for a converted file give its digest, expected_sha256",
        )
    return LpipsNet(network, _read_tensors(path))


def _read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors by name from a weights file, no pickled code run."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, safetensors.SafetensorError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise MissingWeightsError(
            f"LPIPS not measured: {path} holds no readable weights",
            found=reason,
            expected="a state dict of tensors",
        ) from error
    if not isinstance(loaded, Mapping):
        raise MissingWeightsError(
            f"LPIPS not measured: {path} holds no state dict",
            found=type(loaded).__name__,
            expected="a state dict",
        )
    return {str(name): value for name, value in loaded.items() if isinstance(value, Tensor)}


def lpips_sums(net: LpipsNet, result: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of the frames' distances, number of frames (float64 scalars); frames ``(b) t 3 h w`` in [0, 1]."""
    check_pair(result, reference)
    size = result.shape[-3:]
    frames, targets = result.reshape(-1, *size), reference.reshape(-1, *size)
    total = torch.zeros((), dtype=torch.float64)
    for place in range(len(frames)):  # one frame at a time: features of a 4K frame fill gigabytes
        chosen = slice(place, place + 1)
        total += net.distance(frames[chosen], targets[chosen]).sum(dtype=torch.float64).cpu()
    return total, torch.tensor(float(len(frames)), dtype=torch.float64)


class Lpips(Metric):
    """Mean LPIPS distance over frames, 0 for equal pictures."""

    higher_is_better = False
    is_differentiable = False
    full_state_update = False
    unit: ClassVar[str] = "distance"
    total: Tensor
    count: Tensor

    def __init__(self, net: LpipsNet, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.net = net
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, result: Tensor, reference: Tensor) -> None:
        """Add a window of any length."""
        total, count = lpips_sums(self.net, result, reference)
        self.total += total.to(self.total.device)
        self.count += count.to(self.count.device)

    def compute(self) -> Tensor:
        """Mean over everything added; NaN before that."""
        return torch.where(self.count > 0, self.total / self.count, torch.nan)
