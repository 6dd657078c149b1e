"""The plant: a data hall whose chilled-air set-point three actions move, one decision a simulated second."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from examples.worlds.cooling.controllers import CONTROLLERS, Controller
from examples.worlds.cooling.names import ACTIONS, COMMAND, CONSTRAINTS, FEATURES, SENSORS

Floats = NDArray[np.float64]

STEP = 0.005  # degC that one action moves the set-point: at most 0.3 degC a minute
DRIFT = 6.0  # degC by which the inlet sensor reads too high in the end
RAMP = 600.0  # seconds in which it gets there
_NOISES = len(FEATURES) + 3  # the readings, the slow parts of load and weather, the power meter
_READING = np.array([-1 if limit.reading == COMMAND else FEATURES.index(limit.reading) for limit in CONSTRAINTS])
_SIGN = np.array([float(limit.sign) for limit in CONSTRAINTS])
_LIMIT = np.array([limit.limit for limit in CONSTRAINTS])
_SD = np.array([sensor.noise for sensor in SENSORS])
_PER_UNIT = np.array([round(1 / sensor.resolution) for sensor in SENSORS], dtype=np.float64)


def _simulate(when: Any, policy: Any, draws: Any, instruments: Any, out: Any) -> None:
    """Advance one second a draw; closed loop, so it cannot be a vector operation."""
    first, fault, repair = when
    weights, bias = policy
    noise, uniform = draws
    sd, per_unit, reading_of, sign, limit = instruments
    state, readings, costs, probabilities, actions, rewards = out
    setpoint, supply, inlet, load_ar, outside_ar, chiller = state
    for i in range(len(uniform)):
        t = first + i
        day = 2 * math.pi * (t % 86400) / 86400
        # Slow noise: load with a memory of 10 min and 0.8% sd, weather with 1 h and 0.2 degC.
        load_ar = 0.998335 * load_ar + 0.008 * 0.05769 * noise[i, 20]
        outside_ar = 0.999722 * outside_ar + 0.2 * 0.02357 * noise[i, 21]
        share = (1 + 0.06 * math.sin(day - 2 * math.pi * 9 / 24)) * (1 + load_ar)  # busiest at 15:00 UTC
        outside = 14 + 2.0 * math.sin(day - 2 * math.pi * 10 / 24) + outside_ar
        fan = 60 * share + 1.5 * max(0.0, inlet - 24.0)
        fan_power = 40 * (fan / 60) ** 3
        readings[0, i] = inlet + (DRIFT * min(1.0, max(0.0, (t - fault) / RAMP)) if t < repair else 0.0)
        readings[1, i] = inlet
        readings[2, i] = supply
        readings[3, i] = inlet + 11 * share
        for rack in range(4):
            readings[4 + rack, i] = inlet + (6 + rack) * share
        readings[8, i] = 48 + 0.8 * (22 - supply)
        readings[9, i] = supply - 12 - 0.3 * (outside - 14)
        readings[10, i] = outside
        readings[11, i] = 800 * share
        readings[12, i] = chiller
        readings[13, i] = fan
        readings[14, i] = fan_power
        readings[15, i] = 35 * share
        readings[16, i] = 250 * share
        readings[17, i] = supply - 9
        readings[18, i] = supply - 9 + 5.5 * share
        readings[19, i] = setpoint
        for f in range(20):
            readings[f, i] = math.floor((readings[f, i] + sd[f] * noise[i, f]) * per_unit[f] + 0.5) / per_unit[f]
        # The policy sees what is logged, rounding included: a replay of the log gives the same probabilities.
        logits = bias.copy()
        for a in range(3):
            for f in range(20):
                if weights[a, f] != 0.0:
                    logits[a] += weights[a, f] * readings[f, i]
        odds = np.exp(logits - logits.max())
        odds /= odds.sum()
        action = 0 if uniform[i] < odds[0] else (1 if uniform[i] < odds[0] + odds[1] else 2)
        actions[i] = action
        probabilities[i] = odds
        setpoint = min(27.0, max(14.0, setpoint + STEP * ((action == 2) - (action == 1))))
        supply += (setpoint - supply) / 60
        inlet += (supply + 1.5 * share - inlet) / 40
        # Colder air and a warmer day cost compressor work; staging it up or down costs or saves some at once.
        efficiency = 4.0 * (1 + 0.045 * (supply - 20)) * (1 - 0.015 * (outside - 14))
        chiller = 800 * share / efficiency * (1 + 0.05 * (action == 1) - 0.04 * (action == 2))
        power = (chiller * (1 + 0.01 * noise[i, 22]) + fan_power + 15 * share**3) / 100
        rewards[i] = -math.floor(power * 10000 + 0.5) / 10000
        for k in range(len(limit)):
            value = setpoint if reading_of[k] < 0 else readings[reading_of[k], i]
            excess = sign[k] * (value - limit[k])
            costs[k, i] = math.floor(excess * 1000 + 0.5) / 1000 if excess > 1e-6 else 0.0
    state[:] = (setpoint, supply, inlet, load_ar, outside_ar, chiller)


_compiled: Callable[..., None] = numba.njit(cache=True)(_simulate)


@dataclass(frozen=True)
class Batch:
    """Consecutive decisions of one version: one a second from ``first``.

    ``readings`` has shape (20, n), ``costs`` (21, n), ``probabilities`` (n, 3), the others (n,); ``reward`` is minus
    the plant's power in units of 100 kW, ``latency`` in milliseconds.
    """

    version: str
    first: int
    readings: Floats
    costs: Floats
    probabilities: Floats
    action: NDArray[np.int64]
    reward: Floats
    latency: Floats

    def __len__(self) -> int:
        return len(self.reward)

    @property
    def propensity(self) -> Floats:
        """Probability with which the executed action was drawn."""
        return self.probabilities[np.arange(len(self)), self.action]


class Plant:
    """The state between decisions, and the noise to come.

    Examples
    --------
    >>> batch = Plant(seed=1).run("v7", first=0, count=60)
    >>> len(batch), batch.readings.shape, bool((batch.costs == 0).all())
    (60, (20, 60), True)
    """

    def __init__(self, seed: int) -> None:
        self._normal, self._uniform, self._latency = (np.random.default_rng([seed, stream]) for stream in range(3))
        self._state = np.zeros(6)
        self._version = ""

    @property
    def version(self) -> str:
        """The version that took the last decision."""
        return self._version

    def run(self, version: str, first: int, count: int, fault: float = math.inf, repair: float = math.inf) -> Batch:
        """Let a version take ``count`` decisions from second ``first``.

        The inlet sensor drifts from second ``fault`` on, and reads right again from ``repair``, when it was replaced.
        """
        controller = CONTROLLERS[version]
        if version != self._version:
            self._take_over(controller)
            self._version = version
        readings, costs = np.empty((len(FEATURES), count)), np.empty((len(CONSTRAINTS), count))
        probabilities, reward = np.empty((count, len(ACTIONS))), np.empty(count)
        action = np.empty(count, dtype=np.int64)
        draws = (self._normal.standard_normal((count, _NOISES)), self._uniform.random(count))
        out = (self._state, readings, costs, probabilities, action, reward)
        _compiled((first, fault, repair), controller.folded(), draws, (_SD, _PER_UNIT, _READING, _SIGN, _LIMIT), out)
        latency = np.round(3.0 * np.exp(0.4 * self._latency.standard_normal(count)), 2)
        return Batch(version, first, readings, costs, probabilities, action, reward, latency)

    def _take_over(self, controller: Controller) -> None:
        # A controller that starts commands its own set-point; it does not inherit the one that led to its being called.
        self._state[0] = controller.start
        if not self._version:
            self._state[1:] = (controller.start, controller.start + 1.5, 0.0, 0.0, 180.0)
