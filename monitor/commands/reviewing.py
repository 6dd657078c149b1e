"""Commands for the shadow review: what waits for people, the next one, a verdict, and how far reviewers agree."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from monitor.commands.options import CONFIG, DONE, NO, Config, Json, emit, known
from monitor.runtime import open_parts

review_app = typer.Typer(no_args_is_help=True, help="Judge what a shadow version would have done otherwise.")
By = Annotated[str, typer.Option("--by", help="Who judges; two different people decide an item.")]
_POLICY = typer.Argument(help="Policy.")


@review_app.command("list")
def list_reviews(
    policy: Annotated[str, _POLICY],
    every: Annotated[bool, typer.Option("--all", help="Decided and displaced ones, too.")] = False,
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """List disagreements that wait for reviewers, newest day first, the largest of a day first."""
    from monitor.review import told

    parts = open_parts(config)
    name = known(parts, policy)
    with parts.database.read() as connection:
        found = told.listed(connection, parts.clock, name, every=every)
        queue = told.queue(connection, parts.settings, parts.clock, name)
    lines = [f"{one['id']} {one['ts']} {one['sentence']}" for one in found] or ["nothing waits for a reviewer"]
    emit(found, as_json, "\n".join([*lines, *([queue["finding"]] if queue["finding"] else [])]))
    return DONE


@review_app.command("next")
def next_review(
    policy: Annotated[str, _POLICY],
    by: By,
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """Show the item that a reviewer should judge next, without what others said. Exit status 1 if there is none."""
    from monitor.review import told

    parts = open_parts(config)
    with parts.database.read() as connection:
        found = told.following(connection, parts.clock, known(parts, policy), by)
    emit(found, as_json, "Nothing waits for you." if found is None else _shown(found))
    return NO if found is None else DONE


@review_app.command("judge")
def judge_review(
    identity: Annotated[str, typer.Argument(help="The item's id, as `review next` shows it.")],
    by: By,
    verdict: Annotated[str, typer.Option(help="improvement, neutral or exploit.")],
    note: Annotated[str, typer.Option(help="Why; others see it when they have judged.")] = "",
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """Give a verdict, or change one's own; an exploit pages. Exit status 1 if there is no such item."""
    from monitor.review import judging

    parts = open_parts(config)
    with parts.database.begin() as connection:
        found = judging.judge(
            connection, parts.clock, identity, by=by, verdict=verdict, note=note, actor=f"cli:{by.strip()}"
        )
    if found is None:
        emit(None, as_json, f"There is no review {identity}; `checkrein review list POLICY` shows those that wait.")
        return NO
    emit(found, as_json, _shown(found))
    return DONE


@review_app.command("agreement")
def show_agreement(policy: Annotated[str, _POLICY], config: Config = CONFIG, as_json: Json = False) -> int:
    """Show how far reviewers agree, and how often each verdict is true of large disagreements."""
    from monitor.review import concluded

    parts = open_parts(config)
    with parts.database.read() as connection:
        found = concluded.agreement(connection, known(parts, policy))
    lines = [found["sentence"]]
    for pair in found["pairs"]:
        kappa = "is not defined" if pair["kappa"] is None else f"is {pair['kappa']:.2f}"
        lines.append(f"Cohen's kappa of {' and '.join(pair['reviewers'])} {kappa} over {pair['items']} items.")
    for one in found["versions"]:
        lines.append(
            f"{one['version']}: {one['differing']:,} of {one['paired']:,} paired decisions differ, "
            f"{one['large']:,} by much; "
            f"{one['decided']} decided."
        )
        lines += [
            f"  {name} {rate['value']:.1%} of the large ones ({rate['low']:.1%} to {rate['high']:.1%})"
            for name, rate in one["rates"].items()
            if rate is not None
        ]
    emit(found, as_json, "\n".join(lines))
    return DONE


def _shown(item: dict[str, Any]) -> str:
    lines = [f"{item['id']}: {item['sentence']}", f"decision {item['decision_id']} at {item['ts']}"]
    lines += [f"  {name} = {value}" for name, value in sorted(item["snapshot"].items())]
    lines += [
        f"  {one['by']} says {one['verdict']}{': ' if one['note'] else ''}{one['note']}" for one in item["verdicts"]
    ]
    return "\n".join(lines)
