"""What every command shares: its options, how it reads times, how it answers people and machines."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from monitor.settings import ConfigurationError
from monitor.tick import Parts

DONE, NO, USAGE, UNREACHABLE = 0, 1, 2, 3

Config = Annotated[Path, typer.Option("--config", help="Configuration file.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
CONFIG = Path("checkrein.toml")
err = Console(stderr=True)
out = Console()


def emit(document: Any, as_json: bool, text: str, *, ordered: bool = False) -> None:
    """Print the document for machines, its keys sorted unless their order is part of what was promised, or the text."""
    if as_json:
        print(json.dumps(document, indent=1, sort_keys=not ordered, default=str), flush=True)
    else:
        out.print(text, markup=False, highlight=False, soft_wrap=True)


def moment(text: str | None, option: str) -> float | None:
    """Read an RFC 3339 time, or seconds since 1970."""
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"{option} {text}: not a time; write it as 2026-11-20T06:00:00Z") from None
    if moment.tzinfo is None:
        raise ConfigurationError(f"{option} {text}: has no zone; write 2026-11-20T06:00:00Z or +01:00")
    return moment.astimezone(UTC).timestamp()


def known(parts: Parts, policy: str) -> str:
    """Return the policy's name if it is configured; else the error that lists those that are."""
    if policy not in parts.settings.policy:
        known = ", ".join(sorted(parts.settings.policy)) or "none"
        raise ConfigurationError(f"no policy {policy!r} in the configuration; configured: {known}")
    return policy
