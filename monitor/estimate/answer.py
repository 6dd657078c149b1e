"""One candidate's answer: every estimator that applies, by segment, the tail, and the difference to what acted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.candidates import CandidateError
from monitor.candidates.scored import Floats
from monitor.estimate.compared import compared
from monitor.estimate.facts import Facts
from monitor.estimate.predicted import of_decisions, of_episodes, suspected, with_given
from monitor.estimate.rows import Rows
from monitor.estimate.states import complete, features
from monitor.estimate.tail import tail
from monitor.estimate.tally import Tally, View
from monitor.estimate.trajectories import numbered, require_whole, trajectories
from monitor.estimate.wanted import ESTIMATED, VERSIONS, Wanted
from monitor.settings import ConfigurationError
from ope import ESTIMATORS, Decisions, Estimate, Judgement, Trust, evaluate, judge, worst
from ope.estimator import DECISIONS, EPISODES
from ope.models.behaviour import Behaviour, fit_behaviour
from ope.trajectory.episodes import MOST_STEPS, Episodes
from ope.verdict.health_evidence import Evidence

MOST_SEGMENTS = 50
BOUNDED = ("bernstein", "sequence_bounded")  # intervals that need to know how far a term can be from another
STEPS = (
    "Episodes have several steps, but each decision is weighted on its own: how the candidate would change the states "
    "that follow is not in the estimate."
)


@dataclass(frozen=True, eq=False)
class Asked:
    """What candidates are answered with: the log and the options."""

    rows: Rows
    facts: Facts
    wanted: Wanted

    @property
    def executed(self) -> tuple[str, ...]:
        """Names of the actions of the log."""
        return tuple(sorted(self.facts.executed))

    @cached_property
    def imitated(self) -> Behaviour:
        """The policy that acted as a model sees it, each row from a model that has not seen it.

        Raises
        ------
        ConfigurationError
            If it cannot be fitted.
        """
        try:
            return fit_behaviour(
                complete(self.features[0]),
                self.rows.actions(self.executed),
                actions=len(self.executed),
                unit=self.clustered,
                eligible=self.rows.eligible(self.executed),
            )
        except ValueError as error:
            raise ConfigurationError(f"no model of the log's policy can be fitted: {error}") from None

    @property
    def acted(self) -> Behaviour | None:
        """The same, where propensities are to be estimated."""
        return self.imitated if self.wanted.behaviour == ESTIMATED else None

    @cached_property
    def features(self) -> tuple[Floats, tuple[str, ...]]:
        """State features, shape (rows, features), and their names."""
        return features(self.rows.table)

    @cached_property
    def clustered(self) -> NDArray[np.int64] | None:
        """Which rows belong together, shape (rows,): an episode's steps; None: every row is its own."""
        return self.rows.episodes() if self.facts.several_steps else None


def answer(tally: Tally, asked: Asked) -> dict[str, Any]:
    """Return the public JSON of one candidate.

    Raises
    ------
    ConfigurationError
        If an estimator that was asked for does not apply, or a column does not fit the candidate; names it.
    """
    wanted, facts = asked.wanted, asked.facts
    view = tally.view(asked.rows, facts, features=asked.features[0], clustered=asked.clustered)
    single, several = (_names(view, asked, tally.spec, kind) for kind in (DECISIONS, EPISODES))
    _used([*single, *several], wanted)
    left_out = 1 - len(view.log) / facts.read
    try:
        parts = []
        if several:
            episodes = trajectories(view, asked.rows, wanted.gamma)
            require_whole(view, asked.rows, facts)
            if wanted.estimators is None and episodes.horizon > MOST_STEPS:
                several = [name for name in several if not ESTIMATORS[name].by_step]
            judged = _judged(Evidence.of(episodes, view.names or None, asked.features[1]), asked, tally, left_out)
            parts.append(_evaluated(episodes, several, judged, view, asked, tally.spec))
        if single:
            evidence = Evidence.of(view.log, view.names or None, asked.features[1])
            judged = _judged(evidence, asked, tally, left_out)
            parts.append(_evaluated(view.log, single, judged, view, asked, tally.spec))
        main = parts[0]
        document: dict[str, Any] = {
            "candidate": tally.spec,
            "verdict": best(part.judged.verdict for part in parts).value,
            "estimates": [item.to_dict() for part in reversed(parts) for item in part.estimates],
            "diagnostics": main.judged.diagnostics.to_dict(),
            "difference": compared(main.log, [item.estimator for item in main.estimates], main.judged, wanted),
        }
        if (worst_part := tail(view.log, _of_single(parts[-1].judged, asked), wanted)) is not None:
            document["distribution"] = worst_part
        if wanted.segment is not None:
            document["segments"] = list(_segments(view, single, asked, tally))
    except ValueError as error:
        raise ConfigurationError(f"candidate {tally.spec}: {error}") from None
    return document


@dataclass(frozen=True, eq=False)
class Part:
    """What came out for the log as single decisions, or as episodes."""

    log: Decisions | Episodes
    judged: Judgement
    estimates: list[Estimate]


def best(verdicts: Iterable[Trust]) -> Trust:
    """Return the most trusting answer: a candidate's verdict is not below what one of its estimates may have."""
    order = list(Trust)
    return min(verdicts, key=order.index)


def _names(view: View, asked: Asked, spec: str, kind: str) -> list[str]:
    """Return which estimators of a kind to compute, in the order of the registry or as asked for."""
    wanted = asked.wanted
    known = [name for name, item in ESTIMATORS.items() if item.log == kind and (view.names or not item.model)]
    if wanted.estimators is None:
        known = [name for name in known if wanted.interval not in BOUNDED or ESTIMATORS[name].span is not None]
        steps = asked.facts.several_steps and numbered(asked.rows)
        return known if kind == DECISIONS or steps else []
    chosen = [name for name in dict.fromkeys(wanted.estimators) if ESTIMATORS[name].log == kind]
    for name in chosen:
        if name not in known:
            raise CandidateError(
                f"candidate {spec}: {name} needs the probability of every action, but only that of the executed one is "
                "known: log a list, one probability for each action, or leave the estimator out"
            )
    return chosen


def _used(names: list[str], wanted: Wanted) -> None:
    """Raise ConfigurationError if an option was given that none of the estimators uses."""
    if wanted.q is not None and not any(ESTIMATORS[name].model for name in names):
        able = ", ".join(name for name, item in ESTIMATORS.items() if item.model)
        raise ConfigurationError(f"--q {wanted.q}: only model-based estimators use it, and none applies: {able}")
    if wanted.gamma != 1.0 and not any(ESTIMATORS[name].log == EPISODES for name in names):
        need = "they need the columns episode_id and step, and episodes of several steps"
        need = f"none of them has the interval {wanted.interval}" if wanted.interval in BOUNDED else need
        raise ConfigurationError(
            f"--gamma {wanted.gamma:g}: only trajectory estimators use it, and none applies: {need}"
        )


def _evaluated(
    log: Decisions | Episodes, names: list[str], judged: Judgement, view: View, asked: Asked, spec: str
) -> Part:
    """Evaluate; estimators whose model cannot be fitted are refused, with the reason."""
    wanted, why, said = asked.wanted, None, None
    sequential = isinstance(log, Episodes)
    if not sequential:
        judged = _of_single(judged, asked)
    if any(ESTIMATORS[name].model for name in names):
        # of episodes of several steps the log's own values are those of an action with everything that follows
        if asked.rows.q is not None and sequential == asked.facts.several_steps:
            log = with_given(log, view, asked.rows, wanted.q or "", spec)
            said = suspected(log)
        else:
            try:
                log = of_episodes(log) if isinstance(log, Episodes) else of_decisions(log)
            except ValueError as error:
                why = f"No model can be fitted: {error}."
    can = [name for name in names if why is None or not ESTIMATORS[name].model]
    options: dict[str, Any] = {"level": wanted.level, "interval": wanted.interval, "judgement": judged}
    found = {item.estimator: item for item in evaluate(log, can, **options)}
    for name in can:
        if said is not None and ESTIMATORS[name].model:
            weak = worst(found[name].trust, Trust.WEAK)
            found[name] = replace(found[name], trust=weak, reasons=(*found[name].reasons, said))
    return Part(log, judged, [found.get(name) or refused(name, judged, log, wanted, why or "") for name in names])


def _of_single(judged: Judgement, asked: Asked) -> Judgement:
    """Return what single decisions are judged by: of episodes with several steps they are weak."""
    if not asked.facts.several_steps or STEPS in judged.reasons:
        return judged
    return replace(judged, verdict=worst(judged.verdict, Trust.WEAK), reasons=(*judged.reasons, STEPS))


def refused(name: str, judged: Judgement, log: Decisions | Episodes, wanted: Wanted, why: str) -> Estimate:
    """Return an estimate that says why there is none."""
    none, reasons = None, (*judged.reasons, why)
    return Estimate(
        name, none, none, none, none, wanted.level, wanted.interval, none, none, len(log), judged.diagnostics.ess,
        Trust.REFUSED, reasons,
    )  # fmt: skip


def _judged(
    evidence: Evidence, asked: Asked, tally: Tally, left_out: float, unsupported: float | None = None
) -> Judgement:
    """Judge the log and the weights, with what the log itself has against it."""
    judged = judge(evidence.weights, evidence=evidence, unsupported_mass=unsupported, left_out=left_out)
    verdict, reasons = judged.verdict, [*judged.reasons, *asked.facts.sentences(), *tally.sentences()]
    if asked.facts.behaviour == VERSIONS and asked.rows.furthest > 1e-3:
        verdict = worst(verdict, Trust.WEAK)
        reasons.append(
            f"Logged propensities differ by up to {asked.rows.furthest:.3g} from those of the given policies."
        )
    judged = replace(judged, verdict=verdict, reasons=tuple(reasons))
    return judged if asked.acted is None else asked.acted.weaken(judged)


def _segments(view: View, names: list[str], asked: Asked, tally: Tally) -> Any:
    """Yield the answer for each value of the segment, judged by its own weights."""
    wanted = asked.wanted
    column = f"segment.{wanted.segment}"
    if column not in asked.rows.table.column_names:
        raise ConfigurationError(f"--segment {wanted.segment}: the log has no column {column}")
    if not names:
        raise ConfigurationError(
            f"--segment {wanted.segment}: values by segment are of single decisions: ask for snips, too"
        )
    values = asked.rows.text(column)[view.used]
    known = sorted({value for value in values if value is not None})
    if len(known) > MOST_SEGMENTS:
        raise ConfigurationError(
            f"--segment {wanted.segment}: {column} has {len(known):,} values, at most {MOST_SEGMENTS} can be read"
        )
    for value in known:
        seen = view.part(np.flatnonzero(values == value))
        evidence = Evidence.of(seen.log, view.names or None, asked.features[1])
        judged = _judged(evidence, asked, tally, 0.0, seen.unsupported)
        part = _evaluated(seen.log, names, judged, seen, asked, tally.spec)
        yield {
            "segment": wanted.segment,
            "value": value,
            "rows": len(seen.log),
            "mean_reward": float(seen.log.reward.mean()),
            "verdict": part.judged.verdict.value,
            "estimates": [item.to_dict() for item in part.estimates],
            "diagnostics": judged.diagnostics.to_dict(),
        }
