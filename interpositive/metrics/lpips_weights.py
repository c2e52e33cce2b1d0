"""The image-classification trunks of LPIPS: where they lie, which digest they have, and reading them with no code run.

Nothing here downloads.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import safetensors
import torch
from safetensors.torch import load_file
from torch import Tensor

from interpositive.errors import ConfigError, MissingWeightsError
from interpositive.records.digests import sha256_of_file

Network = Literal["alex", "vgg", "squeeze"]


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


def check_network(network: str) -> None:
    """Refuse a network that LPIPS does not have (``ConfigError``)."""
    if network not in get_args(Network):
        raise ConfigError("no such LPIPS network", found=network, expected=", ".join(get_args(Network)))


def trunk_place(network: Network = "alex") -> Path:
    """Where the trunk is looked for when no path is given: torch's hub cache on this machine."""
    return Path(torch.hub.get_dir()) / "checkpoints" / TRUNKS[network].file_name


def read_trunk(network: Network, path: Path, expected_sha256: str | None = None) -> dict[str, Tensor]:
    """A trunk's tensors by torchvision's names, from ``.pth`` without pickled code or ``.safetensors``.

    The file's SHA-256 must begin with ``expected_sha256``, else with the digits
    in torchvision's file name. ``MissingWeightsError`` (the message can be shown
    as it is) if the file is absent, altered or not readable.
    """
    trunk = TRUNKS[network]
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
    return _read_tensors(path)


def _read_tensors(path: Path) -> dict[str, Tensor]:
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
