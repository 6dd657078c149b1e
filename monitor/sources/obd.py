"""The Open Bandit Dataset's own layout: ``{random,bts}/{all,men,women}/NAME.csv.gz``."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from monitor.sources.csv import CsvSource
from monitor.sources.text import Decoded
from monitor.validate.roles import UNTYPED

BEHAVIOUR = ("random", "bts")
_NAMES = {
    "timestamp": "ts",
    "item_id": "action",
    "position": "position",
    "click": "reward",
    "propensity_score": "propensity",
}


class ObdSource(CsvSource):
    """Reads the Open Bandit Dataset; unlike plain CSV it needs no mapping.

    The behaviour policy (``random`` or ``bts``, from the folder) is the version unless one is set. The files
    ``item_context.csv`` describe items, not decisions, and are left alone. Rows have no id, so ids are derived.

    References
    ----------
    Saito, Aihara, Matsutani and Narita (2021), Open Bandit Dataset and Pipeline: Towards Realistic and Reproducible
    Off-Policy Evaluation. NeurIPS Datasets and Benchmarks.
    """

    skipped = ("item_context.csv", "item_context.csv.gz")

    def decode(self, data: bytes, heading: bytes, path: Path) -> Decoded:
        """Decode whole records and give the columns their roles."""
        table, rejects, numbers = super().decode(data, heading, path)
        fields, arrays = [], []
        for field, column in zip(table.schema, table.columns, strict=True):
            name = role(field.name)
            if name:
                hashed = name.startswith("state.user_feature")  # hexadecimal text, some of it all digits
                fields.append(pa.field(name, pa.string(), metadata=None if hashed else UNTYPED))
                arrays.append(column)
        folder = next((part for part in reversed(path.parts[:-1]) if part in BEHAVIOUR), None)
        if folder is not None and self.version is None:
            fields.append(pa.field("version", pa.string()))
            arrays.append(pa.chunked_array([pa.repeat(folder, table.num_rows)]))
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields)), rejects, numbers


def role(column: str) -> str | None:
    """Return the role of a column of the dataset, None for its running index.

    >>> role("user-item_affinity_3"), role("user_feature_0"), role("click"), role("")
    ('state.affinity_3', 'state.user_feature_0', 'reward', None)
    """
    if column.startswith("user-item_affinity_"):
        return "state.affinity_" + column.rpartition("_")[2]
    if column.startswith("user_feature_"):
        return f"state.{column}"
    return _NAMES.get(column)
