"""The reference receiver as a process of its own that also fails, hangs and loses its acknowledgements.

python tests/faults/receiver.py --port 9000 --state r.json --journal posts.txt --fail 0.1 --hang 0.1 --lose 0.1

Whatever it does to the connection, the event itself goes through ``examples.receiver`` unchanged. The artefact that it
reports is a chain, sha256(what it reported before + the version): stored in the same rename as the generation, so the
last one proves which versions were applied, in which order, and that none was applied twice.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import threading
from pathlib import Path
from typing import Any

from examples.receiver import Receiver, server


def link(before: str, version: str) -> str:
    """Return the next artefact of the chain."""
    return hashlib.sha256(f"{before} {version}".encode()).hexdigest()


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--journal", type=Path, required=True, help="one line a POST: its webhook-id and what was done")
    parser.add_argument("--seed", type=int, default=0)
    for fault in ("fail", "hang", "lose"):
        parser.add_argument(f"--{fault}", type=float, default=0.0, help="share of the POSTs")
    parser.add_argument("--idle", action="store_true", help="answer 200 to everything and do nothing")
    options = parser.parse_args()
    journal = os.open(options.journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    draw = random.Random(options.seed + os.fstat(journal).st_size)  # not the same faults again after each restart
    started: list[Receiver] = []

    def switch(policy: str, version: str) -> str:
        return link(started[0].state(policy)["artifact_sha256"], version) if started else ""

    receiver = Receiver(options.state, [os.environ["CHECKREIN_HOOK_SECRET"]], switch, "v7")
    started.append(receiver)
    listening = server(receiver, options.port)
    honest: Any = listening.RequestHandlerClass

    def take(handler: Any) -> None:
        rest = 1.0 - options.fail - options.hang - options.lose
        shares = (options.fail, options.hang / 2, options.hang / 2, options.lose, rest)
        handler.fault = draw.choices(("fail", "hang", "hang after", "lose", "answer"), shares)[0]
        handler.fault = "idle" if options.idle else handler.fault
        os.write(journal, f"{handler.headers['webhook-id']} {handler.fault}\n".encode())
        if handler.fault in {"hang after", "lose", "answer"}:
            honest.do_POST(handler)
            return
        handler.rfile.read(int(handler.headers["content-length"]))
        handler._answer(500 if handler.fault == "fail" else 200, {})

    def answer(handler: Any, status: int, content: dict[str, Any]) -> None:
        fault = getattr(handler, "fault", "answer")  # a GET has none
        if fault.startswith("hang"):
            threading.Event().wait(30)
        if fault in {"lose", "hang", "hang after"}:
            handler.close_connection = True
        else:
            honest._answer(handler, status, content)

    listening.RequestHandlerClass = type("Faulty", (honest,), {"do_POST": take, "_answer": answer})
    print(json.dumps({"listening": options.port}), flush=True)
    listening.serve_forever()


if __name__ == "__main__":
    main()
