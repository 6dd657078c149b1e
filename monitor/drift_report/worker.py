"""The worker process: two tables in, Evidently's HTML and its numbers out.

Run as a file, with nothing of ours on its path, no database, no secret in its environment and no network: it gets a
folder with ``reference.parquet``, ``current.parquet`` and ``request.json``, and writes ``report.html`` and
``result.json`` there, or ``failed.txt`` with a sentence.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sys
import warnings
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

NICE = 10
METHOD = "jensenshannon"  # one scale for numbers and levels, the one that our sentences name too
_NETWORK = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}


class _Scripts(HTMLParser):
    """Collects the digest of every inline script, as a Content-Security-Policy names it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.found: list[str] = []
        self._inside: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "script":
            self._inside = []

    def handle_data(self, data: str) -> None:
        if self._inside is not None:
            self._inside.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "script" and self._inside is not None:
            digest = hashlib.sha256("".join(self._inside).encode()).digest()
            self.found.append(f"sha256-{base64.b64encode(digest).decode()}")
            self._inside = None


def scripts(html: str) -> list[str]:
    """Return the digests of a page's inline scripts, without repeats.

    >>> scripts("<p>1</p><script>2</script><script>2</script>")
    ['sha256-1HNeOiZeFu7gP1lxi5tdAwGcB9i2xR+Q2jpmbuwTqzU=']
    """
    parser = _Scripts()
    parser.feed(html)
    parser.close()
    return list(dict.fromkeys(parser.found))


def make(folder: Path) -> None:
    """Make the report of a folder.

    Raises
    ------
    ImportError
        If Evidently is not there, or cannot be loaded.
    """
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    import pandas as pd  # isort: skip - what is missing is Evidently, so that is what must be said first

    request = json.loads((folder / "request.json").read_text("utf-8"))
    shape = DataDefinition(numerical_columns=request["numbers"], categorical_columns=request["levels"])
    sides = [
        Dataset.from_pandas(pd.read_parquet(folder / f"{name}.parquet"), data_definition=shape)
        for name in ("current", "reference")
    ]
    columns = len(request["numbers"]) + len(request["levels"])
    one = 1000 // columns / 1000  # its headline: with its own 0.5 a policy may lose half its sensors without a drift
    preset = DataDriftPreset(method=METHOD, threshold=request["threshold"], drift_share=one)
    snapshot = Report([preset], include_tests=False).run(*sides)
    html = snapshot.get_html_str(as_iframe=False).replace("\r\n", "\n")
    distances = {item["config"]["column"]: float(item["value"]) for item in _drifts(snapshot.dict())}
    (folder / "report.html").write_text(html, "utf-8", newline="\n")
    said = {"distances": distances, "scripts": scripts(html), "evidently": _version()}
    (folder / "result.json").write_text(json.dumps(said), "utf-8")


def _drifts(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [item for item in found["metrics"] if "column" in item["config"]]


def _version() -> str:
    from importlib.metadata import version

    return version("evidently")


def _offline(event: str, _arguments: tuple[Any, ...]) -> None:
    """Refuse every connection: what is in a decision log must not leave this machine."""
    if event in _NETWORK:
        raise PermissionError(f"the drift report's worker may not use the network ({event})")


def main(folder: Path) -> int:
    """Make the report at low priority; the exit status says whether it is there."""
    os.nice(NICE)
    sys.addaudithook(_offline)
    warnings.simplefilter("ignore")
    try:
        make(folder)
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == "evidently"
        said = "Evidently is not installed: pip install 'checkrein[evidently]'"
        said = said if missing else f"Evidently cannot be loaded ({type(error).__name__}: {error})"
    except Exception as error:  # noqa: BLE001 - whatever goes wrong inside a library is told, and nothing waits for it
        said = f"Evidently failed ({type(error).__name__}: {error})"
    else:
        return 0
    (folder / "failed.txt").write_text(said, "utf-8")
    return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
