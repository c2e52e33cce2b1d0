"""Takes as a Parquet table, for those who ask a catalogue with tools of their own."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from interpositive.dailies.selection import SelectedTakes
from interpositive.dailies.take_rows import BOOLEANS, COLUMNS, INTEGERS
from interpositive.records.publishing import write_file_whole

_ROWS_AT_A_TIME = 10_000


def write_parquet(takes: SelectedTakes, path: Path) -> None:
    """Write takes as a Parquet table, a row each, whole or not at all."""
    kinds = {name: pa.int64() if name in INTEGERS - BOOLEANS else pa.string() for name in COLUMNS}
    schema = pa.schema(list((kinds | dict.fromkeys(BOOLEANS, pa.bool_())).items()))
    sink = pa.BufferOutputStream()
    rows = takes.columns(*COLUMNS)
    with pq.ParquetWriter(sink, schema) as writer:
        while block := list(islice(rows, _ROWS_AT_A_TIME)):
            values = dict(zip(COLUMNS, map(list, zip(*block, strict=True)), strict=True))
            values |= {name: [bool(value) for value in values[name]] for name in BOOLEANS}
            writer.write_table(pa.table(values, schema=schema))
    write_file_whole(Path(path), sink.getvalue().to_pybytes())
