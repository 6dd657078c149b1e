"""The process that an ONNX candidate runs in, seen from here: started, asked, and ended when it takes too much."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from monitor.candidates.scored import CandidateError, Floats
from monitor.running import apart

CHILD = Path(__file__).with_name("onnx_child.py")
DEATHS = 3  # of its process, after which a candidate is not asked again: each one costs its limit
_SAID = 4096  # bytes of a message
_LAST = 300  # characters of standard error


@dataclass(frozen=True)
class Limits:
    """What a candidate's process may take.

    Parameters
    ----------
    memory
        Bytes of address space.
    start, batch
        Real seconds to load the network and to answer one batch, and seconds of processor time for each.
    python
        The interpreter with its options.
    """

    memory: int = 2 * 2**30
    start: int = 60
    batch: int = 30
    python: tuple[str, ...] = (sys.executable, "-I")


class _EndedError(Exception):
    """The process is gone."""


class OnnxProcess:
    """Asks one network, one batch at a time; its process ends with this object or with this program.

    Parameters
    ----------
    path
        What messages call it.
    network
        Bytes of the ONNX file: what was checked is what is run.
    features, actions
        Numbers of columns of a batch and of its answer.
    output
        Name of the output that answers.
    limits
        What it may take.

    Raises
    ------
    CandidateError
        If it cannot be loaded within the limits.
    """

    def __init__(
        self, path: Path, network: bytes, features: int, actions: int, output: str, limits: Limits | None = None
    ) -> None:
        self._path, self._network, self._actions = path, network, actions
        self._limits = limits or Limits()
        asked = {"memory": self._limits.memory, "start": self._limits.start, "batch": self._limits.batch}
        shape = {"features": features, "actions": actions, "output": output}
        self._command = [*self._limits.python, str(CHILD), json.dumps({**asked, **shape})]
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._deaths = 0
        with self._lock:
            self._running()

    def __call__(self, states: Floats) -> Floats:
        """Return the network's answer, shape (rows, actions).

        Raises
        ------
        CandidateError
            If it fails, takes too long or answers something of another shape.
        """
        batch = np.ascontiguousarray(states, np.float64).tobytes()
        with self._lock:  # landings come from several threads
            child = self._running()
            answer = self._exchange(child, batch, self._limits.batch, 8 * len(states) * self._actions)
        found: Floats = np.frombuffer(answer, np.float64).reshape(len(states), self._actions)
        return found

    def _running(self) -> _Child:
        if self._child is None:
            if self._deaths >= DEATHS:
                raise CandidateError(
                    f"{self._path}: its process ended {DEATHS} times; it is not started again until the file changes"
                )
            self._child = _Child(self._command)
            self._exchange(self._child, self._network, self._limits.start, 0)
        return self._child

    def _exchange(self, child: _Child, request: bytes, seconds: int, length: int) -> bytes:
        """Send a frame and return the answer of this length; a process that does something else is ended."""
        watch = threading.Timer(seconds, _expire, (weakref.ref(child),))
        watch.daemon = True
        watch.start()
        try:
            child.send(request)
            letter, answer = child.receive(max(length, _SAID))
        except _EndedError:
            said = child.why(seconds)
            self._end()
            raise CandidateError(f"{self._path}: {said}") from None
        finally:
            watch.cancel()
        if letter == b"E":
            if length == 0:
                self._end()
            said = "".join(char if char.isprintable() else " " for char in answer.decode("utf-8", "replace"))
            raise CandidateError(f"{self._path}: {said}")
        if len(answer) != length:
            self._end()
            raise CandidateError(f"{self._path}: its process answered {len(answer)} bytes instead of {length}")
        return answer

    def _end(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None
            self._deaths += 1


class _Child:
    """One process with its pipes; killed when nobody holds it any more."""

    def __init__(self, command: list[str]) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by _end
        self._process = subprocess.Popen(
            command,
            bufsize=0,
            cwd=os.sep,
            env=apart.environment(Path(os.devnull)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,  # a Ctrl-C is for the server, which ends it in its own time
        )
        self._expired = False
        self.end = weakref.finalize(self, _end, self._process, self._errors)

    def expire(self) -> None:
        """Kill it: its time is over."""
        self._expired = True
        self._process.kill()

    def send(self, content: bytes) -> None:
        """Write a frame."""
        assert self._process.stdin is not None
        try:
            for part in (len(content).to_bytes(8, "little"), content):
                rest = memoryview(part)
                while rest:
                    rest = rest[self._process.stdin.write(rest) :]
        except OSError:
            raise _EndedError from None

    def receive(self, most: int) -> tuple[bytes, bytes]:
        """Return a frame's letter and its content; one that is longer than ``most`` is not read."""
        head = self._bytes(9)
        length = int.from_bytes(head[1:], "little")
        if length > most:
            raise _EndedError
        return head[:1], self._bytes(length)

    def _bytes(self, length: int) -> bytes:
        assert self._process.stdout is not None
        found = bytearray()
        while len(found) < length:
            piece = self._process.stdout.read(min(length - len(found), 2**20))
            if not piece:
                raise _EndedError
            found += piece
        return bytes(found)

    def why(self, seconds: int) -> str:
        """Return a clause that says why there is no answer."""
        if self._expired:
            return f"it took longer than {seconds} s and was stopped"
        self._process.kill()
        status = self._process.wait()
        if status == -signal.SIGXCPU:
            return f"it took more than {seconds} s of processor time and was stopped"
        self._errors.seek(0)
        last = self._errors.read(2**16).decode("utf-8", "replace").strip().splitlines()
        said = f"its process ended with status {status}"
        plain = "".join(letter if letter.isprintable() else " " for letter in last[-1][:_LAST]) if last else ""
        return f"{said}: {plain}" if plain else said


def _expire(child: weakref.ref[_Child]) -> None:
    if (running := child()) is not None:
        running.expire()


def _end(process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
    process.kill()
    process.wait()
    for file in (process.stdin, process.stdout, errors):
        if file is not None:
            file.close()
