"""Every estimator by its public name."""

from __future__ import annotations

from ope.bandit.clipped import CLIPPED_IPS, SUB_GAUSSIAN_IPS
from ope.bandit.direct import DM
from ope.bandit.doubly_robust import DR, SNDR
from ope.bandit.importance import IPS, SNIPS
from ope.bandit.switched import DR_OS, SWITCH_DR
from ope.estimator import Estimator
from ope.trajectory.sequential import PDIS, TIS, WIS, WPDIS
from ope.trajectory.sequential_blend import MAGIC
from ope.trajectory.sequential_model import DM_FQE, DR_SEQ, WDR

DECISIONS = (IPS, SNIPS, CLIPPED_IPS, SUB_GAUSSIAN_IPS, DM, DR, SNDR, SWITCH_DR, DR_OS)
TRAJECTORIES = (TIS, WIS, PDIS, WPDIS, DM_FQE, DR_SEQ, WDR, MAGIC)

ESTIMATORS: dict[str, Estimator] = {item.name: item for item in (*DECISIONS, *TRAJECTORIES)}
