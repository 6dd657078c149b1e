"""MLflow: the version is where the alias `champion` of a registered model points.

    [hook.registry]
    kind = "command"
    command = ["python", "-m", "examples.recipes.mlflow_alias", "--uri", "http://mlflow.example:5000"]
    timeout = "30s"

It speaks MLflow's REST API with the standard library, so that it runs beside Checkrein, whose pins MLflow does not fit.
Credentials are MLflow's own: MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.

MLflow has no conditional write, so a fence that is read, compared and written can be passed by two at once. Here each
generation is a tag of its own on the model, `checkrein.champion.generation.7 = v6`, which nothing overwrites; the
alias is set to what the highest one says, and both are read again until they agree. In whatever order two commands
run, the higher generation is what is left. REST API: https://mlflow.org/docs/latest/rest-api.html
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from examples.recipes.fenced import Event, LaterError, RefusedError, Serving, obey

VERSION_TAG = "checkrein.version"  # of a model version: what Checkrein calls it
TIMEOUT = 10.0
TRIES = 10


class Registry:
    """One alias of a registered model.

    Parameters
    ----------
    uri
        Where MLflow answers.
    alias
        Which alias the serving side loads, as `models:/NAME@ALIAS`.
    model
        The registered model; absent: named like the policy.
    """

    def __init__(self, uri: str, alias: str, model: str | None) -> None:
        self._uri, self._alias, self._model = uri.rstrip("/"), alias, model
        self._prefix = f"checkrein.{alias}.generation."

    def state(self, policy: str) -> Serving:
        """Return what the highest generation says."""
        generations = self._generations(self._read(policy))
        newest = max(generations, default=0)
        return Serving(newest, generations.get(newest, ""))

    def switch(self, event: Event) -> bool:
        """Write the generation, then let the alias follow the highest one."""
        name = self._model or event.policy
        self._number(name, event.version)  # before anything is written: a version that is not there changes nothing
        generations = self._generations(self._read(event.policy))
        if generations.get(event.generation) != event.version:
            tag = {"key": f"{self._prefix}{event.generation}", "value": event.version}
            self._call("POST", "registered-models/set-tag", {"name": name, **tag})
        for _ in range(TRIES):
            found = self._read(event.policy)
            generations = self._generations(found)
            number = self._number(name, generations[max(generations)])
            if {"alias": self._alias, "version": number} in found.get("aliases", []):
                break
            wanted = {"name": name, "alias": self._alias, "version": number}
            self._call("POST", "registered-models/alias", wanted)
        else:
            raise LaterError(f"The alias {self._alias} of {name} is moved by others, and was never seen to stay.")
        for old in sorted(generations)[:-1]:  # only the highest one counts
            self._call("DELETE", "registered-models/delete-tag", {"name": name, "key": f"{self._prefix}{old}"})
        return True

    def _read(self, policy: str) -> dict[str, Any]:
        found = self._call("GET", "registered-models/get", {"name": self._model or policy})
        model: dict[str, Any] = found["registered_model"]
        return model

    def _generations(self, model: dict[str, Any]) -> dict[int, str]:
        tags = [(tag["key"].removeprefix(self._prefix), tag) for tag in model.get("tags", [])]
        return {int(rest): tag["value"] for rest, tag in tags if rest != tag["key"] and rest.isdecimal()}

    def _number(self, name: str, version: str) -> str:
        """Return MLflow's number of a version: the one with the tag `checkrein.version`, else 7 for v7."""
        quoted = [text.replace("'", "''") for text in (name, version)]
        query = f"name='{quoted[0]}' AND tags.`{VERSION_TAG}`='{quoted[1]}'"
        found = self._call("GET", "model-versions/search", {"filter": query}).get("model_versions", [])
        if len(found) == 1:
            return str(found[0]["version"])
        plain = re.fullmatch(r"v?([0-9]+)", version)
        if found or plain is None:
            many = f"{len(found)} versions" if found else "no version"
            raise RefusedError(f"The model {name} has {many} with the tag {VERSION_TAG} = {version}; one is needed.")
        self._call("GET", "model-versions/get", {"name": name, "version": plain[1]})
        return plain[1]

    def _call(self, method: str, path: str, content: dict[str, str]) -> dict[str, Any]:
        url, body = f"{self._uri}/api/2.0/mlflow/{path}", json.dumps(content).encode()
        if method == "GET":
            url, body = f"{url}?{urllib.parse.urlencode(content)}", b""
        headers = {"content-type": "application/json", **_credentials()}
        request = urllib.request.Request(url, body or None, headers, method=method)  # noqa: S310 - main checked it
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
                told: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            said = f"MLflow answered {error.code} to {path}: {error.read(300).decode('utf-8', 'replace')}"
            passing = error.code >= 500 or error.code in {408, 429}
            raise (LaterError if passing else RefusedError)(said) from None
        except (OSError, ValueError) as error:
            raise LaterError(f"{self._uri} cannot be asked: {error}") from None
        return told


def _credentials() -> dict[str, str]:
    token, user = os.environ.get("MLFLOW_TRACKING_TOKEN"), os.environ.get("MLFLOW_TRACKING_USERNAME")
    if user:
        pair = f"{user}:{os.environ.get('MLFLOW_TRACKING_PASSWORD', '')}"
        return {"authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    return {"authorization": f"Bearer {token}"} if token else {}


def main() -> int:
    """Read the event from standard input, and obey it."""
    parser = argparse.ArgumentParser(description="Let an alias of a registered model point to a version.")
    parser.add_argument("--uri", default=os.environ.get("MLFLOW_TRACKING_URI", ""), help="where MLflow answers")
    parser.add_argument("--alias", default="champion")
    parser.add_argument("--model", help="registered model; absent: the policy's name")
    options = parser.parse_args()
    if not options.uri.startswith(("http://", "https://")):
        parser.error("--uri (or MLFLOW_TRACKING_URI): give the http:// or https:// address of the MLflow server")
    registry = Registry(options.uri, options.alias, options.model)
    return obey(sys.stdin.buffer.read(), registry.state, registry.switch)


if __name__ == "__main__":
    sys.exit(main())
