"""Facts from the serving side itself: what the health pages of a policy's hooks show at this moment."""

from __future__ import annotations

from monitor.hooks.webhook import ask
from monitor.settings import Settings
from runbooks.checklist.row_facts import Shown


def shown(settings: Settings, policy: str) -> tuple[Shown, ...]:
    """Ask every health page that serves the policy, one after the other; one that does not answer says nothing.

    No transaction is open meanwhile: a page may take its hook's whole timeout.
    """
    found = []
    for name, hook in sorted(settings.hook.items()):
        if hook.health and (not hook.policies or policy in hook.policies):
            told = ask(hook, policy)
            if told is None or not told.version:  # the reference receiver knows no version before the first event
                found.append(Shown(name))
            else:
                found.append(Shown(name, told.version, told.generation, told.artifact_sha256))
    return tuple(found)
