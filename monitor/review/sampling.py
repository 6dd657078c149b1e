"""Which disagreements of a day are queued: the largest ones always, of the others a weighted sample of fixed size.

Priority sampling (Duffield, Lund and Thorup, 2007): each disagreement draws u from its id and has the rank u / size;
the k smallest ranks are in. Given the (k+1)-th smallest, tau, one of size w is in with probability min(1, w tau), and
weights 1 / that estimate sums without bias (their theorem; Cohen and Kaplan, 2007, call it rank conditioning). Against
a reservoir that draws from a generator (Efraimidis and Spirakis, 2006) the sample of a union follows from the samples
of its parts, so that batches, workers, order and repeats make no difference.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PLANTED = 5  # cases of a day


@dataclass(frozen=True)
class Entry:
    """One disagreement; ``size`` (1 or more) is its weight in the sample, ``draw`` and ``tie`` are uniform."""

    id: str
    size: float
    draw: float
    tie: float
    planted: bool = False

    @property
    def rank(self) -> float:
        """Smaller is sooner in the sample."""
        return self.draw / self.size


@dataclass(frozen=True)
class Sample:
    """What is queued of a day; ``threshold`` is the rank of the first one that is not, None where all are."""

    largest: tuple[Entry, ...] = ()
    sampled: tuple[Entry, ...] = ()
    planted: tuple[Entry, ...] = ()
    threshold: float | None = None

    def inclusion(self) -> dict[str, tuple[str, float]]:
        """Return the stratum and the inclusion probability of every entry, by its id."""
        found = {one.id: ("largest", 1.0) for one in self.largest}
        for one in self.sampled:
            found[one.id] = "sampled", 1.0 if self.threshold is None else min(1.0, one.size * self.threshold)
        return found | {one.id: ("planted", 1.0) for one in self.planted}


def merged(old: Sample, new: Iterable[Entry], per_day: int, largest: int) -> Sample:
    """Return the sample of everything that ``old`` was drawn from and ``new`` together.

    Exact, because one that is not among the largest or smallest ranks of a part is not among those of the whole.

    Examples
    --------
    >>> one, two = Entry("a", 3.0, 0.9, 0.1), Entry("b", 1.0, 0.5, 0.2)
    >>> sample = merged(Sample(), [one, two, Entry("c", 1.0, 0.8, 0.3)], per_day=2, largest=1)
    >>> sample.inclusion()
    {'a': ('largest', 1.0), 'b': ('sampled', 0.8)}
    """
    pool = {one.id: one for one in (*old.largest, *old.sampled, *old.planted)}
    for one in new:
        pool.setdefault(one.id, one)
    planted = sorted((one for one in pool.values() if one.planted), key=lambda one: (one.tie, one.id))
    ordered = sorted((one for one in pool.values() if not one.planted), key=lambda one: (-one.size, one.tie, one.id))
    rest = sorted(ordered[largest:], key=lambda one: (one.rank, one.id))
    room = per_day - largest
    beyond = [one.rank for one in rest[room : room + 1]]
    beyond += [] if old.threshold is None else [old.threshold]
    return Sample(tuple(ordered[:largest]), tuple(rest[:room]), tuple(planted[:PLANTED]), min(beyond, default=None))


def candidates(
    size: NDArray[np.float64], draw: NDArray[np.float64], tie: NDArray[np.float64], per_day: int, largest: int
) -> NDArray[np.int64]:
    """Return the rows of a batch that can change a day's sample, ascending: few, unless very many are of one size.

    The largest ones, and one more than a day's of the smallest ranks: so many that even if all of the largest are among
    them the first one that is not sampled is there too.
    """
    if len(size) <= per_day + 1:
        return np.arange(len(size))
    rank = draw / size
    kept = rank <= np.partition(rank, per_day)[per_day]
    if largest:
        least = np.partition(size, len(size) - largest)[len(size) - largest]
        kept |= size > least
        alike = np.flatnonzero(size == least)
        kept[alike[np.argsort(tie[alike], kind="stable")[:largest]]] = True
    return np.flatnonzero(kept)
