"""Points of a sweep in other files than those that a report is made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from netsim.errors import ScenarioError
from netsim.frames import chunks, columns_of, units


def parquet(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes rows as a Parquet file, of which only a part is held at once. A column's unit is in its metadata.

    The rows are gone through three times: for their columns, for the types of these, and to be written.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise ScenarioError(
            "needs pyarrow, which is not installed: pip install 'netsim-training[parquet]'", path="--parquet"
        ) from None
    columns = columns_of(rows)
    unit = units(columns)
    found = [pa.Schema.from_pandas(part, preserve_index=False) for part in chunks(rows, columns)]
    schema = pa.unify_schemas([each.remove_metadata() for each in found], promote_options="permissive")
    schema = pa.schema(
        [each.with_metadata({"unit": unit[each.name]}) if each.name in unit else each for each in schema]
    )
    with pq.ParquetWriter(file, schema) as writer:
        for part in chunks(rows, columns):
            writer.write_table(pa.Table.from_pandas(part, schema=schema, preserve_index=False))
