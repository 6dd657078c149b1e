"""From the arrival of a decision past a hard limit to the first attempt of the hook, through a real `checkrein serve`.

    python -m benchmarks.events --events 200

Each event is the first one of a policy of its own. The clock starts before the request is sent and stops when the
receiver has the signed POST, so landing, judging, the transaction that decides and the sending are all in it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import httpx
import numpy as np

from benchmarks.deployment import serving
from monitor.clock import instant


class Arrivals(BaseHTTPRequestHandler):
    """A receiver that notes when it was first asked to switch each policy, and answers that it did."""

    at: ClassVar[dict[str, float]] = {}
    news: ClassVar[threading.Condition] = threading.Condition()

    def do_POST(self) -> None:
        now = time.perf_counter()
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))["data"]
        with self.news:
            self.at.setdefault(asked["policy"], now)
            self.news.notify_all()
        body = json.dumps({"generation": asked["generation"], "serving": asked["to_version"]}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the figures are what is printed."""

    @classmethod
    def of(cls, policy: str, seconds: float = 30.0) -> float:
        """Wait for the policy's first attempt."""
        with cls.news:
            if not cls.news.wait_for(lambda: policy in cls.at, seconds):
                raise SystemExit(f"no hook attempt for {policy} within {seconds:g} s")
            return cls.at[policy]


@contextmanager
def receiving() -> Iterator[tuple[type[Arrivals], int]]:
    """Run the receiver in a thread of this process."""
    listening = ThreadingHTTPServer(("127.0.0.1", 0), Arrivals)
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    yield Arrivals, int(listening.server_address[1])
    listening.shutdown()
    listening.server_close()
    thread.join()


def configuration(policies: int, port: int) -> str:
    text = ""
    for number in range(policies):
        text += f'[policy.p{number}]\nincumbent = "v6"\nserving = "v7"\n'
        text += f'[policy.p{number}.constraint.melt]\ncost = "melt"\nhard = true\n'
    url = f"http://127.0.0.1:{port}/rollback"
    return text + f'[hook.serving]\nkind = "webhook"\nurl = "{url}"\nsecret = "env:CHECKREIN_HOOK_SECRET"\n'


def send(client: httpx.Client, policy: str) -> float:
    """Post one decision past the hard limit; return when it was sent."""
    row = {"decision_id": "d", "ts": instant(time.time()).isoformat(), "policy": policy, "version": "v7", "action": "a"}
    sent = time.perf_counter()
    answer = client.post("/api/v1/decisions", json=[{**row, "cost.melt": 1.0}])
    if answer.status_code != 200:
        raise SystemExit(answer.text)
    return sent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--pause", type=float, default=0.05, help="seconds between two events")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with receiving() as (arrivals, port):
            (root / "checkrein.toml").write_text(configuration(options.events + 1, port), "utf-8")
            with serving(root) as client:
                while client.get("/readyz").status_code != 200:  # each policy had its first pass
                    time.sleep(0.1)
                send(client, f"p{options.events}")  # the first one pays for what is loaded once
                arrivals.of(f"p{options.events}")
                taken = []
                for number in range(options.events):
                    sent = send(client, f"p{number}")
                    taken.append(arrivals.of(f"p{number}") - sent)
                    time.sleep(options.pause)
    p50, p99, most = (float(value) for value in np.quantile(taken, [0.5, 0.99, 1.0]))
    figures = {"events": options.events, "p50_s": round(p50, 4), "p99_s": round(p99, 4), "max_s": round(most, 4)}
    if options.json:
        print(json.dumps(figures))
        return
    print(f"event to first hook attempt, {options.events} events over HTTP: p50 {p50:.3f} s, p99 {p99:.3f} s,", end=" ")
    print(f"max {most:.3f} s (aim: p99 <= 1 s)")


if __name__ == "__main__":
    main()
