"""The base of every record that is written to disk."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Immutable, typed, and refusing unknown fields; ``schema_version`` guards readers from strangers."""

    model_config = ConfigDict(frozen=True, extra="forbid")
