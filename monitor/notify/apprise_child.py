"""The process of one attempt by Apprise: reads what to send, answers one word.

Run as a file, in isolated mode: it imports nothing of ours.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading

_GRACE = 1.0  # real seconds for Apprise to give up by itself


def main() -> None:
    """Send once; ``delivered``, ``failed`` with an HTTP status where one is known, ``late``, or ``unknown``."""
    asked = json.load(sys.stdin)
    import apprise  # before the deadline begins: it is the service's, not the machine's

    # Whatever a plugin does, nothing is waited for longer: not even at the end of the interpreter.
    end = threading.Timer(asked["timeout"] + _GRACE, _answer, ["late"])
    end.daemon = True
    end.start()
    logging.disable(logging.NOTSET)
    asset = apprise.AppriseAsset(storage_mode="memory", service_timeout=asked["timeout"])
    asset.http_redirects = False
    asset.secure_logging = True
    sender = apprise.Apprise(asset=asset)
    if not sender.add(asked["url"]) or len(sender) == 0:
        _answer("unknown")
    done = sender.notify(
        body=asked["body"], title=asked["title"], notify_type=asked["type"], body_format="text",
        timeout=asked["timeout"],
    )  # fmt: skip
    if done:
        _answer("delivered")
    said = " ".join(str(getattr(entry, "message", entry)) for entry in done.logs())
    found = re.search(r"error=(\d{3})\b", said)
    _answer(f"failed {found[1]}" if found else "failed")


def _answer(word: str) -> None:
    os.write(1, word.encode())
    os._exit(0)


if __name__ == "__main__":
    main()
