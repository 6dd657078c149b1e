"""Put the parts together: configuration file -> database, lake, landing, clock."""

from __future__ import annotations

import os
import socket
import uuid
from pathlib import Path

from sqlalchemy import select, update

from monitor.acting import rollback
from monitor.clock import Clock, parse_clock
from monitor.landing.land import Landing
from monitor.settings import ConfigurationError, Settings, load
from monitor.store.database import Database
from monitor.store.tables import policies, routes
from monitor.tick import Parts

CLOCK_VARIABLE = "CHECKREIN_CLOCK"
_SQLITE = "sqlite:///"


def open_parts(config: Path) -> Parts:
    """Read a configuration file, open and migrate its database, and return the parts of a pass.

    Raises
    ------
    ConfigurationError
        If the file, or the clock that the environment injects, is wrong.
    """
    return build(load(config), clock_of_environment())


def clock_of_environment() -> Clock:
    """Return the clock that the environment injects, else the machine's.

    Raises
    ------
    ConfigurationError
        If what the environment says is no clock.
    """
    try:
        return parse_clock(os.environ.get(CLOCK_VARIABLE))
    except ValueError as error:
        raise ConfigurationError(str(error)) from None


def build(settings: Settings, clock: Clock) -> Parts:
    """Build the parts from settings, with every configured policy present in the database."""
    url = url_of(settings)
    if url != settings.store.url:  # a relative path: its directory is ours to make
        Path(url.removeprefix(_SQLITE)).parent.mkdir(parents=True, exist_ok=True)
    database = Database(url)
    database.migrate()
    parts = Parts(settings, database, clock, Landing(database, settings, clock))
    with database.read() as connection:
        watched = select(policies.c.policy).join(routes, routes.c.policy == policies.c.policy)
        met = set(connection.execute(watched.where(policies.c.watch_from.is_not(None))).scalars())
    if met >= set(settings.policy):
        return parts  # looking needs no write, and must not wait for one
    with database.begin() as connection:
        for policy in settings.policy:
            rollback.ensure_policy(connection, settings, policy)
            unwatched = (policies.c.policy == policy) & policies.c.watch_from.is_(None)
            connection.execute(update(policies).where(unwatched).values(watch_from=clock.now()))
            rollback.ensure_route(connection, settings, clock, policy)
    return parts


def worker_name() -> str:
    """Return a name for this worker that no other has: host, process and a random part."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def url_of(settings: Settings) -> str:
    """Return the database URL, a relative SQLite path taken from the configuration's directory."""
    url = settings.store.url
    if url.startswith(_SQLITE) and not url.startswith(_SQLITE + "/") and url != _SQLITE:
        return f"{_SQLITE}{settings.path(url.removeprefix(_SQLITE))}"
    return url
