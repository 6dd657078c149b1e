"""A rollback as a program that is run: the recipe for everything that is not a webhook."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from typing import IO

from monitor.hooks.answer import LARGEST_ANSWER, Answer, acknowledgement
from monitor.settings import Hook

BLOCKED = 100


def send(hook: Hook, action_id: str, body: bytes, real_now: float) -> Answer:
    """Run the command once, without a shell, with the event on its standard input.

    Its environment is ours and ``CHECKREIN_ACTION_ID``, ``CHECKREIN_POLICY``, ``CHECKREIN_FROM``, ``CHECKREIN_TO``,
    ``CHECKREIN_SPLIT`` (JSON: version -> share) and ``CHECKREIN_GENERATION``.
    Exit status 0 is delivered, 100 is blocked (trying again cannot help), every other one is
    tried again, 75 (EX_TEMPFAIL) among them, and so is a command that runs longer than ``hook.timeout``: it is killed
    with everything that it started. What it writes to standard output may be the acknowledgement, as JSON.
    """
    data = json.loads(body)["data"]
    argv = list(hook.command or ())
    # Of a rollout's stage, FROM and TO are the trusted version: a script that knows rollbacks alone stays with it.
    old, new = (data.get(name, data.get("serving")) for name in ("from_version", "to_version"))
    named = {"ACTION_ID": action_id, "POLICY": data["policy"], "FROM": old, "TO": new}
    named["SPLIT"] = json.dumps(data.get("split", {new: 1.0}))
    added = {f"CHECKREIN_{name}": value for name, value in {**named, "GENERATION": str(data["generation"])}.items()}
    # Files, not pipes: a child that is left behind keeps a pipe open, and reading would hang after the command ended.
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        stdin.write(body)
        stdin.seek(0)
        try:
            process = subprocess.Popen(
                argv, stdin=stdin, stdout=stdout, stderr=stderr, env={**os.environ, **added}, start_new_session=True
            )
        except (OSError, ValueError) as error:
            return Answer("retry", f"The command {argv[0]!r} cannot be started: {error}")
        try:
            status = process.wait(hook.timeout)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # its session is its own: the command and its children
            process.wait()
            return Answer("retry", f"The command {argv[0]!r} ran longer than {hook.timeout:g} s and was killed.")
        said = _read(stderr).decode("utf-8", "replace").strip()[-300:]
        detail = f"The command {argv[0]!r} ended with {status}." + (f" It said: {said}" if said else "")
        if status == 0:
            return Answer("delivered", detail, acknowledgement(_read(stdout), data["policy"]))
        return Answer("blocked" if status == BLOCKED else "retry", detail)


def _read(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read(LARGEST_ANSWER)
