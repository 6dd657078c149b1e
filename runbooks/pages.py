"""Runbook pages: one Markdown file a trigger, front matter a machine reads, four headings a tired person follows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib import resources
from typing import Any

from runbooks.checklist import safe_yaml

HEADINGS = ("Meaning", "Impact", "Diagnosis", "Mitigation")
STEPS = ("evidence", "check", "decision", "action", "notify")

# What a page may leave open for the measured values.
PLACEHOLDERS: dict[str, str] = {
    "policy": "policy that fired",
    "version": "version that was judged",
    "serving": "version that serves now",
    "fallback": "version that a rollback goes to",
    "trigger": "trigger",
    "key": "constraint, feature or action that it is about",
    "severity": "severity of the firing",
    "state": "state of the alert now",
    "reason": "the verdict's sentence",
    "value": "measured value of the metric",
    "statistic": "number that was compared",
    "low": "lower limit of the statistic",
    "high": "upper limit of the statistic",
    "n": "decisions behind it",
    "window_start": "start of the judged window",
    "window_end": "end of the judged window",
    "decision_id": "decision that fired it",
    "baseline": "baseline that it was compared with",
    "action": "rollback that it asked for, and where that stands",
    "since": "when it began to fire",
}
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_DURATION = re.compile(r"(\d+)([smhd])")
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
NOT_MEASURED = "(not measured)"


class PageError(ValueError):
    """The page cannot be read or filled in; the message names the page and the key."""


@dataclass(frozen=True)
class Step:
    """One step: what kind, what to do, how long it may take, what it should show, and what then if not."""

    kind: str
    do: str
    within: str
    expect: str
    on_timeout: str


@dataclass(frozen=True)
class Page:
    """One runbook page, read and checked."""

    name: str
    owner: str
    primary: str
    deputy: str
    anyone_after: str
    ack_within: str
    mitigate_within: str
    drill_every: str
    last_drill: str | None
    steps: tuple[Step, ...]
    text: str

    def filled(self, values: Mapping[str, object]) -> str:
        """Return the text with measured values in place of its placeholders.

        Raises
        ------
        PageError
            If the page has a placeholder that does not exist, or a value has no such name.
        """
        return fill(self.text, values, self.name)

    def front_matter(self) -> dict[str, Any]:
        """Return the front matter as plain data."""
        authority = {"primary": self.primary, "deputy": self.deputy, "anyone_after": self.anyone_after}
        names = ("owner", "ack_within", "mitigate_within", "drill_every", "last_drill")
        return {
            **{name: getattr(self, name) for name in names},
            "kill_authority": authority,
            "steps": [vars(step) for step in self.steps],
        }

    def drill_overdue(self, today: date) -> bool:
        """Tell whether the last drill is older than ``drill_every``; True where there was none."""
        if self.last_drill is None:
            return True
        return (today - date.fromisoformat(self.last_drill)).days * 86400.0 > duration(self.drill_every)


def shipped() -> dict[str, str]:
    """Return the text of every page that the product ships, by name.

    >>> "reward_3sigma" in shipped()
    True
    """
    folder = resources.files("runbooks").joinpath("alerts")
    return {
        entry.name.removesuffix(".md"): entry.read_text("utf-8")
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".md")
    }


def parse(name: str, text: str) -> Page:
    """Read a page.

    Raises
    ------
    PageError
        If front matter, a heading or a step is missing or wrong; all faults in one message.
    """
    found, problems = faults(name, text)
    if found is None or problems:
        raise PageError(f"{name}: {'; '.join(problems)}")
    return found


def faults(name: str, text: str) -> tuple[Page | None, list[str]]:
    """Return the page, None where its front matter cannot be read, and everything that is wrong with it."""
    parts = re.match(r"---\n(.*?)\n---\n(.*)", text, re.DOTALL)
    if parts is None:
        return None, ["no front matter: the file must begin with --- and the keys"]
    body = parts[2].strip() + "\n"
    problems = [f"no heading '## {heading}'" for heading in HEADINGS if f"\n## {heading}\n" not in f"\n{body}"]
    unknown = sorted(set(_PLACEHOLDER.findall(text)) - set(PLACEHOLDERS))
    problems += [f"unknown placeholder {{{word}}}" for word in unknown]
    for heading in HEADINGS:
        section = f"\n{body}".partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
        if f"\n## {heading}\n" in f"\n{body}" and not section.strip():
            problems.append(f"nothing under '## {heading}'")
    try:
        data = safe_yaml.read(parts[1])
    except safe_yaml.YamlError as error:
        return None, [f"front matter: {error}", *problems]
    page, wrong = _page(name, data, body)
    return page, [*wrong, *problems]


def fill(text: str, values: Mapping[str, object], name: str = "the page") -> str:
    """Put measured values into a text; what has no value says that it was not measured.

    Raises
    ------
    PageError
        If the text has a placeholder, or ``values`` a name, that does not exist.

    Examples
    --------
    >>> fill("{version} is at {value}.", {"version": "v7", "value": 0.25})
    'v7 is at 0.25.'
    >>> fill("{value}", {})
    '(not measured)'
    """
    unknown = sorted((set(_PLACEHOLDER.findall(text)) | set(values)) - set(PLACEHOLDERS))
    if unknown:
        raise PageError(f"{name}: unknown placeholder {', '.join(unknown)}; known: {', '.join(sorted(PLACEHOLDERS))}")
    return _PLACEHOLDER.sub(lambda found: _shown(values.get(found[1])), text)


def duration(text: str) -> float:
    """Return "15m" as seconds.

    Raises
    ------
    PageError
        If it is not a whole number and s, m, h or d.

    Examples
    --------
    >>> duration("15m")
    900.0
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise PageError(f"{text!r} is not a duration: write 90s, 15m, 4h or 30d")
    return float(found[1]) * _UNITS[found[2]]


def _shown(value: object) -> str:
    if value is None or value == "":
        return NOT_MEASURED
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _page(name: str, data: Any, body: str) -> tuple[Page | None, list[str]]:
    if not isinstance(data, dict):
        return None, ["front matter must be keys and values"]
    problems: list[str] = []
    rest = dict(data)

    def take(source: dict[str, Any], key: str, where: str = "") -> str:
        value = source.pop(key, None)
        if not isinstance(value, str) or not value.strip() or value.startswith("<"):
            problems.append(f"{where}{key} is missing or not filled in")
            return ""
        return value

    def span(source: dict[str, Any], key: str, where: str = "") -> str:
        value = take(source, key, where)
        if value and _DURATION.fullmatch(value) is None:
            problems.append(f"{where}{key} is {value!r}; write 90s, 15m, 4h or 30d")
        return value

    owner = take(rest, "owner")
    raw = rest.pop("kill_authority", None)
    authority = dict(raw) if isinstance(raw, dict) else {}
    primary, deputy = (take(authority, key, "kill_authority.") for key in ("primary", "deputy"))
    if primary and primary == deputy:
        problems.append("kill_authority.deputy must be somebody else than primary")
    after = span(authority, "anyone_after", "kill_authority.")
    times = [span(rest, key) for key in ("ack_within", "mitigate_within", "drill_every")]
    if "last_drill" not in rest:
        problems.append("last_drill is missing; write null before the first one")
    drill = _date(rest.pop("last_drill", None), problems)
    steps = _steps(rest.pop("steps", None), take, span, problems)
    problems += [f"unknown key {key}" for key in [*rest, *(f"kill_authority.{key}" for key in authority)]]
    return Page(name, owner, primary, deputy, after, times[0], times[1], times[2], drill, steps, body), problems


def _date(value: Any, problems: list[str]) -> str | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(str(value)).isoformat()
    except ValueError:
        problems.append(f"last_drill is {value!r}; write 2026-11-20 or null")
        return None


def _steps(raw: Any, take: Any, span: Any, problems: list[str]) -> tuple[Step, ...]:
    if not isinstance(raw, list) or not raw:
        problems.append("steps: list at least one")
        return ()
    found = []
    for number, entry in enumerate(raw, 1):
        where = f"step {number}: "
        if not isinstance(entry, dict):
            problems.append(f"{where}must be keys and values")
            continue
        rest = dict(entry)
        kind = take(rest, "kind", where)
        if kind and kind not in STEPS:
            problems.append(f"{where}kind is {kind!r}; one of {', '.join(STEPS)}")
        found.append(Step(kind, take(rest, "do", where), span(rest, "within", where), take(rest, "expect", where),
                          take(rest, "on_timeout", where)))  # fmt: skip
        problems += [f"{where}unknown key {key}" for key in rest]
    if not {"evidence", "action"} <= {step.kind for step in found}:
        problems.append("steps: at least one evidence and one action")
    return tuple(found)
