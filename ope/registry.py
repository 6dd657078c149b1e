"""Every estimator by its public name."""

from __future__ import annotations

from ope.estimator import Estimator
from ope.importance import IPS, SNIPS

ESTIMATORS: dict[str, Estimator] = {item.name: item for item in (IPS, SNIPS)}
