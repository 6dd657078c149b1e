"""How often is a verdict right? Many logs of each kind in `trust_worlds`, judged, beside their known truth.

python -m benchmarks.trust_table --seeds 400
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from benchmarks.trust_worlds import KINDS, Kind
from ope import Decisions, Trust, evaluate, judge_log

NAMES = ("ips", "snips", "dr", "sndr")
OF_EPISODES = ("tis", "wis", "pdis", "wpdis")


@dataclass(frozen=True)
class Row:
    """One kind: how its logs were judged.

    Parameters
    ----------
    trusted, weak, refused
        Shares of the logs.
    quoted, missed
        Intervals of trusted estimates, and the share of them that left the truth out; None where there are none.
    would_have
        The share of all intervals that leave the truth out where nobody judges.
    """

    kind: str
    fine: bool
    logs: int
    trusted: float
    weak: float
    refused: float
    quoted: int
    missed: float | None
    would_have: float


def row(kind: Kind, seeds: int) -> Row:
    """Judge ``seeds`` logs of one kind."""
    verdicts, missed, unjudged = list[Trust](), list[bool](), list[bool]()
    for seed in range(seeds):
        case = kind.make(np.random.default_rng([zlib.crc32(kind.name.encode()), seed]))
        judged = judge_log(case.log)
        names = NAMES if isinstance(case.log, Decisions) else OF_EPISODES
        free = type(judged)(Trust.TRUSTED, (), judged.diagnostics)
        verdicts.append(judged.verdict)
        for item, quoted in zip(
            evaluate(case.log, names, judgement=judged), evaluate(case.log, names, judgement=free), strict=True
        ):
            if quoted.low is None or quoted.high is None:
                continue
            wrong = not quoted.low <= case.truth <= quoted.high
            unjudged.append(wrong)
            if item.trust is Trust.TRUSTED:
                missed.append(wrong)
    shares = [sum(verdict is level for verdict in verdicts) / seeds for level in Trust]
    return Row(
        kind.name, kind.fine, seeds, shares[0], shares[1], shares[2], len(missed),
        float(np.mean(missed)) if missed else None, float(np.mean(unjudged)) if unjudged else 1.0,
    )  # fmt: skip


def lines(rows: list[Row]) -> Iterator[str]:
    """Yield the table in Markdown."""
    yield "| kind of log | trusted | weak | refused | trusted intervals that missed | missed if nobody judged |"
    yield "|---|---|---|---|---|---|"
    for item in rows:
        missed = "none was trusted" if item.missed is None else f"{item.missed:.1%} of {item.quoted:,}"
        shares = " | ".join(f"{share:.1%}" for share in (item.trusted, item.weak, item.refused))
        yield f"| {item.kind} | {shares} | {missed} | {item.would_have:.0%} |"


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=400)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = [row(kind, options.seeds) for kind in KINDS]
    print(json.dumps([asdict(item) for item in rows]) if options.json else "\n".join(lines(rows)))


if __name__ == "__main__":
    main()
