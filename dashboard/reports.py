"""Evidently's drift reports: a page of ours with the HTML in a sandbox, which loads nothing."""

from __future__ import annotations

from html import escape
from string import Template
from typing import Any

from dash import html
from flask import Flask, Response

from dashboard.components import link, shape_of
from dashboard.data import Data, Missing
from dashboard.words import number

_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Drift of $policy · Checkrein</title>
<link rel="icon" href="/assets/favicon.svg" type="image/svg+xml">
<script src="/assets/early.js"></script>
<link rel="stylesheet" href="/assets/style.css">
<link rel="stylesheet" href="/assets/reports.css">
</head>
<body class="report">
<main>
<p><a href="$address">$policy</a></p>
<h1>Drift of $policy, $version</h1>
<p>$begin to $end against baseline $baseline. $sentence</p>
<details><summary>Both scales</summary>
<table><thead><tr><th scope="col">column</th><th scope="col">Evidently's distance</th>
<th scope="col">bits, over the baseline's cells</th></tr></thead><tbody>$rows</tbody></table>
<p>A distance is the square root of the divergence in nats, over bins of both samples together; the triggers judge bits
over bins of the baseline alone. $left</p></details>
<p class="digest">Asked for by $actor, made $made with Evidently $evidently. SHA-256 $sha256</p>
<iframe title="Evidently's drift report" sandbox="allow-scripts" src="/reports/$sha256/evidently.html"></iframe>
</main>
</body>
</html>
""")
_OURS = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; frame-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
# What Evidently's page may do: run the scripts that it was kept with, in an origin of its own.
_THEIRS = (
    "default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; font-src data:; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-scripts"
)


def register(server: Flask, data: Data) -> None:
    """Register the addresses below /reports."""

    def page(sha256: str) -> Response:
        try:
            found = data.report(sha256)
        except Missing as error:
            return _absent(str(error))
        return _answer(_page(found), _OURS)

    def evidently(sha256: str) -> Response:
        try:
            found, body = data.report(sha256), data.report_html(sha256)
        except Missing as error:
            return _absent(str(error))
        scripts = " ".join(f"'{digest}'" for digest in found["scripts"]) or "'none'"
        response = _answer(body, _THEIRS.format(scripts=scripts))
        response.headers["X-Frame-Options"] = "SAMEORIGIN"
        response.headers["Cross-Origin-Opener-Policy"] = "unsafe-none"  # the sandbox is an origin of its own
        return response

    server.add_url_rule("/reports/<sha256>", "report", page)
    server.add_url_rule("/reports/<sha256>/evidently.html", "report-html", evidently)


def note(found: dict[str, Any] | None) -> list[Any]:
    """Return what the drift panel says of the newest report: a link, that it is being made, or why there is none."""
    if found is None:
        return []
    if found["state"] == "made":
        text = f"Drift report of {found['version']}, {found['end']}"
        return [" ", html.A(text, href=found["url"], target="_blank"), "."]
    if found["state"] == "asked":
        return [f" A drift report of {found['version']} is being made."]
    return [" ", shape_of("no_data"), f" {found['sentence']}"]


def _page(found: dict[str, Any]) -> str:
    moved = sorted(found["columns"].items(), key=lambda item: -item[1]["distance"])
    rows = "".join(
        f"<tr><th scope='row'>{escape(name)}</th><td>{number(one['distance'], 3)}</td>"
        f"<td>{number(one['bits'], 3)}</td></tr>"
        for name, one in moved
    )
    left = "; ".join(f"{name}: {why}" for name, why in found["left_out"].items())
    plain = ("policy", "version", "begin", "end", "baseline", "sentence", "actor", "made", "evidently", "sha256")
    told = {name: escape(str(found[name])) for name in plain}
    left = f"Left out: {escape(left)}." if left else ""
    return _PAGE.substitute(told, address=escape(link(found["policy"])), rows=rows, left=left)


def _answer(body: str | bytes, rules: str, status: int = 200) -> Response:
    response = Response(body, status, mimetype="text/html")
    response.headers["Content-Security-Policy"] = rules
    return response


def _absent(why: str) -> Response:
    return _answer(f"<!DOCTYPE html><title>No report</title><p>There is no such report: {escape(why)}.</p>", _OURS, 404)
