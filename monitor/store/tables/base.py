"""What every table is made with; its metadata is what migrations bring a database to."""

from __future__ import annotations

from sqlalchemy import Column, Index, MetaData, Table

metadata = MetaData()


def table(name: str, *columns: Column[object] | Index) -> Table:
    """Return a table of the control state."""
    return Table(name, metadata, *columns)
