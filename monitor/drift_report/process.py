"""Running the worker process: a time limit, an environment without secrets, and an end that leaves nothing behind."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monitor.running import apart

LIMIT = 300.0  # real seconds; 10 to 20 are usual
WORKER = Path(__file__).with_name("worker.py")
_LOOK = 0.1
_TOLD = 300  # characters of what went wrong


class ReportError(Exception):
    """There is no report; the message is a clause that says why."""


class StoppedError(Exception):
    """The server ends before the report is made: whoever comes next makes it."""


@dataclass(frozen=True)
class Worker:
    """How the worker is started.

    Parameters
    ----------
    python
        The interpreter with its options.
    limit
        Real seconds after which it is killed.
    environment
        More variables.
    """

    python: tuple[str, ...] = (sys.executable,)
    limit: float = LIMIT
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, folder: Path, stopping: threading.Event | None = None) -> dict[str, Any]:
        """Run it over a folder and return its ``result.json``; ``report.html`` lies beside it then.

        Raises
        ------
        ReportError
            If it failed, died or took too long.
        StoppedError
            If ``stopping`` was set meanwhile.
        """
        environment = {**apart.environment(folder), **self.environment}
        command = [*self.python, "-P", str(WORKER), str(folder)]
        with (folder / "stderr").open("wb") as errors:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
            try:
                self._wait(process, stopping)
            finally:
                process.kill()
                process.wait()
        if process.returncode != 0:
            raise ReportError(_why(folder, process.returncode))
        found: dict[str, Any] = json.loads((folder / "result.json").read_text("utf-8"))
        return found

    def _wait(self, process: subprocess.Popen[bytes], stopping: threading.Event | None) -> None:
        deadline = time.monotonic() + self.limit
        while True:
            try:
                process.wait(_LOOK)
                return
            except subprocess.TimeoutExpired:
                if stopping is not None and stopping.is_set():
                    raise StoppedError from None
                if time.monotonic() > deadline:
                    raise ReportError(f"it took longer than {self.limit:g} s") from None


def _why(folder: Path, status: int) -> str:
    told = folder / "failed.txt"
    if told.exists():
        return told.read_text("utf-8")[:_TOLD]
    last = (folder / "stderr").read_text("utf-8", "replace").strip().splitlines()
    said = f"the worker process ended with status {status}"
    return f"{said}: {last[-1][:_TOLD]}" if last else said
