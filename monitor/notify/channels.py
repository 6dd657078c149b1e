"""How a message leaves the house: one file and one dict line a kind of channel."""

from __future__ import annotations

from collections.abc import Callable, Collection

from monitor.hooks.answer import Answer
from monitor.notify import alertmanager, pagerduty, people
from monitor.notify.message import Message
from monitor.settings import Notify, Settings

# send(channel, target, notification id, message, real seconds since 1970) -> Answer; bounded by channel.timeout
CHANNELS: dict[str, Callable[[Notify, str, str, Message, float], Answer]] = {
    "apprise": people.send,
    "pagerduty": pagerduty.send,
    "alertmanager": alertmanager.send,
}


def send(
    channel: Notify, identity: str, message: Message, real_now: float, reached: Collection[str] = ()
) -> tuple[Answer, frozenset[str]]:
    """Send a message to each receiver of a channel that does not have it yet.

    One that is down is tried again alone: the others would be woken by every attempt otherwise.

    Returns
    -------
    What came of it in all (to be tried again, if any of them is; blocked, if the rest is), and who has it now.
    """
    got, failed = set(reached), []
    for target in channel.targets:
        if target not in got:
            answer = CHANNELS[channel.kind](channel, target, identity, message, real_now)
            if answer.outcome == "delivered":
                got.add(target)
            else:
                failed.append(answer)
    if not failed:
        return Answer("delivered", "Every receiver has it."), frozenset(got)
    outcome = "retry" if any(one.outcome == "retry" for one in failed) else failed[0].outcome
    waits = [one.retry_after for one in failed if one.retry_after is not None]
    detail = " ".join(one.detail for one in failed)
    return Answer(outcome, detail, retry_after=max(waits, default=None)), frozenset(got)


def channels_of(settings: Settings, policy: str, *, digest: bool = False) -> tuple[str, ...]:
    """Return the channels that are told about a policy ("": about all of them), or that receive its digest.

    Examples
    --------
    >>> from monitor.settings import parse
    >>> one = {"urls": ["env:URL"]}
    >>> read = parse({"policy": {"p": {"incumbent": "v1"}, "q": {"incumbent": "v1"}},
    ...               "notify": {"all": one, "team": one | {"policies": ["q"], "digest": True}}})
    >>> channels_of(read, "p"), channels_of(read, "q"), channels_of(read, "q", digest=True), channels_of(read, "")
    (('all',), ('all', 'team'), ('team',), ('all',))
    """
    return tuple(
        name
        for name, channel in settings.notify.items()
        if (not channel.policies or policy in channel.policies) and (channel.digest or not digest)
    )
