"""Every estimator by its public name."""

from __future__ import annotations

from ope.clipped import CLIPPED_IPS, SUB_GAUSSIAN_IPS
from ope.direct import DM
from ope.doubly_robust import DR, SNDR
from ope.estimator import Estimator
from ope.importance import IPS, SNIPS
from ope.sequential import PDIS, TIS, WIS, WPDIS
from ope.sequential_blend import MAGIC
from ope.sequential_model import DM_FQE, DR_SEQ, WDR
from ope.switched import DR_OS, SWITCH_DR

DECISIONS = (IPS, SNIPS, CLIPPED_IPS, SUB_GAUSSIAN_IPS, DM, DR, SNDR, SWITCH_DR, DR_OS)
TRAJECTORIES = (TIS, WIS, PDIS, WPDIS, DM_FQE, DR_SEQ, WDR, MAGIC)

ESTIMATORS: dict[str, Estimator] = {item.name: item for item in (*DECISIONS, *TRAJECTORIES)}
