"""Commands about logs: ingest, validate, summarize, baseline freeze, estimate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from monitor.candidates import SPECS
from monitor.clock import stamp
from monitor.commands.options import CONFIG, DONE, NO, Config, Json, emit, err, known, moment
from monitor.runtime import open_parts
from monitor.settings import ConfigurationError, Source
from monitor.sources import SOURCES
from monitor.sources.files import FileSource
from monitor.tick import Parts
from ope import INTERVALS


def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Files, directories or globs.")],
    policy: Annotated[str, typer.Option(help="Policy that took the decisions.")],
    version: Annotated[str | None, typer.Option(help="Version of rows that name none.")] = None,
    format: Annotated[str, typer.Option(help="parquet, jsonl, csv or obd.")] = "parquet",
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """Import decision logs: validated, deduplicated, exactly once; what is refused is quarantined with its reason.

    Exit status 1 if a whole file could not be read; rows that are quarantined are listed and do not change it.
    """
    from monitor.commands.progress import ImportBar
    from monitor.landing.imports import import_logs

    parts = open_parts(config)
    source = _source(parts, known(parts, policy), format, version)
    here = [Path.cwd() / path for path in paths]
    with ImportBar(err, _sizes(source.kind, here), quiet=as_json) as bar:
        result = import_logs(parts, policy, source, here, bar.add)
    emit(result.to_dict(), as_json, result.sentence())
    return NO if result.pulled.problems else DONE


def validate(config: Config = CONFIG, as_json: Json = False) -> int:
    """Check the configuration and a sample of each source; nothing is written."""
    from monitor.starting.check import check

    findings = check(config)
    bad = any(finding.bad for finding in findings)
    lines = [f"{config}: {'must be mended' if bad else 'valid'}"]
    lines += [f"  {'!' if finding.bad else '·'} {finding.where}: {finding.text}" for finding in findings]
    emit({"valid": not bad, "findings": [vars(finding) for finding in findings]}, as_json, "\n".join(lines))
    return NO if bad else DONE


def summarize(
    policy: Annotated[str, typer.Argument(help="Policy.")],
    begin: Annotated[str, typer.Option("--from", help="Start of the span (RFC 3339).")],
    end: Annotated[str, typer.Option("--to", help="End of the span.")],
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """Count the summaries of a span's days again from the lake, with the plan of today."""
    parts = open_parts(config)
    span = (moment(begin, "--from") or 0.0, moment(end, "--to") or 0.0)
    if span[1] <= span[0]:
        raise ConfigurationError(f"--from {begin} is not before --to {end}")
    count = parts.landing.rebuild(known(parts, policy), *span)
    emit({"policy": policy, "hours": count}, as_json, f"{policy}: {count} hours counted again from the lake")
    return DONE


def freeze(
    policy: Annotated[str, typer.Argument(help="Policy.")],
    begin: Annotated[str, typer.Option("--from", help="Start of the reference span (RFC 3339).")],
    end: Annotated[str, typer.Option("--to", help="End of the reference span.")],
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """Freeze and version the reference: bins from it alone, windows of it as the measure of what is usual."""
    from monitor.bucketing.baseline import freeze as run

    parts = open_parts(config)
    span = (moment(begin, "--from") or 0.0, moment(end, "--to") or 0.0)
    identity = run(parts, known(parts, policy), *span, actor="cli")
    text = (
        f"baseline {identity} of {policy}: {stamp(span[0])} to {stamp(span[1])}; windows after it are judged against it"
    )
    emit({"baseline": identity, "policy": policy, "from": stamp(span[0]), "to": stamp(span[1])}, as_json, text)
    return DONE


def estimate(
    log: Annotated[Path, typer.Argument(help="Log file or directory.")],
    candidate: Annotated[list[str], typer.Option(help=f"{SPECS}; clone imitates the log; may be repeated.")],
    format: Annotated[str | None, typer.Option(help="parquet, jsonl, csv or obd; absent: by the files' names.")] = None,
    estimators: Annotated[str | None, typer.Option(help="Comma-separated; absent: every one that applies.")] = None,
    interval: Annotated[str, typer.Option(help=f"Kind of interval: {', '.join(INTERVALS)}.")] = "delta",
    level: Annotated[float, typer.Option(help="Coverage of the intervals.")] = 0.95,
    q: Annotated[str | None, typer.Option("--q", help="Column of per-action values; absent: they are fitted.")] = None,
    gamma: Annotated[float, typer.Option(help="Discount, for estimators of trajectories.")] = 1.0,
    target: Annotated[str, typer.Option(help="What is estimated: reward, cost.NAME or outcome.NAME.")] = "reward",
    segment: Annotated[str | None, typer.Option(help="Also by each value of the column segment.NAME.")] = None,
    cvar: Annotated[
        list[float] | None, typer.Option(help="Also the mean of this share of the worst; repeatable.")
    ] = None,
    quantile: Annotated[list[float] | None, typer.Option(help="Also this quantile of the reward; repeatable.")] = None,
    margin: Annotated[str, typer.Option(help='Loss against the log\'s policy that is allowed: 0.01, or "1%".')] = "0",
    behaviour: Annotated[
        list[str] | None,
        typer.Option(help="estimate: fit the propensities; VERSION=SPEC for each version: the policies of the log."),
    ] = None,
    as_json: Json = False,
) -> int:
    """Estimate off-policy values of a log file or directory; needs no configuration."""
    from monitor.estimate import estimate as run
    from monitor.estimate.report import text

    names = estimators.split(",") if estimators else None
    document = run(
        log, candidate, kind=format, q=q, gamma=gamma, estimators=names, interval=interval, level=level, target=target,
        segment=segment, cvar=cvar or (), quantiles=quantile or (), margin=margin, behaviour=behaviour or (),
    )  # fmt: skip
    emit(document, as_json, text(document), ordered=True)
    return DONE


def _sizes(kind: str, paths: list[Path]) -> dict[str, int]:
    readers = [SOURCES[kind](path, "", None) for path in paths]
    files = [file for reader in readers if isinstance(reader, FileSource) for file in reader.files()]
    return {str(file): file.stat().st_size for file in files if file.exists()}


def _source(parts: Parts, policy: str, kind: str, version: str | None) -> Source:
    if kind not in SOURCES:
        raise ConfigurationError(f"--format {kind}: unknown; known: {', '.join(SOURCES)}")
    configured = parts.settings.policy[policy].source
    same = configured is not None and configured.kind == kind
    changes: dict[str, Any] = {"kind": kind, "path": ".", "version": version}
    return configured.model_copy(update=changes) if same and configured else Source(**changes)
