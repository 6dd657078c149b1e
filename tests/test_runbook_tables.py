"""The state tables of actions, alerts and incidents, over every pair."""

from __future__ import annotations

import itertools

import pytest

from runbooks import actions, alerts, incidents
from runbooks.actions import ActionEvent, ActionState
from runbooks.alerts import AlertEvent, AlertState
from runbooks.incidents import IncidentEvent, IncidentState
from runbooks.machine import UnknownTransitionError

ALERT_PAIRS = list(itertools.product(AlertState, AlertEvent))
ACTION_PAIRS = list(itertools.product(ActionState, ActionEvent))
INCIDENT_PAIRS = list(itertools.product(IncidentState, IncidentEvent))


@pytest.mark.parametrize(("state", "event"), ALERT_PAIRS)
def test_every_alert_pair_leads_to_a_state(state: AlertState, event: AlertEvent) -> None:
    assert alerts.next_state(state, event) in set(AlertState)


@pytest.mark.parametrize(("state", "event"), ACTION_PAIRS)
def test_every_action_pair_leads_to_a_state_or_is_an_error(state: ActionState, event: ActionEvent) -> None:
    if (state, event) in actions.TABLE:
        assert actions.step(state.value, event.value) is actions.TABLE[state, event]
    else:
        with pytest.raises(UnknownTransitionError, match=f"'{state}' cannot '{event}'"):
            actions.step(state, event)


@pytest.mark.parametrize(("state", "event"), [("asleep", "breach"), ("firing", "shrug"), ("", "")])
def test_an_unknown_alert_state_or_event_is_an_error(state: str, event: str) -> None:
    with pytest.raises(UnknownTransitionError):
        alerts.next_state(state, event)


def test_an_unknown_action_state_or_event_is_an_error() -> None:
    with pytest.raises(UnknownTransitionError):
        actions.step("asleep", "claim")
    with pytest.raises(UnknownTransitionError):
        actions.step("pending", "shrug")


@pytest.mark.parametrize("state", AlertState)
def test_absence_of_data_never_moves_an_alert(state: AlertState) -> None:
    assert alerts.next_state(state, AlertEvent.ABSENT) == state


def test_an_open_alert_is_resolved_only_by_health_that_held_or_by_a_version_that_is_gone() -> None:
    resolving = {
        event
        for state, event in ALERT_PAIRS
        if state in alerts.OPEN and alerts.TABLE[state, event] is AlertState.RESOLVED
    }
    assert resolving == {AlertEvent.CLEAR_HELD, AlertEvent.WITHDRAWN}


def test_an_alert_fires_only_after_a_breach_that_held_unless_it_was_recovering() -> None:
    firing = {
        (state, event)
        for state, event in ALERT_PAIRS
        if alerts.TABLE[state, event] is AlertState.FIRING and state is not AlertState.FIRING
    }
    assert {event for state, event in firing if state is not AlertState.RECOVERING} == {AlertEvent.BREACH_HELD}
    assert (AlertState.RECOVERING, AlertEvent.BREACH) in firing


@pytest.mark.parametrize("state", sorted(actions.TERMINAL))
def test_nothing_happens_to_an_action_that_is_finished(state: ActionState) -> None:
    possible = {event for event in ActionEvent if (state, event) in actions.TABLE}
    assert possible == ({ActionEvent.RELAPSE} if state is ActionState.CONFIRMED else set())


@pytest.mark.parametrize("state", sorted(actions.UNFINISHED))
def test_whatever_is_unfinished_can_be_cancelled_and_superseded(state: ActionState) -> None:
    assert actions.step(state, "cancel") is ActionState.CANCELLED
    assert actions.step(state, "supersede") is ActionState.SUPERSEDED


def test_only_what_was_delivered_can_be_confirmed() -> None:
    assert set(actions.accepting(ActionEvent.CONFIRM)) == {ActionState.DELIVERED, ActionState.UNCONFIRMED}


def test_every_action_state_can_be_reached() -> None:
    assert {ActionState.PROPOSED, *actions.TABLE.values()} == set(ActionState)


@pytest.mark.parametrize(("state", "event"), INCIDENT_PAIRS)
def test_every_incident_pair_leads_to_a_state_or_is_an_error(state: IncidentState, event: IncidentEvent) -> None:
    if (state, event) in incidents.TABLE:
        assert incidents.step(state.value, event.value) is incidents.TABLE[state, event]
    else:
        with pytest.raises(UnknownTransitionError, match=f"'{state}' cannot '{event}'"):
            incidents.step(state, event)


def test_an_unknown_incident_state_or_event_is_an_error() -> None:
    for state, event in (("asleep", "acknowledge"), ("triggered", "shrug")):
        with pytest.raises(UnknownTransitionError):
            incidents.step(state, event)


def test_what_is_triggered_is_ended_by_a_person_or_by_the_end_of_the_trouble() -> None:
    here = IncidentState.TRIGGERED
    leaving = {event for event in IncidentEvent if incidents.TABLE.get((here, event)) not in {None, here}}
    people = {IncidentEvent.ACKNOWLEDGE, IncidentEvent.START_MITIGATION, IncidentEvent.RESOLVE}
    assert leaving == people | {IncidentEvent.CONFIRM_MITIGATION}


@pytest.mark.parametrize("state", sorted(incidents.ANSWERED))
def test_whoever_holds_an_incident_loses_it_again(state: IncidentState) -> None:
    for event in ("expire", "unacknowledge", "trigger"):
        assert incidents.step(state, event) is IncidentState.TRIGGERED


def test_every_incident_state_can_be_reached_and_a_closed_one_only_reopened() -> None:
    assert {IncidentState.TRIGGERED, *incidents.TABLE.values()} == set(IncidentState)
    assert [event for event in IncidentEvent if (IncidentState.CLOSED, event) in incidents.TABLE] == [
        IncidentEvent.REOPEN
    ]
    assert set(incidents.accepting(IncidentEvent.CLOSE)) == {"resolved"}
