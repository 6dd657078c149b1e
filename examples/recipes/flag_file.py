"""A feature flag: the version is the default variant of a flag in a flagd definition file, which OpenFeature reads.

    [hook.flag]
    kind = "command"
    command = ["python", "-m", "examples.recipes.flag_file", "--file", "flags.json"]

The file is replaced as a whole, never written in place: whoever reads it, and a process that is killed meanwhile,
sees the old one or the new one. A lock file beside it keeps two commands apart; generation and version are in it
together, so that no crash can part them. Flag definitions: https://flagd.dev/reference/flag-definitions/
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from examples.recipes.fenced import Event, LaterError, RefusedError, Serving, obey

GENERATION = "checkreinGeneration"  # in the flag's metadata


class FlagFile:
    """A file of flag definitions.

    Parameters
    ----------
    path
        Where it is; through a link, what it leads to is replaced.
    key
        The flag; absent: named like the policy.
    """

    def __init__(self, path: Path, key: str | None = None) -> None:
        self._path, self._key = path.resolve(), key

    def state(self, policy: str) -> Serving:
        """Return what the flag says."""
        flag = self._flag(self._read(), policy)
        generation = flag.get("metadata", {}).get(GENERATION, 0)
        return Serving(int(generation), str(flag.get("defaultVariant", "")))

    def switch(self, event: Event) -> bool:
        """Make the version the default variant of everybody; a split that a targeting rule made is over."""
        document = self._read()
        flag = self._flag(document, event.policy)
        if event.version not in flag.get("variants", {}):
            known = ", ".join(flag.get("variants", {})) or "none"
            raise RefusedError(f"The flag of {event.policy} has no variant {event.version!r}; it has {known}.")
        before = json.dumps(flag)
        flag.pop("targeting", None)
        flag["metadata"] = {**flag.get("metadata", {}), GENERATION: event.generation}
        flag.update(state="ENABLED", defaultVariant=event.version)
        if json.dumps(flag) != before:
            self._replace(document)
        return True

    def _read(self) -> dict[str, Any]:
        try:
            document: Any = json.loads(self._path.read_bytes())
        except ValueError as error:
            raise LaterError(f"{self._path} is not JSON: {error}.") from None
        if not isinstance(document, dict) or not isinstance(document.get("flags"), dict):
            raise RefusedError(f"{self._path} has no object `flags`.")
        return document

    def _flag(self, document: dict[str, Any], policy: str) -> dict[str, Any]:
        key = self._key or policy
        flag = document["flags"].get(key)
        if not isinstance(flag, dict):
            raise RefusedError(f"{self._path} has no flag {key!r}; it has {', '.join(document['flags']) or 'none'}.")
        return flag

    def _replace(self, document: dict[str, Any]) -> None:
        temporary = self._path.with_name(f".{self._path.name}.new")
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(document, file, indent=2, ensure_ascii=False)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        shutil.copymode(self._path, temporary)
        temporary.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        os.fsync(folder)  # the rename itself must survive a power cut
        os.close(folder)


def main() -> int:
    """Read the event from standard input, and obey it."""
    parser = argparse.ArgumentParser(description="Make a version the default variant of a flagd flag.")
    parser.add_argument("--file", type=Path, required=True, help="flag definitions, JSON")
    parser.add_argument("--flag", help="key of the flag; absent: the policy's name")
    options = parser.parse_args()
    flags = FlagFile(options.file, options.flag)
    with options.file.resolve().with_name(f".{options.file.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # gone with the process
        return obey(sys.stdin.buffer.read(), flags.state, flags.switch)


if __name__ == "__main__":
    sys.exit(main())
