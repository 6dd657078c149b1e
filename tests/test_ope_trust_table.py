"""The table of verdicts in docs/off-policy.md: every promise of it holds on logs whose truth is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.trust_table import Row, lines, row
from benchmarks.trust_worlds import KINDS, Kind

by_name = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
FEW = 12


def kept(kind: Kind, found: Row, slack: float) -> None:
    """Check what the table promises: a bad log is rarely trusted, a fine one hardly ever refused."""
    assert found.trusted <= kind.trusted + slack, found
    if kind.fine:
        assert found.refused <= 0.01 + slack, found
    if kind.fine and kind.trusted == 1.0:
        assert found.trusted >= 0.9 - slack, found


@by_name
def test_a_few_logs_of_each_kind_get_their_verdict(kind: Kind) -> None:
    kept(kind, row(kind, FEW), slack=0.1)


@pytest.mark.full
@by_name
def test_many_logs_of_each_kind_get_their_verdict_and_trusted_intervals_hold_the_truth(kind: Kind) -> None:
    found = row(kind, 160)
    kept(kind, found, slack=0.0)
    if kind.seen and found.quoted > 100:
        assert found.missed is not None
        assert found.missed <= 0.08, found


def test_every_kind_stands_in_the_documented_table() -> None:
    page = (Path(__file__).parents[1] / "docs" / "off-policy.md").read_text()
    assert [kind.name for kind in KINDS if f"\n| {kind.name} |" not in page] == []


def test_what_is_in_no_column_cannot_be_seen_and_the_table_says_so() -> None:
    found = row(next(kind for kind in KINDS if not kind.seen), FEW)
    assert (found.trusted, found.missed) == (1.0, 1.0)
    assert "100.0% of" in list(lines([found]))[-1]
