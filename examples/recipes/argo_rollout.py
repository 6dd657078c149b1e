"""Argo Rollouts: the version is the image of a Rollout; changed, and then promoted past every canary step, by kubectl.

    [hook.argo]
    kind = "command"
    command = ["python", "-m", "examples.recipes.argo_rollout", "--namespace", "serving", "--image",
               "registry.example/cooling:{version}"]
    timeout = "90s"

Not ``kubectl argo rollouts undo``: that goes back by one, or to a revision number that says nothing about a version,
and whoever sends it twice goes back by two. The image is absolute. Image, generation and version change in one patch,
which the API server refuses if the object has changed since it was read: a late duplicate cannot come in between.
A Rollout that leaves a version goes through its canary steps again, pauses among them; ``promote --full`` skips them,
once its controller has seen the new template. It serves when it is healthy and its stable replicas are the newest.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from typing import Any

from examples.recipes.fenced import Event, LaterError, RefusedError, Serving, obey

GENERATION, VERSION = "checkrein.dev/generation", "checkrein.dev/version"  # annotations of the Rollout
PAUSE = 0.5
TRIES = 20


class Rollout:
    """One Rollout object, through ``kubectl`` and its plugin ``kubectl argo rollouts``.

    Parameters
    ----------
    image
        Image of a version, with ``{version}`` in it.
    namespace, name, container
        Which object, and which of its containers; without ``name`` it is called like the policy, without
        ``container`` it is the first.
    wait
        Seconds until it must be healthy to be acknowledged at once.
    """

    def __init__(self, image: str, namespace: str, name: str | None, container: str | None, wait: int) -> None:
        self._image, self._namespace, self._name, self._container, self._wait = image, namespace, name, container, wait

    def state(self, policy: str) -> Serving:
        """Return what its annotations say was asked for last."""
        return _asked(self._read(policy))

    def switch(self, event: Event) -> bool:
        """Put the image in, promote it fully, and wait until it serves."""
        name = self._name or event.policy
        found = self._read(event.policy)
        if _asked(found) != Serving(event.generation, event.version):
            self._patch(name, found, event)
        for _ in range(TRIES):  # promoted before it was seen, the new template would go through its steps after all
            found = self._read(event.policy)
            if _seen(found):
                break
            time.sleep(PAUSE)
        if not _stable(found):
            self._kubectl("argo", "rollouts", "promote", name, "--full")
            self._kubectl("argo", "rollouts", "status", name, "--timeout", f"{self._wait}s", fails=True)
            found = self._read(event.policy)
        if not _stable(found):
            phase = found.get("status", {}).get("phase", "not started")
            print(f"The Rollout {name} took the image and is {phase}; it does not serve yet.", file=sys.stderr)
        return _stable(found)

    def _read(self, policy: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._kubectl("get", "rollout", self._name or policy, "-o", "json"))
        return found

    def _patch(self, name: str, found: dict[str, Any], event: Event) -> None:
        names = [container["name"] for container in found["spec"]["template"]["spec"]["containers"]]
        wanted = self._container or names[0]
        if wanted not in names:
            raise RefusedError(f"The Rollout {name} has no container {wanted!r}; it has {', '.join(names)}.")
        told = {**found["metadata"].get("annotations", {}), GENERATION: str(event.generation), VERSION: event.version}
        image = f"/spec/template/spec/containers/{names.index(wanted)}/image"
        changes = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": found["metadata"]["resourceVersion"]},
            {"op": "add", "path": "/metadata/annotations", "value": told},
            {"op": "replace", "path": image, "value": self._image.replace("{version}", event.version)},
        ]
        self._kubectl("patch", "rollout", name, "--type", "json", "--patch", json.dumps(changes))

    def _kubectl(self, *arguments: str, fails: bool = False) -> str:
        argv = ["kubectl", *arguments, "--namespace", self._namespace]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode and not fails:
            said = done.stderr.strip()[-200:]
            raise (RefusedError if "NotFound" in said else LaterError)(f"kubectl {arguments[0]} failed: {said}")
        return done.stdout


def _asked(found: dict[str, Any]) -> Serving:
    told = found["metadata"].get("annotations", {})
    return Serving(int(told.get(GENERATION, 0)), told.get(VERSION, ""))


def _seen(found: dict[str, Any]) -> bool:
    """Whether the controller has looked at the object as it is; it writes the number as text."""
    return str(found.get("status", {}).get("observedGeneration")) == str(found["metadata"]["generation"])


def _stable(found: dict[str, Any]) -> bool:
    status = found.get("status", {})
    hashes = status.get("stableRS"), status.get("currentPodHash")
    return _seen(found) and status.get("phase") == "Healthy" and hashes[0] == hashes[1] is not None


def main() -> int:
    """Read the event from standard input, and obey it."""
    parser = argparse.ArgumentParser(description="Let an Argo Rollout serve a version.")
    parser.add_argument("--image", required=True, help="image of a version, with {version} in it")
    parser.add_argument("--namespace", default="default")
    parser.add_argument("--rollout", help="name of the Rollout; absent: the policy's")
    parser.add_argument("--container", help="name of the container; absent: the first")
    parser.add_argument("--wait", type=int, default=60, help="seconds to wait until it serves")
    options = parser.parse_args()
    rollout = Rollout(options.image, options.namespace, options.rollout, options.container, options.wait)
    return obey(sys.stdin.buffer.read(), rollout.state, rollout.switch)


if __name__ == "__main__":
    sys.exit(main())
