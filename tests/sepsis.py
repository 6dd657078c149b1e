"""ICU-Sepsis (Choudhary, Gupta, Thomas 2024): a model of treatment fitted on MIMIC-III, as exact matrices."""

from __future__ import annotations

import functools
from importlib.metadata import distribution

import numpy as np
from numpy.typing import NDArray

from tests.episode_worlds import World

Floats = NDArray[np.float64]
DEATH, SURVIVAL, AFTER = 713, 714, 715


@functools.cache
def sepsis() -> tuple[World, Floats]:
    """Return the world, which pays 1 for survival, and the clinicians' policy; 716 states, 25 actions."""
    path = distribution("icu-sepsis").locate_file("icu_sepsis/envs/assets/dynamics.npz")  # importing it needs Gym
    with np.load(str(path)) as stored:
        transition, initial, clinicians = stored["tx_mat"], stored["d_0"], stored["expert_policy"]
    states, actions = clinicians.shape
    ends = np.zeros(states, dtype=bool)
    ends[[DEATH, SURVIVAL, AFTER]] = True
    arrival = np.zeros(states)
    arrival[SURVIVAL] = 1.0
    clinicians = clinicians.copy()
    clinicians[ends] = 1 / actions
    return World(transition, np.zeros((states, actions)), arrival, initial, ends, most=100), clinicians
