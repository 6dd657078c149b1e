"""[trigger.*] and [hook.*]: what fires, and what is called."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from monitor.settings.model import Table
from monitor.units import Duration


def _windows(value: Any) -> int:
    number, _, unit = str(value).partition(" ")
    if unit in {"window", "windows"} and number.isdigit() and int(number) >= 1:
        return int(number)
    raise ValueError(f'{value!r} is not a number of windows: write "2 windows"')


def _effect(value: Any) -> str:
    text = str(value).strip()
    try:
        if float(text.removesuffix("%")) < 0:
            raise ValueError
    except ValueError:
        raise ValueError(
            f'{value!r} is not an effect: write "2%" of the baseline, or 0.05 in the metric\'s unit'
        ) from None
    return text


Effect = Annotated[str, BeforeValidator(_effect, json_schema_input_type=str | float)]


class Trigger(Table):
    """One rule: which metric, which detector, how bad a firing is."""

    metric: str = Field(description="A METRICS entry.")
    detector: str = Field(description="A DETECTORS entry.")
    window: Duration = Field(900.0, description="Length of the windows judged.")
    for_: Annotated[int, BeforeValidator(_windows, json_schema_input_type=str)] = Field(
        1, alias="for", description="Firing windows in a row."
    )
    clear: Annotated[int, BeforeValidator(_windows, json_schema_input_type=str)] = Field(
        2, description="Healthy windows in a row that resolve."
    )
    severity: Literal["info", "warn", "page", "rollback"] = Field("warn", description="How bad a firing is.")
    runbook: str | None = Field(None, description="Page that says what to do; default: the trigger's name.")
    enabled: bool = Field(True, description="false: the trigger is not judged.")
    dry_run: bool = Field(
        False, description="true: judged and recorded as ever, but it pages nobody and a rollback is only written down."
    )
    k: float | Literal["auto"] | None = Field(None, description='Limit in sigma; "auto": from false_rollbacks.')
    min_effect: Effect | None = Field(None, description="Smallest drop that counts.")
    min_n: int | None = Field(
        None, ge=1, description="Rows (or effective rows a bin) below which the answer is insufficient."
    )
    threshold: float | None = Field(None, description="Limit of the detectors that compare with a fixed number.")
    alpha: float | None = Field(None, gt=0, lt=1, description="Level of the detectors that test.")
    run_length: float | None = Field(
        None, gt=1, description="Mean windows to a false alarm; default: from false_rollbacks, by severity."
    )
    lower: float | None = Field(None, description="Smallest value that one row can have (detector e_detector).")
    upper: float | None = Field(None, description="Largest value that one row can have (detector e_detector).")
    lookback: int | None = Field(None, ge=2, description="Windows that a rolling detector looks back.")
    side: Literal["above", "below"] | None = Field(None, description="Where the bad values are (detector limit).")
    ratio: float | None = Field(None, gt=0, description="Limit as a multiple of the baseline (detector limit).")
    segment: str = Field(
        "", description='"all": each segment apart; "region": those of one column; "region=eu": one; "": no segment.'
    )

    @model_validator(mode="after")
    def _whole_minutes(self) -> Trigger:
        if self.window < 60 or self.window % 60 or 86400 % self.window:
            raise ValueError("window must be whole minutes that divide a day, such as 5m, 15m, 1h")
        return self


class Hook(Table):
    """What is called when a rollback is decided."""

    kind: Literal["webhook", "command"] = Field(description="A HOOKS entry.")
    url: str | None = Field(None, pattern=r"^https?://", description="webhook: where the signed event is posted.")
    secret: str | None = Field(None, description='webhook: "env:NAME" or "file:PATH" of the signing secret.')
    health: str | None = Field(
        None, pattern=r"^https?://", description="Shows generation and version; asked for the acknowledgement."
    )
    command: tuple[str, ...] | None = Field(
        None, description="command: argv list; the event arrives on its standard input."
    )
    policies: tuple[str, ...] = Field((), description="Policies that it serves; empty: all.")
    timeout: Duration = Field(5.0, description="Real time for one attempt as a whole.")
    drills: bool = Field(
        False, description='The receiver knows the mode "drill": it acknowledges, and moves no traffic.'
    )

    @model_validator(mode="after")
    def _complete(self) -> Hook:
        if self.kind == "webhook" and (self.url is None or self.secret is None):
            raise ValueError('a webhook needs url and secret (secret = "env:CHECKREIN_HOOK_SECRET")')
        if self.kind == "command" and not self.command:
            raise ValueError('a command hook needs command, a list such as ["kubectl", "rollout", "undo"]')
        return self
