"""The Dash application: pages, security headers, and assets that all come from here."""

from __future__ import annotations

import functools
import gzip
from collections.abc import Callable
from pathlib import Path

import dash
from flask import Flask, Response, request

from dashboard import pages, reports, shell
from dashboard.current import KEY
from dashboard.data import Data
from monitor.tick import Parts

PLOTLY = "plotly-cartesian.min.js"
_ASSETS = Path(__file__).parent / "assets"
_INDEX = f"""<!DOCTYPE html>
<html lang="en">
<head>
{{%metas%}}
<meta name="color-scheme" content="light dark">
<title>{{%title%}}</title>
<link rel="icon" href="/assets/favicon.svg" type="image/svg+xml">
<script src="/assets/early.js"></script>
{{%css%}}
</head>
<body>
{{%app_entry%}}
<footer>
{{%config%}}
<script src="/assets/{PLOTLY}?v=2.35.2"></script>
{{%scripts%}}
{{%renderer%}}
</footer>
</body>
</html>"""


def create_pages(parts: Parts, wake: Callable[[], None]) -> Flask:
    """Return the WSGI application of all pages.

    Parameters
    ----------
    parts
        Configuration, database, clock.
    wake
        Called after an action was queued.
    """
    server = Flask("dashboard")
    found = Data(parts, wake)
    server.config[KEY] = found
    app = dash.Dash(
        "dashboard",
        server=server,
        use_pages=True,
        pages_folder="",
        assets_folder=str(_ASSETS),
        assets_ignore=r"early\.js|reports\.css|README",
        title="Checkrein",
        update_title=None,
        suppress_callback_exceptions=True,
        compress=False,
        enable_mcp=False,
        index_string=_INDEX,
    )
    pages.register(app, found)
    app.layout = shell.layout
    shell.register(app, found)
    server.add_url_rule(f"/assets/{PLOTLY}", "plotly", _plotly)
    reports.register(server, found)

    @functools.cache
    def policy() -> str:
        # Not before the first answer: each client-side callback is an inline script, and the pages' own comes last.
        return _policy(list(app.csp_hashes()))

    def harden(response: Response) -> Response:
        if "Content-Security-Policy" not in response.headers:  # a report has its own
            response.headers["Content-Security-Policy"] = policy()
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers.setdefault("X-Frame-Options", "DENY")
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        if not request.path.startswith(("/assets/", "/_dash-component-suites/")):
            response.headers["Cache-Control"] = "no-store"
        return response

    server.after_request(harden)
    return server


def _policy(hashes: list[str]) -> str:
    """Return a policy under which nothing comes from, or goes to, another machine.

    Styles are allowed inline because plotly and the component library set them on elements.
    """
    rules = (
        "default-src 'none'",
        " ".join(["script-src 'self'", *hashes]),
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
    return "; ".join(rules)


def _plotly() -> Response:
    """Answer the chart library as it is kept, compressed; a client that cannot read that gets it unpacked."""
    packed = (_ASSETS / f"{PLOTLY}.gz").read_bytes()
    ready = "gzip" in request.headers.get("Accept-Encoding", "")
    response = Response(packed if ready else gzip.decompress(packed), mimetype="text/javascript")
    if ready:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response
