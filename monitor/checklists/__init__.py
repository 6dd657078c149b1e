"""The readiness checklist of a policy: facts gathered, items judged by ``runbooks``, evidence kept by its digest.

``refresh`` is the scheduled job, ``run`` one evaluation, ``read`` what pages and commands show of the newest one.
"""

from __future__ import annotations

from monitor.checklists.reading import read
from monitor.checklists.runs import refresh, run

__all__ = ["read", "refresh", "run"]
