"""A kind of machine that a run might be given, by its makers' figures."""

from __future__ import annotations

from pydantic import Field

from interpositive.records.base import Record


class DeviceKind(Record):
    """``num_devices`` alike in one machine, each with ``memory_gb`` (1e9 bytes).

    Rates are the makers' of one device: dense matrix products at 16 bits, all else at 32, memory, and the link to the
    others each way. ``utilisation`` is the share of them that is reached, ``launch_microseconds`` the least that an
    operation takes. ``price_per_hour`` is of one device, in any currency; None where nobody said.
    """

    num_devices: int = Field(ge=1, le=1024)
    memory_gb: float = Field(gt=0, le=1e6)
    bfloat16_tflops: float = Field(gt=0, le=1e9)
    float32_tflops: float = Field(gt=0, le=1e9)
    memory_gb_per_second: float = Field(gt=0, le=1e9)
    link_gb_per_second: float = Field(gt=0, le=1e9)
    utilisation: float = Field(gt=0, le=1)
    launch_microseconds: float = Field(ge=0, le=1e6)
    price_per_hour: float | None = Field(ge=0, le=1e9)
