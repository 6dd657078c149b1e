"""Write the parts of docs/ that the code already knows: settings, shipped triggers, commands, HTTP, the JSON Schema.

A page holds them between ``<!-- generated: NAME -->`` and ``<!-- end -->``; what is outside is written by people.
``python scripts/docs.py`` writes them anew; tests/test_docs.py fails when that would change anything.
"""

from __future__ import annotations

import re
import tempfile
import types
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import AwareDatetime, BaseModel
from pydantic.fields import FieldInfo

from monitor import settings, units

DOCS = Path(__file__).resolve().parents[1] / "docs"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; a pipe inside a cell is escaped."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


def models(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield every section of the configuration with its model, in the order of the file."""
    model.model_rebuild()  # a class that is named before it is defined
    yield path, model
    for name, field in model.model_fields.items():
        for inner in (field.annotation, *get_args(field.annotation)):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                many = get_origin(field.annotation) is dict
                yield from models(inner, f"{path}.{name}".lstrip(".") + (".NAME" if many else ""))


def kind(annotation: Any) -> str:
    """Return a type as a person writing TOML thinks of it."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f'"{value}"' for value in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(kind(argument) for argument in arguments if argument is not type(None))
    if origin is tuple:
        return f"list of {kind(arguments[0])}"
    if origin is dict:
        return "table"
    if origin is not None:  # Annotated inside a union
        return kind(arguments[0])
    named = {
        str: "text",
        Path: "path",
        bool: "true, false",
        int: "whole number",
        float: "number",
        AwareDatetime: "time",
        datetime: "time",
    }
    return named.get(annotation, "table")


def toml_type(field: FieldInfo) -> str:
    """Return the type of a key: what its validator reads where it has one, else its annotation."""
    readers = {getattr(item, "func", None) for item in field.metadata}
    if units.seconds in readers:
        return "duration"
    named = {getattr(reader, "__name__", "") for reader in readers}
    return {"_windows": "windows", "_effect": "effect"}.get(
        next(iter(named & {"_windows", "_effect"}), ""), kind(field.annotation)
    )


def default(field: FieldInfo) -> str:
    """Return the default as it would be written."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or isinstance(value, BaseModel | dict):
        return ""
    if toml_type(field) == "duration":
        return f'`"{units.human(value)}"`'
    if toml_type(field) == "windows":
        return f'`"{value} window{"s" * (value != 1)}"`'
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`{list(value)}`"
    return f'`"{value}"`' if isinstance(value, str | Path) else f"`{value:g}`"


def is_section(field: FieldInfo) -> bool:
    """Say whether a key is a table of its own, which has its own heading."""
    inner = (field.annotation, *get_args(field.annotation))
    return any(isinstance(item, type) and issubclass(item, BaseModel) for item in inner)


def configuration() -> str:
    """Return one table a section of checkrein.toml."""
    parts = []
    for path, model in models(settings.Settings):
        keys = {field.alias or name: field for name, field in model.model_fields.items() if not field.exclude}
        rows = [
            (f"`{key}`", toml_type(field), default(field), field.description or "")
            for key, field in keys.items()
            if not is_section(field)
        ]
        if rows:
            summary = (model.__doc__ or "").splitlines()[0]
            parts.append(f"### `[{path}]`\n\n{summary}\n\n{table(('key', 'type', 'default', 'meaning'), rows)}")
    return "\n\n".join(parts)


def triggers() -> str:
    """Return the shipped triggers, one row each."""
    rows = []
    for name, trigger in settings.parse({}).trigger.items():
        set_there = settings.shipped_triggers()[name]
        known = ("metric", "detector", "window", "for", "severity")
        rest = ", ".join(f"{key} = {value}" for key, value in set_there.items() if key not in known)
        window = f"{units.human(trigger.window)} x {trigger.for_}"
        rows.append((f"`{name}`", f"`{trigger.metric}`", f"`{trigger.detector}`", window, rest, trigger.severity))
    return table(("trigger", "metric", "detector", "window x for", "parameters", "severity"), rows)


def command_line() -> str:
    """Return every command with its arguments and options."""
    from typer.main import get_command

    from monitor.cli import app

    parts = []
    for name, command in commands(get_command(app)):
        rows = []
        for parameter in command.params:
            if "--help" in parameter.opts:
                continue
            argument = parameter.param_type_name == "argument"
            shown = (parameter.name or "").upper() if argument else ", ".join(parameter.opts + parameter.secondary_opts)
            fallback = parameter.default if isinstance(parameter.default, str | int | float | Path) else None
            plain = fallback is None or isinstance(fallback, bool) or fallback == ""
            value = "required" if parameter.required else "" if plain else f"`{fallback}`"
            rows.append((f"`{shown}`", value, " ".join((getattr(parameter, "help", "") or "").split())))
        text = "\n\n".join(" ".join(part.split()) for part in (command.help or "").split("\n\n"))
        parts.append(f"### `checkrein {name}`\n\n{text}\n\n{table(('option', 'default', 'meaning'), rows)}")
    return "\n\n".join(parts)


def commands(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every command below a group as ("baseline freeze", command)."""
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix}{name} ")
        elif not command.hidden:
            yield f"{prefix}{name}", command


def http() -> str:
    """Return every path of the API with what it does."""
    rows = []
    for path, methods in openapi()["paths"].items():
        for method, operation in methods.items():
            rows.append((f"`{method.upper()} {path}`", operation.get("summary", "")))
    return table(("request", "does"), rows)


def openapi() -> dict[str, Any]:
    """Return the OpenAPI document of the API; nothing is started, the database is a temporary one."""
    from monitor.api.app import create_app
    from monitor.clock import ManualClock
    from monitor.running.scheduler import Scheduler
    from monitor.runtime import build

    with tempfile.TemporaryDirectory() as directory:
        store = {"url": f"sqlite:///{directory}/checkrein.db", "lake": f"{directory}/lake"}
        parts = build(settings.parse({"store": store}), ManualClock(0.0))
        return create_app(Scheduler(parts, "docs"), run=False).openapi()


PARTS: dict[str, Callable[[], str]] = {
    "configuration": configuration,
    "triggers": triggers,
    "command-line": command_line,
    "http": http,
}
MARK = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def pages() -> Iterator[tuple[Path, str]]:
    """Yield every generated file with what it should hold."""
    yield DOCS / "checkrein.schema.json", settings.json_schema()
    for path in sorted(DOCS.glob("*.md")):
        text = path.read_text("utf-8")
        if MARK.search(text):
            yield path, MARK.sub(lambda found: f"{found[1]}\n{PARTS[found[2]]()}\n\n{found[3]}", text)


def main() -> None:
    """Write what differs, and say so."""
    for path, text in pages():
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            print(f"wrote {path.name}")


if __name__ == "__main__":
    main()
