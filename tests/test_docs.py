"""The documentation describes everything that other programs rely on: what is undocumented fails the build."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import textwrap
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from jsonschema import Draft202012Validator

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
BLOCK = re.compile(r"^ *```toml\n(.*?)```", re.DOTALL | re.MULTILINE)


def page(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generator", ROOT / "scripts/docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def attribute(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)


def code_in(text: str) -> set[str]:
    """Return everything that a page sets in backquotes."""
    return set(re.findall(r"`([^`\n]+)`", text))


def test_the_generated_parts_are_what_the_code_says_now() -> None:
    old = [path.name for path, text in generator().pages() if not path.exists() or path.read_text("utf-8") != text]
    assert old == [], "run `make docs`"


def test_the_json_schema_is_published() -> None:
    schema = json.loads(page("checkrein.schema.json"))
    assert page("checkrein.schema.json") == attribute("monitor.settings", "json_schema")()
    assert {"store", "policy", "trigger", "hook"} <= set(schema["properties"])


def test_every_key_of_the_configuration_has_a_meaning() -> None:
    tool, settings = generator(), importlib.import_module("monitor.settings")
    text = page("configuration.md")
    missing = []
    for path, model in tool.models(settings.Settings):
        for name, field in model.model_fields.items():
            if field.exclude or tool.is_section(field):
                continue
            key = field.alias or name
            if not field.description:
                missing.append(f"{path}.{key}: give Field(description=...) in monitor/settings.py")
            elif f"`{key}`" not in text:
                missing.append(f"{path}.{key}: not in docs/configuration.md")
    assert missing == []


def test_every_command_is_described() -> None:
    from typer.main import get_command

    text = page("command-line.md")
    tool = generator()
    found = list(tool.commands(get_command(attribute("monitor.cli", "app"))))
    assert [name for name, _ in found if f"### `checkrein {name}`" not in text] == []
    assert [name for name, command in found if not (command.help or "").strip()] == []
    undescribed = [
        f"{name} {parameter.name}"
        for name, command in found
        for parameter in command.params
        if not (getattr(parameter, "help", "") or "").strip()
    ]
    assert undescribed == []


@pytest.mark.parametrize(
    ("module", "registry", "name"),
    [
        ("detectors", "DETECTORS", "triggers.md"),
        ("monitor.metrics", "METRICS", "metrics.md"),
        ("monitor.summaries", "SUMMARIES", "metrics.md"),
        ("monitor.candidates", "KINDS", "candidates.md"),
        ("monitor.sources", "SOURCES", "decision-log.md"),
        ("monitor.hooks", "HOOKS", "rollback.md"),
        ("monitor.notify.channels", "CHANNELS", "notifications.md"),
        ("ope", "ESTIMATORS", "off-policy.md"),
    ],
)
def test_every_registry_entry_is_described(module: str, registry: str, name: str) -> None:
    entries = set(attribute(module, registry))
    assert entries
    assert entries - code_in(page(name)) == set()


def test_every_shipped_trigger_says_what_it_promises() -> None:
    text = page("triggers.md")
    shipped = attribute("monitor.settings", "shipped_triggers")()
    assert [name for name in shipped if f"### `{name}`" not in text] == []
    for name in shipped:
        section = text.split(f"### `{name}`")[1].split("\n#")[0]
        assert {"**Promises**", "**Trap**"} <= set(re.findall(r"\*\*\w+\*\*", section)), name


def test_every_path_of_the_api_is_described() -> None:
    paths = generator().openapi()["paths"]
    text = page("http.md")
    assert paths
    assert [path for path in paths if path not in text] == []
    unnamed = [
        f"{method} {path}"
        for path, methods in paths.items()
        for method, operation in methods.items()
        if not operation.get("summary") and not operation.get("description")
    ]
    assert unnamed == []


def test_every_column_of_the_decision_log_is_described() -> None:
    schema = importlib.import_module("monitor.log_store.schema")
    known = code_in(page("decision-log.md"))
    columns = {*schema.FIXED, *schema.REWARD_EVENT, *(f"{prefix}<name>" for prefix in schema.FAMILIES)}
    assert columns - known == set()
    assert {*schema.ARMS} <= known


def examples() -> list[tuple[str, dict[str, Any]]]:
    """Return every configuration that a page shows."""
    pages = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
    blocks = [(path.name, block) for path in pages for block in BLOCK.findall(path.read_text("utf-8"))]
    return [(name, tomllib.loads(textwrap.dedent(block))) for name, block in blocks]


def test_every_environment_variable_is_described() -> None:
    code = "".join(path.read_text("utf-8") for path in (ROOT / "monitor").rglob("*.py"))
    read = set(re.findall(r"CHECKREIN_[A-Z_]*[A-Z]\b", code))
    text = "".join(path.read_text("utf-8") for path in DOCS.glob("*.md"))
    assert read
    assert {name for name in read if name not in text} == set()


def test_every_example_configuration_of_the_docs_is_read(tmp_path: Path) -> None:
    parse = attribute("monitor.settings", "parse")
    for _name, example in examples():
        parse(example, tmp_path)
    assert len(examples()) >= 5


def test_an_editor_accepts_the_example_configurations_by_the_schema() -> None:
    schema = json.loads(page("checkrein.schema.json"))
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    faults = [
        f"{name}: {fault.json_path}: {fault.message}"
        for name, one in examples()
        for fault in validator.iter_errors(one)
    ]
    assert faults == []
    assert [fault.json_path for fault in validator.iter_errors({"policy": {"p": {"incumbnet": "v1"}}})] != []


def test_every_link_inside_the_docs_leads_somewhere() -> None:
    dead = [
        f"{path.name}: {target}"
        for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.glob("*.md")]
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text("utf-8"))
        if not target.startswith("http") and not (path.parent / target).exists()
    ]
    assert dead == []


def test_every_page_is_on_the_map() -> None:
    index = page("index.md")
    assert [path.name for path in DOCS.iterdir() if path.name not in index and path.name != "index.md"] == []


def test_every_command_that_the_docs_show_exists() -> None:
    from typer.main import get_command

    names = {name for name, _ in generator().commands(get_command(attribute("monitor.cli", "app")))}
    groups = {name.split()[0] for name in names}
    unknown = []
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.glob("*.md")]:
        for block in re.findall(r"```(?:sh|console)\n(.*?)```", path.read_text("utf-8"), re.DOTALL):
            for first, second in re.findall(r"^\$? ?checkrein ([a-z]\S*)(?: ([a-z]\S*))?", block, re.MULTILINE):
                if first not in names and not (first in groups and f"{first} {second}" in names):
                    unknown.append(f"{path.name}: checkrein {first} {second}")
    assert unknown == []
