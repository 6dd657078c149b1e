"""A Series goes in, a Verdict comes out: pure scans over closed windows, numpy and scipy only."""

from __future__ import annotations

from detectors import (
    budget_bound,
    budget_estimate,
    entropy_floor,
    frozen_sigma,
    jensen_shannon,
    one_event,
    rolling_sigma,
    silence,
)
from detectors.detector import Detector
from detectors.series import Series
from detectors.specimens import (
    events,
    histograms,
    later,
    means,
    rates,
    reordered,
    scaled,
    shifted,
    volume,
    without_baseline,
)
from detectors.verdict import State, Verdict

__all__ = ["DETECTORS", "Detector", "Series", "State", "Verdict"]

_BINS = (*(f"bin{i}" for i in range(8)), "under", "over", "missing", "unseen")
_EVEN = (*[0.124] * 8, 0.002, 0.002, 0.004, 0.0)
_MOVED = (*[0.05] * 6, 0.3, 0.3, 0.0, 0.1, 0.0, 0.0)

DETECTORS: dict[str, Detector] = {
    "frozen_sigma": Detector(
        scan=frozen_sigma.scan,
        parameters=("k", "min_effect", "min_n", "season", "budget_per_window", "subject"),
        lookback=0,
        null=means(),
        fault=means(drop=8),
        false_alarms=0.00135,
        invariances=(later, shifted),
        settings={"min_effect": "0.05"},
    ),
    "rolling_sigma": Detector(
        scan=rolling_sigma.scan,
        parameters=("k", "lookback", "min_effect", "min_n", "subject"),
        lookback=30,
        lookback_from="lookback",
        null=means(),
        fault=means(drop=8, lasting=1),
        false_alarms=0.03,
        invariances=(later, shifted, scaled, without_baseline),
    ),
    "budget_estimate": Detector(
        scan=budget_estimate.scan,
        parameters=("budget", "slack", "min_n", "subject"),
        lookback=0,
        null=rates(0.0001),
        fault=rates(0.0001, 0.02),
        false_alarms=0.001,
        invariances=(later, without_baseline),
    ),
    "budget_bound": Detector(
        scan=budget_bound.scan,
        resume=budget_bound.resume,
        parameters=("budget", "slack", "alpha", "subject"),
        lookback=None,
        null=rates(0.001),
        fault=rates(0.001, 0.02),
        false_alarms=0.001,
        invariances=(later,),
    ),
    "one_event": Detector(
        scan=one_event.scan,
        parameters=("subject",),
        lookback=0,
        null=events(0),
        fault=events(1),
        false_alarms=0.0,
        invariances=(later,),
    ),
    "jensen_shannon": Detector(
        scan=jensen_shannon.scan,
        parameters=("threshold", "alpha", "min_n", "pool", "season", "subject"),
        lookback=7,
        lookback_from="pool",
        null=histograms(_EVEN, None, _BINS),
        fault=histograms(_EVEN, _MOVED, _BINS),
        false_alarms=0.001,
        invariances=(later, shifted, reordered),
    ),
    "entropy_floor": Detector(
        scan=entropy_floor.scan,
        parameters=("threshold", "min_n", "subject"),
        lookback=0,
        null=histograms((0.4, 0.3, 0.2, 0.1)),
        fault=histograms((0.4, 0.3, 0.2, 0.1), (0.97, 0.01, 0.01, 0.01)),
        false_alarms=0.0,
        invariances=(later, shifted, reordered),
    ),
    "silence": Detector(
        scan=silence.scan,
        resume=silence.resume,
        parameters=("lookback", "floor", "season", "subject"),
        lookback=None,
        null=volume(200.0, 200.0),
        fault=volume(200.0, 0.0),
        false_alarms=0.0,
        invariances=(later, without_baseline),
    ),
}
