"""The command `checkrein`: every command has --config, --json for machines, and exit status 0, 1, 2 or 3."""

from __future__ import annotations

import logging
import sys

import typer
from typer.exceptions import Abort, TyperException

from monitor.bucketing.baseline import BaselineError
from monitor.candidates import CandidateError
from monitor.commands import (
    acting,
    alerting,
    drilling,
    governing,
    identifying,
    incidents,
    logs,
    looking,
    notifying,
    replaying,
    reporting,
    reviewing,
    rolling,
    running,
    silencing,
    starting,
    watching,
)
from monitor.commands.options import DONE, UNREACHABLE, USAGE, err
from monitor.log_store.lake import LakeFullError
from monitor.settings import ConfigurationError
from monitor.sources import SourceError
from monitor.store.database import DatabaseUnavailableError
from monitor.validate import MappingError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
baseline_app = typer.Typer(no_args_is_help=True, help="Freeze the reference that a policy is compared with.")
app.add_typer(baseline_app, name="baseline")
app.add_typer(acting.action_app, name="action")
app.add_typer(alerting.alert_app, name="alert")
app.add_typer(governing.checklist_app, name="checklist")
app.add_typer(governing.runbook_app, name="runbook")
governing.runbook_app.command("drill")(drilling.drill)
app.add_typer(incidents.incident_app, name="incident")
app.add_typer(reporting.report_app, name="report")
app.add_typer(reviewing.review_app, name="review")
app.add_typer(rolling.rollout_app, name="rollout")
app.add_typer(identifying.token_app, name="token")
app.add_typer(notifying.notify_app, name="notify")
app.add_typer(silencing.silence_app, name="silence")
baseline_app.command("freeze")(logs.freeze)
for _command in (
    starting.init,
    running.demo,
    running.serve,
    running.web,
    running.worker,
    running.tick,
    logs.validate,
    logs.ingest,
    logs.summarize,
    logs.estimate,
    watching.watch,
    looking.status,
    looking.why,
    looking.route,
    looking.rollback,
    acting.kill,
    incidents.oncall,
    replaying.backtest,
    replaying.budget,
):
    app.command()(_command)


def main() -> None:
    """Run the command and end with its exit status; a known error is one sentence, never a traceback."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(message)s")
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # a pass that outlasts its interval is no news
    try:
        sys.exit(app(standalone_mode=False) or DONE)
    except Abort:
        sys.exit(UNREACHABLE)
    except TyperException as error:
        if error.format_message():  # none where the help was shown instead
            _say(error.format_message())
        sys.exit(USAGE)
    except DatabaseUnavailableError as error:
        dark = " A rollback does not need it: add --break-glass" if "rollback" in sys.argv[1:2] else ""
        _say(f"the database is locked or away: {error}. Nothing was written: run the same command again.{dark}")
        sys.exit(UNREACHABLE)
    except (LakeFullError, OSError) as error:
        _say(str(error))
        sys.exit(UNREACHABLE)
    except (
        ConfigurationError,
        BaselineError,
        SourceError,
        MappingError,
        CandidateError,
        ValueError,
    ) as error:
        _say(str(error))
        sys.exit(USAGE)


def _say(text: str) -> None:
    err.print(f"checkrein: {text}", markup=False, highlight=False, soft_wrap=True)
