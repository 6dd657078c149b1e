"""A drift report as it is shown: in a sandbox with rules of its own, only if it is the one that was kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import insert

from dashboard.app import create_pages
from dashboard.data import Data
from dashboard.reports import note
from monitor.drift_report import job, kept
from monitor.drift_report.process import Worker
from monitor.drift_report.worker import scripts
from monitor.store.tables import drift_reports
from monitor.tick import Parts
from tests.drifts import BARE, drifted_at
from tests.firings import FAULT, healthy_at
from tests.passes import BASE


@pytest.fixture
def drifted(tmp_path: Path) -> Parts:
    return drifted_at(healthy_at(tmp_path / "healthy"), tmp_path / "site")


def made(parts: Parts, html: bytes, scripts: list[str]) -> str:
    """Keep a page as if it had been made."""
    digest = kept.keep(parts.landing.lake, html)
    body = '{"columns":{"state.load":{"bits":0.25,"distance":0.41}},"left_out":{},"evidently":"0","limit":0.26,'
    body += f'"sampled":{{"baseline":9,"span":8,"of":"v7"}},"scripts":["{scripts[0]}"]}}'
    row = {"policy": "p", "version": "v<7", "begin": BASE, "end": FAULT, "baseline": 1, "bits": 0.1, "asked": FAULT}
    row |= {"actor": "x", "state": "made", "sentence": "It moved.", "body": body, "sha256": digest, "made": FAULT}
    with parts.database.begin() as connection:
        connection.execute(insert(drift_reports), [row])
    return digest


def test_a_report_is_served_in_a_sandbox_with_a_policy_of_its_own(drifted: Parts) -> None:
    text = "<html><script>window.x = 1</script></html>"
    digest = made(drifted, text.encode(), scripts(text))
    pages = create_pages(drifted, lambda: None).test_client()
    page = pages.get(f"/reports/{digest}")
    assert page.status_code == 200
    assert 'sandbox="allow-scripts"' in page.text
    assert f'src="/reports/{digest}/evidently.html"' in page.text
    assert "v&lt;7" in page.text
    assert "0.41" in page.text
    assert digest in page.text
    rules = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in rules
    assert "frame-src 'self'" in rules
    assert "unsafe" not in rules
    inner = pages.get(f"/reports/{digest}/evidently.html")
    assert inner.text == text
    rules = inner.headers["Content-Security-Policy"]
    assert rules.endswith("sandbox allow-scripts")
    assert "default-src 'none'" in rules
    assert f"script-src '{scripts(text)[0]}'" in rules
    assert "frame-ancestors 'self'" in rules
    assert inner.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert inner.headers["Cache-Control"] == "no-store"
    assert pages.get("/").headers["X-Frame-Options"] == "DENY"


def test_a_report_that_is_not_the_one_that_was_kept_is_not_shown(drifted: Parts) -> None:
    digest = made(drifted, b"<html></html>", ["sha256-x"])
    pages = create_pages(drifted, lambda: None).test_client()
    file = drifted.landing.lake.root / kept.FOLDER / f"{digest}.html.gz"
    file.write_bytes(b"another")
    answer = pages.get(f"/reports/{digest}/evidently.html")
    assert (answer.status_code, "digest differs" in answer.text) == (404, True)
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    file.unlink()
    assert pages.get(f"/reports/{digest}/evidently.html").status_code == 404
    assert pages.get(f"/reports/{'0' * 64}").status_code == 404


def test_the_drift_panel_names_the_report_or_says_why_there_is_none(drifted: Parts) -> None:
    data = Data(drifted, lambda: None)
    assert note(data.drift("p", "6h")["report"]) == []
    job.run(drifted, "one", worker=Worker(BARE))
    told = note(data.drift("p", "6h")["report"])
    assert "Evidently is not installed" in str(told)
    digest = made(drifted, b"<html></html>", ["sha256-x"])
    assert f"/reports/{digest}" in str(note(data.drift("p", "6h")["report"]))
