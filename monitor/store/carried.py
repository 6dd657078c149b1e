"""What rows that are there already become in a migration: written into its file, because only the tables are compared.

A column that is new gets its server default; what depends on the row itself stands here, by revision.
"""

from __future__ import annotations

CARRIED: dict[str, tuple[str, ...]] = {
    "0002": ("UPDATE incidents SET state = 'closed', resolved = closed WHERE closed IS NOT NULL",),
}
