"""Novelty: states that are unlike those of the baseline, all features together (random network distillation)."""

from __future__ import annotations

from monitor.novelty.files import keep, load
from monitor.novelty.fit import INSTALL, fit, installed
from monitor.novelty.network import Network, NoveltyError

__all__ = ["INSTALL", "Network", "NoveltyError", "fit", "installed", "keep", "load"]
