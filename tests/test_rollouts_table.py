"""The state table of rollouts, over every pair."""

from __future__ import annotations

import itertools

import pytest

from runbooks import rollouts
from runbooks.machine import UnknownTransitionError
from runbooks.rollouts import OPEN, TABLE, TERMINAL, Phase, RolloutEvent, step

PAIRS = list(itertools.product(Phase, RolloutEvent))
RAISES = {RolloutEvent.ADVANCE, RolloutEvent.FINISH}


@pytest.mark.parametrize(("phase", "event"), PAIRS)
def test_every_pair_leads_to_a_phase_or_is_an_error(phase: Phase, event: RolloutEvent) -> None:
    if (phase, event) in TABLE:
        assert step(phase.value, event.value) is TABLE[phase, event]
    else:
        with pytest.raises(UnknownTransitionError, match=f"'{phase}' cannot '{event}'"):
            step(phase, event)


@pytest.mark.parametrize(("phase", "event"), [("asleep", "pause"), ("baking", "shrug"), ("", "")])
def test_an_unknown_phase_or_event_is_an_error(phase: str, event: str) -> None:
    with pytest.raises(UnknownTransitionError):
        step(phase, event)


@pytest.mark.parametrize("phase", sorted(OPEN))
def test_whatever_is_open_can_be_aborted_rolled_back_and_overtaken(phase: Phase) -> None:
    assert step(phase, "abort") is Phase.ABORTING
    assert step(phase, "roll_back") in {Phase.ROLLED_BACK, Phase.ABORTED}
    assert step(phase, "overtake") is Phase.ABORTED


@pytest.mark.parametrize("phase", sorted(TERMINAL))
def test_nothing_happens_to_a_rollout_that_has_ended(phase: Phase) -> None:
    assert {event for event in RolloutEvent if (phase, event) in TABLE} == set()


def test_exposure_rises_only_from_approval_or_a_pass() -> None:
    assert {phase for phase, event in TABLE if event is RolloutEvent.ADVANCE} == {Phase.APPROVED, Phase.PASSED}
    assert {old for (old, _event), new in TABLE.items() if new is Phase.APPLYING} == {
        Phase.APPROVED, Phase.PASSED, Phase.PAUSED,
    }  # fmt: skip


def test_only_a_judgement_passes_and_only_a_judged_stage_is_stable() -> None:
    judged = {Phase.JUDGING, Phase.PASSED, *rollouts.WAITING}
    assert {old for (old, _event), new in TABLE.items() if new is Phase.PASSED} == judged
    assert {old for (old, _event), new in TABLE.items() if new is Phase.STABLE} == {Phase.JUDGING, *rollouts.WAITING}


def test_every_phase_is_reached_and_every_event_used() -> None:
    assert {*TABLE.values(), Phase.DRAFT} == set(Phase)
    assert {event for _phase, event in TABLE} == set(RolloutEvent)
