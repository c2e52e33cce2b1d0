"""Measures what surrounds a run: installed packages, how torch computes, and the machine's arithmetic."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from pathlib import Path

import interpositive.training  # noqa: F401  isort: skip
import torch

from interpositive.records.code_state import CODE_DIFF_NAME, measure_code
from interpositive.records.digests import sha256_of_file
from interpositive.records.provenance import (
    ENVIRONMENT_NAME,
    EnvironmentState,
    MachineState,
    Provenance,
    Starts,
    environment_text,
    installed_distributions,
)
from interpositive.records.publishing import write_file_whole

_LOCK = Path(__file__).resolve().parents[2] / "requirements" / "lock.txt"
# Of the environment nothing else is looked at: it is where secrets live.
_VARIABLES = (
    *("OMP_NUM_THREADS", "OMP_DYNAMIC", "OMP_SCHEDULE", "MKL_NUM_THREADS", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS"),
    *("OPENBLAS_NUM_THREADS", "OPENBLAS_CORETYPE", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY"),
    *("CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "OPENCV_CPU_DISABLE"),
)
_PLAIN_VALUE = re.compile(r"[A-Za-z0-9_,.:+-]{0,64}")
_VECTOR_UNITS = (
    *("sse4_2", "avx", "f16c", "fma", "avx2", "avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512_vnni"),
    *("avx512_bf16", "avx512_fp16", "avx_vnni", "amx_tile", "amx_int8", "amx_bf16"),
    *("asimd", "asimddp", "sve", "sve2", "bf16", "i8mm"),
)


def begin(folder: Path) -> Starts:
    """Measure a run that begins or goes on in ``folder``, and keep there what is new since it was begun."""
    code, installed = measure_code(), installed_distributions()
    now = Provenance(code=code.state, environment=measure_environment(installed), machine=measure_machine())
    starts = Starts.read(folder)
    if not starts.starts:
        write_file_whole(folder / ENVIRONMENT_NAME, environment_text(installed))
        if code.diff:
            write_file_whole(folder / CODE_DIFF_NAME, code.diff)
        else:
            # Of a start that was killed here, when there were changes.
            (folder / CODE_DIFF_NAME).unlink(missing_ok=True)
    if not starts.starts or starts.starts[-1] != now:
        starts = starts.model_copy(update={"starts": [*starts.starts, now]})
        starts.write(folder)
    return starts


def measure_provenance() -> Provenance:
    """What surrounds this process now."""
    installed = installed_distributions()
    return Provenance(code=measure_code().state, environment=measure_environment(installed), machine=measure_machine())


def measure_environment(installed: dict[str, str]) -> EnvironmentState:
    """What is ``installed``, and how torch was built and is set to compute."""
    text = environment_text(installed)
    libc = "".join(platform.libc_ver())
    return EnvironmentState(
        python=f"{platform.python_implementation()} {platform.python_version()}",
        platform=f"{platform.system()} {platform.machine()} {libc}".strip(),
        distributions_sha256=hashlib.sha256(text.encode()).hexdigest(),
        num_distributions=len(installed),
        lock_sha256=sha256_of_file(_LOCK) if _LOCK.is_file() else "",
        torch_build=_torch_build(),
        variables={name: value for name in _VARIABLES if (value := _plain(os.environ.get(name)))},
    )


def measure_machine() -> MachineState:
    """The processor and the accelerators that this process computes on."""
    cpu = _cpu_facts()
    flags = set(cpu.get("flags", cpu.get("Features", "")).split())
    devices = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    return MachineState(
        architecture=platform.machine(),
        vendor=cpu.get("vendor_id", cpu.get("CPU implementer", "")),
        processor=cpu.get("model name", "") or platform.processor(),
        vector_units=[unit for unit in _VECTOR_UNITS if unit in flags],
        capability=torch.backends.cpu.get_cpu_capability(),
        threads=torch.get_num_threads(),
        cores=os.cpu_count() or 1,
        memory_gib=round(_memory_bytes() / 2**30, 1),
        accelerators=[f"{device.name}, compute {device.major}.{device.minor}" for device in devices],
    )


def _torch_build() -> dict[str, str]:
    shown = torch.__config__.show()
    found = {
        "mkl": re.search(r"Math Kernel Library Version (\S+)", shown),
        "onednn": re.search(r"MKL-DNN (v[\d.]+)", shown),
        "openmp": re.search(r"OpenMP (\d+)", shown),
        "blas": re.search(r"BLAS_INFO=(\w+)", shown),
    }
    return {
        "version": str(torch.__version__),
        "cuda": str(torch.version.cuda or "none"),
        "cudnn": str(torch.backends.cudnn.version() or "none"),  # type: ignore[no-untyped-call]
        **{name: match.group(1) if match else "none" for name, match in found.items()},
        "deterministic": str(torch.are_deterministic_algorithms_enabled()),
        "matmul": torch.get_float32_matmul_precision(),
    }


def _plain(value: str | None) -> str:
    """A value that may be written down: short, and of the kind that these variables have."""
    if value is None:
        return ""
    return value if _PLAIN_VALUE.fullmatch(value) else "set, but to nothing that is known"


def _cpu_facts() -> dict[str, str]:
    """What Linux says of the first processor; empty elsewhere."""
    try:
        first = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0
