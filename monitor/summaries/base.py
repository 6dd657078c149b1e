"""What every summary can do: add, travel as bytes, and count a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
import pyarrow as pa

from monitor.summaries import parts as arithmetic
from monitor.summaries.envelope import check, decode, encode
from monitor.summaries.fill import fill
from monitor.summaries.layout import ARRAYS, NOTHING, Layout
from monitor.summaries.parts import Parts
from monitor.summaries.plan import Plan


@dataclass(frozen=True, eq=False, slots=True)
class Summary:
    """Frozen numbers about some rows; ``S()`` is the summary of no rows and the identity of ``+``.

    Parameters
    ----------
    parts
        The numbers.
    layout
        What they stand for.
    digest
        Digest of the plan that they were counted with; "" for no rows.
    plan
        That plan, where it is known: names of constraints, features and candidates are in it, not in the bytes.
    """

    KIND: ClassVar[int] = -1
    FIELDS: ClassVar[tuple[str, ...]] = ()  # of the Layout
    SPARSE: ClassVar[bool] = False  # whether keys and weights belong to it

    parts: Parts = field(default_factory=lambda: arithmetic.empty(NOTHING))
    layout: Layout = NOTHING
    digest: str = ""
    plan: Plan | None = None

    @classmethod
    def of(cls, table: pa.Table, plan: Plan) -> Self:
        """Count all rows of a canonical table."""
        bucket = fill(table, plan, np.zeros(table.num_rows, np.int32), 1).rows()[0]
        return cls.carved(bucket, Layout.of(plan), plan.digest, plan)

    @classmethod
    def carved(cls, bucket: Parts, layout: Layout, digest: str, plan: Plan | None) -> Self:
        """Cut this summary's numbers out of a whole bucket's."""
        spans, own = layout.cut(cls.FIELDS)
        # A page cuts thousands: one field is a view, because np.concatenate takes longer than all the rest.
        arrays = [
            whole[pieces[0]] if len(pieces) == 1 else np.concatenate([whole[piece] for piece in pieces] or [_NONE])
            for whole, pieces in zip(bucket[: len(ARRAYS)], spans, strict=True)
        ]
        arrays[0] = arrays[0].astype(np.int64, copy=False)
        sparse = (bucket.keys, bucket.weights) if cls.SPARSE else (_NO_KEYS, _NO_KEYS)
        parts = Parts(*(arithmetic.frozen(array) for array in (*arrays, *sparse)))
        return cls(parts, own, digest, plan)

    def __add__(self, other: Self) -> Self:
        """Return the summary of the rows of both.

        Raises
        ------
        ValueError
            If they were counted with different plans.
        """
        if type(other) is not type(self):
            return NotImplemented
        if not other.digest:
            return self
        if not self.digest:
            return other
        if self.digest != other.digest or self.layout != other.layout:
            raise ValueError(different_plans(self.digest, other.digest))
        return type(self)(arithmetic.add(self.parts, other.parts), self.layout, self.digest, self.plan or other.plan)

    def __eq__(self, other: object) -> bool:
        """Tell whether two summaries hold exactly the same numbers under the same plan."""
        if not isinstance(other, Summary) or type(other) is not type(self):
            return NotImplemented
        same = (self.digest, self.layout) == (other.digest, other.layout)
        return same and all(np.array_equal(a, b) for a, b in zip(self.parts, other.parts, strict=True))

    def __hash__(self) -> int:
        """Return a hash that equal summaries share."""
        return hash((self.KIND, self.digest, self.parts.counts.tobytes()))

    def to_bytes(self) -> bytes:
        """Return versioned, checked, compressed bytes, equal on every machine for equal numbers."""
        return encode(self.KIND, self.digest, self.layout, self.parts)

    @classmethod
    def from_bytes(cls, body: bytes, plan: Plan | None = None) -> Self:
        """Read what ``to_bytes`` wrote; with the plan, names work too.

        Raises
        ------
        ValueError
            If the bytes are foreign, truncated, damaged or of another format, or were counted with another plan.
        """
        digest, layout, parts = decode(check(body, cls.KIND, cls.__name__))
        if plan is not None and digest and digest != plan.digest:
            raise ValueError(different_plans(digest, plan.digest))
        return cls(parts, layout, digest, plan)

    def known_plan(self) -> Plan:
        """Return the plan.

        Raises
        ------
        ValueError
            If these numbers were read from bytes alone.
        """
        if self.plan is None:
            raise ValueError(
                "names are kept in the plan, not in the bytes: read them with BucketSummary.from_bytes(body, plan) "
                "or merge(bodies, plan)"
            )
        return self.plan

    def position(self, key: str | int, names: tuple[str, ...], what: str) -> int:
        """Return the place of a name (or a place itself, checked) among the plan's names.

        Raises
        ------
        KeyError
            If the plan has no such name.
        """
        if isinstance(key, str):
            if key not in names:
                raise KeyError(f"the plan has no {what} {key!r}; it has {', '.join(names) or 'none'}")
            return names.index(key)
        if not 0 <= key < len(names):
            raise KeyError(f"the plan has {len(names)} {what}s; there is no number {key}")
        return key


_NONE = np.zeros(0)
_NO_KEYS = np.zeros(0, np.int64)


def different_plans(a: str, b: str) -> str:
    """Return the sentence that names the fix."""
    return f"summaries counted with different plans ({a} and {b}) do not add: re-summarise with one plan"
