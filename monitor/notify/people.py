"""A message to people by Apprise: mail, chat, telephone, whatever its URL names.

Its plugins promise no deadline and log what they send, so each attempt is a process of its own: the credential goes in
on standard input, nothing comes out but a word, and one that hangs is killed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from monitor.hooks.answer import Answer
from monitor.notify.message import Message
from monitor.notify.wording import credential, text, title
from monitor.running import apart
from monitor.settings import Notify
from monitor.settings.notify import START

CHILD = Path(__file__).with_name("apprise_child.py")
TYPES = {"info": "info", "warn": "warning", "page": "failure", "rollback": "failure"}
_STATUS = 5  # digits of it, at most, that the child says


def send(channel: Notify, target: str, identity: str, message: Message, real_now: float) -> Answer:
    """Send once through one Apprise URL.

    An URL that Apprise does not know is blocked; everything else that fails is tried again: Apprise does not tell
    refused from unreachable. No sentence holds the URL, or what a plugin said.
    """
    url = credential(target, "urls")
    if isinstance(url, Answer):
        return url
    over = message.kind in {"resolved", "acknowledged"}
    asked = {
        "url": url,
        "title": title(message),
        "body": text(channel, message),
        "type": "success" if over else TYPES.get(message.severity, "failure"),
        "timeout": channel.timeout,
    }
    with tempfile.TemporaryDirectory(prefix="checkrein-notify-") as home:
        try:
            done = subprocess.run(
                [sys.executable, "-I", str(CHILD)],
                input=json.dumps(asked).encode(),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=channel.timeout + START,
                env=apart.environment(Path(home)),
                cwd=home,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Answer("retry", f"Apprise did not deliver to {target} within {channel.timeout:g} s.")
        except OSError as error:
            return Answer("retry", f"Apprise cannot be started: {error.strerror}.")
    word, _, status = done.stdout.decode("ascii", "replace").strip().partition(" ")
    said = f": its service answered {status}" if status.isdigit() and len(status) <= _STATUS else ""
    return {
        "delivered": Answer("delivered", f"Apprise delivered to {target}."),
        "unknown": Answer(
            "blocked",
            f"What {target} holds is no URL that Apprise can use: compare it with Apprise's page of the service.",
        ),
        "late": Answer("retry", f"Apprise did not deliver to {target} within {channel.timeout:g} s."),
        "failed": Answer("retry", f"Apprise could not deliver to {target}{said}."),
    }.get(word, Answer("retry", f"Apprise ended with {done.returncode} and said nothing of {target}."))
