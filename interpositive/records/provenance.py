"""Under what a run was made: code, installed packages, and the machine's arithmetic; no host, user or home is named."""

from __future__ import annotations

from importlib.metadata import distributions
from pathlib import Path

from pydantic import Field

from interpositive.errors import RunFolderError
from interpositive.records.base import Record
from interpositive.records.code_state import CodeState
from interpositive.records.publishing import write_file_whole

PROVENANCE_NAME = "provenance.json"
ENVIRONMENT_NAME = "environment.txt"

# Packages that decode, align, learn or measure: another version may give other numbers.
SHAPING_PACKAGES = (
    *("torch", "torchvision", "torchcodec", "pytorch-lightning", "torchmetrics", "einops", "safetensors"),
    *("numpy", "scipy", "scikit-image", "opencv-python-headless", "av", "decord", "decord2", "pillow"),
    *("openimageio", "opencolorio", "lpips", "flip-evaluator", "triton", "nvidia-cudnn-cu12", "nvidia-cublas-cu12"),
)


class EnvironmentState(Record):
    """What is installed.

    ``distributions_sha256`` is the digest of ``environment.txt``, which names all ``num_distributions`` with their
    versions; ``lock_sha256`` that of ``requirements/lock.txt``, empty outside of a checkout. ``torch_build`` says how
    torch computes (CUDA, BLAS, and so on). ``variables`` are those of a short list that change arithmetic, where set.
    """

    python: str
    platform: str
    distributions_sha256: str
    num_distributions: int
    lock_sha256: str = ""
    torch_build: dict[str, str]
    variables: dict[str, str]


class MachineState(Record):
    """What decides how floats are rounded, and beside it ``processor`` (a model), cores and memory.

    ``vector_units`` are the instruction sets that libraries choose their kernels by, ``capability`` is torch's choice;
    ``threads`` are those of one process. ``accelerators`` are empty on a machine without.
    """

    architecture: str
    vendor: str
    processor: str
    vector_units: list[str]
    capability: str
    threads: int
    cores: int
    memory_gib: float
    accelerators: list[str]

    @property
    def arithmetic(self) -> dict[str, str]:
        """By what two machines are of one class: results of one are byte for byte those of the other."""
        return {
            "architecture": f"{self.architecture} {self.vendor}",
            "instruction sets": " ".join(self.vector_units),
            "torch's kernels": self.capability,
            "threads": str(self.threads),
            "accelerators": ", ".join(self.accelerators) or "none",
        }


class Provenance(Record):
    """All that surrounds a run but its configuration and its data."""

    code: CodeState
    environment: EnvironmentState
    machine: MachineState

    def differences(self, other: Provenance) -> list[str]:
        """What is other there, in words: ``numpy 2.3.1, then 2.4.0``."""
        facts, others = self._facts(), other._facts()
        return [
            f"{name} {facts.get(name, 'none')}, then {others.get(name, 'none')}"
            for name in dict.fromkeys([*facts, *others])
            if facts.get(name) != others.get(name)
        ]

    def _facts(self) -> dict[str, str]:
        built = {f"torch's {name}": value for name, value in self.environment.torch_build.items()}
        return {
            "sources": self.code.source_sha256[:12],
            "python": self.environment.python,
            "packages": self.environment.distributions_sha256[:12],
            **built,
            **self.environment.variables,
            **self.machine.arithmetic,
        }


class Starts(Record):
    """Under what a run was begun and, where it was gone on with under anything else, each that was new."""

    schema_version: int = 1
    starts: list[Provenance] = Field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Write ``provenance.json`` into the run folder, whole or not at all."""
        write_file_whole(folder / PROVENANCE_NAME, self.model_dump_json(indent=1))

    @classmethod
    def read(cls, folder: Path) -> Starts:
        """Read it from a run folder, which may have none yet; ``RunFolderError`` for what cannot be read."""
        path = folder / PROVENANCE_NAME
        if not path.exists():
            return cls()
        try:
            return cls.model_validate_json(path.read_text())
        except (OSError, ValueError) as error:
            raise RunFolderError(
                f"{path} does not say under what the run was begun",
                found=str(error)[:300],
                remedy="move it away: the run then counts as begun under what is here now",
            ) from None

    def notes(self) -> list[str]:
        """What the run was gone on with that is other than at its beginning, in words."""
        return [
            f"gone on with under something else: {'; '.join(found)}"
            for later in self.starts[1:]
            if (found := self.starts[0].differences(later))
        ]


def installed_distributions() -> dict[str, str]:
    """Every installed distribution's version by its normal name (PEP 503), in order of name."""
    found: dict[str, str] = {}
    for distribution in distributions():
        name = distribution.metadata["Name"]
        # The first of a name on the path is the one that is imported.
        if name:
            found.setdefault(name.lower().replace("_", "-").replace(".", "-"), distribution.version)
    return dict(sorted(found.items()))


def environment_text(installed: dict[str, str]) -> str:
    """The content of ``environment.txt``: a line for each, as ``pip`` writes them."""
    return "".join(f"{name}=={version}\n" for name, version in sorted(installed.items()))


def read_environment(text: str) -> dict[str, str]:
    """The versions by name that ``environment.txt`` lists."""
    lines = (line.partition("==") for line in text.splitlines() if "==" in line)
    return {name: version for name, _, version in lines}
