"""A browser, and a served store in each state: seeded once, copied for each server."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.visits import Go, Visit, chromium
from tests.seeds import seed, served

# A state -> the seeding whose store it shows: late is a healthy store that nobody judges any more, broken a firing one.
SEEDED = {"stale": "healthy", "error": "firing"}


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that returns a store of a state of its own: seeding takes seconds, copying does not."""
    root, made = tmp_path_factory.mktemp("stores"), dict[str, Path]()

    def store(state: str) -> Path:
        source = SEEDED.get(state, state)
        if source not in made:
            made[source] = seed(root / source, source)
        return Path(shutil.copytree(made[source], tmp_path_factory.mktemp(state) / "store"))

    return store


@pytest.fixture(scope="module")
def served_state(stores: Callable[[str], Path]) -> Iterator[Callable[[str], str]]:
    """Return a function that serves a state and returns the address."""
    running = dict[str, str]()
    with ExitStack() as stack:

        def serve(state: str) -> str:
            if state not in running:
                running[state] = stack.enter_context(served(stores(state), state))
            return running[state]

        yield serve


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a browser; not for the session, because its event loop would be in the way of other modules' own."""
    with chromium() as opened:
        yield opened


@pytest.fixture
def go(browser: Browser) -> Iterator[Go]:
    """Return a function that starts a visit; at the end none may have done what a page must not do."""
    visits: list[Visit] = []

    def start(address: str, theme: str = "light", width: int = 1440, zone: str = "UTC") -> Visit:
        visits.append(Visit(browser, address, theme, width, zone))
        return visits[-1]

    yield start
    wrong = [line for visit in visits for line in visit.wrong]
    for visit in visits:
        visit.close()
    assert wrong == []
