"""What `kubectl` and its plugin `argo rollouts` do to one Rollout, as far as the recipe uses them; a foreign program.

The state is rollout.json in the directory FAKE_CLUSTER. The controller is slow: it looks at a changed object only after
it was read once more, and a new template stops at the first canary step until it is promoted. What is not written here
ends with 2, so that a wrong argument is a failed test. FAKE_SICK: the pods of this image never become healthy.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

FILE = Path(os.environ.get("FAKE_CLUSTER", "")) / "rollout.json"


def main(argv: list[str]) -> int:
    with (FILE.parent / "calls.txt").open("a") as calls:
        calls.write(" ".join(argv[:3]) + "\n")
    if argv[-2:] != ["--namespace", "serving"]:
        print("error: no such namespace", file=sys.stderr)
        return 1
    argv, rollout = argv[:-2], json.loads(FILE.read_bytes())
    if rollout["metadata"]["name"] not in argv:
        print('Error from server (NotFound): rollouts.argoproj.io "x" not found', file=sys.stderr)
        return 1
    image, status = rollout["spec"]["template"]["spec"]["containers"][0]["image"], rollout["status"]
    match argv:
        case ["get", "rollout", _, "-o", "json"]:
            print(json.dumps(rollout))
            if status["observedGeneration"] != str(rollout["metadata"]["generation"]):
                status |= {"observedGeneration": str(rollout["metadata"]["generation"]), "currentPodHash": image}
                status["phase"] = "Healthy" if status["stableRS"] == image else "Paused"
        case ["patch", "rollout", _, "--type", "json", "--patch", text]:
            tested, annotated, replaced = json.loads(text)
            if (tested["op"], tested["path"]) != ("test", "/metadata/resourceVersion"):
                return 2
            if tested["value"] != rollout["metadata"]["resourceVersion"]:
                print("The request is invalid: testing value /metadata/resourceVersion failed", file=sys.stderr)
                return 1
            if replaced["path"] != "/spec/template/spec/containers/0/image" or annotated["path"] != (
                "/metadata/annotations"
            ):
                return 2
            rollout["metadata"]["annotations"] = annotated["value"]
            rollout["spec"]["template"]["spec"]["containers"][0]["image"] = replaced["value"]
            rollout["metadata"]["generation"] += 1
        case ["argo", "rollouts", "promote", _, "--full"]:
            if status["currentPodHash"] != status["stableRS"] and image != os.environ.get("FAKE_SICK"):
                status |= {"stableRS": status["currentPodHash"], "phase": "Healthy"}
        case ["argo", "rollouts", "status", _, "--timeout", _]:
            return int(status["phase"] != "Healthy")
        case _:
            return 2
    if rollout != json.loads(FILE.read_bytes()):
        write(rollout)
    return 0


def write(rollout: dict[str, Any]) -> None:
    rollout["metadata"]["resourceVersion"] = str(int(rollout["metadata"]["resourceVersion"]) + 1)
    FILE.write_text(json.dumps(rollout))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
