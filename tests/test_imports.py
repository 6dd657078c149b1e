"""Who may import whom: the table of the architecture, checked over every file of the tree."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PRODUCT = ("detectors", "ope", "runbooks", "monitor", "dashboard", "examples")
OURS = {*PRODUCT, "tests", "benchmarks", "scripts"}

MAY_IMPORT: dict[str, set[str]] = {
    "detectors": set(),
    "ope": set(),
    "runbooks": set(),
    "monitor": {"detectors", "ope", "runbooks"},
    "dashboard": {"monitor"},
    "examples": set(),
    "benchmarks": {"detectors", "ope", "runbooks", "monitor", "dashboard"},
    "scripts": {"detectors", "ope", "runbooks", "monitor"},
    "tests": {"detectors", "ope", "runbooks", "monitor", "dashboard", "examples", "benchmarks"},
}
COMPOSITION_ROOT = {"monitor/cli.py", "monitor/serve.py"}  # may import dashboard, inside functions

# What the pure rooms, and what a Spark worker runs, may import from outside.
LIBRARIES = {
    "detectors": {"numpy", "scipy", "torch"},
    "ope": {"numpy", "scipy", "torch"},
    "runbooks": {"yaml"},
    "monitor/summaries": {"numpy", "pyarrow", "numba"},
}
EXTRAS = {"torch", "pyspark", "psycopg", "evidently", "onnxruntime"}  # imported inside functions only
UNSAFE_MODULES = {"pickle", "cPickle", "_pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"}
UNSAFE_CALLS = {
    "eval",
    "exec",
    "torch.load",
    "torch.export.load",
    "torch.jit.load",
    "yaml.load",
    "os.system",
    "os.popen",
}
LONGEST = 300


@dataclass(frozen=True)
class Import:
    """One import statement: of which module, where, and whether it runs when the file is imported."""

    file: str
    line: int
    module: str
    at_import: bool

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]

    @property
    def room(self) -> str:
        return self.file.partition("/")[0]

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.module}"


def files() -> list[Path]:
    return sorted(path for room in OURS for path in (ROOT / room).rglob("*.py"))


def walk(node: ast.AST, at_import: bool = True) -> Iterator[tuple[ast.AST, bool]]:
    for child in ast.iter_child_nodes(node):
        runs = at_import and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            runs = False
        yield child, runs
        yield from walk(child, runs)


def imports() -> list[Import]:
    found = []
    for path in files():
        name = path.relative_to(ROOT).as_posix()
        package = path.relative_to(ROOT).parent.as_posix().replace("/", ".")
        for node, at_import in walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found += [Import(name, node.lineno, alias.name, at_import) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    above = package.split(".")[: len(package.split(".")) - node.level + 1]
                    base = ".".join([*above, base]).rstrip(".")
                found += [Import(name, node.lineno, f"{base}.{alias.name}", at_import) for alias in node.names]
    return found


ALL = imports()


def test_every_room_has_files() -> None:
    assert {item.room for item in ALL} >= {"detectors", "monitor", "tests"}
    assert all((ROOT / room).is_dir() for room in PRODUCT)


def test_rooms_import_only_the_rooms_that_they_may() -> None:
    wrong = [
        str(item)
        for item in ALL
        if item.top in OURS
        and item.top != item.room
        and item.top not in MAY_IMPORT[item.room]
        and not (item.top == "dashboard" and item.file in COMPOSITION_ROOT)
    ]
    assert wrong == []


def test_the_composition_root_imports_the_dashboard_lazily() -> None:
    assert [str(item) for item in ALL if item.room == "monitor" and item.top == "dashboard" and item.at_import] == []


def test_pure_rooms_import_only_their_libraries() -> None:
    wrong = []
    for room, allowed in LIBRARIES.items():
        for item in ALL:
            inside = item.file.startswith(room + "/")
            own = item.module.startswith(room.replace("/", "."))
            if inside and not own and item.top not in allowed | sys.stdlib_module_names:
                wrong.append(str(item))
    assert wrong == []


def test_heavy_and_optional_libraries_are_imported_inside_functions() -> None:
    assert [str(item) for item in ALL if item.room in PRODUCT and item.top in EXTRAS and item.at_import] == []


def test_what_the_product_imports_it_also_declares() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = [line for name, lines in project["optional-dependencies"].items() if name != "dev" for line in lines]
    declared = {plain(line) for line in [*project["dependencies"], *extras]}
    owners = packages_distributions()
    wrong = [
        str(item)
        for item in ALL
        if item.room in PRODUCT
        and item.top not in OURS | sys.stdlib_module_names
        and not {plain(owner) for owner in owners.get(item.top, [])} & declared
    ]
    assert wrong == []


def plain(requirement: str) -> str:
    name = requirement
    for mark in "[<>=!~; ":
        name = name.partition(mark)[0]
    return name.lower().replace("_", "-")


def test_nothing_that_can_run_code_from_data_is_used() -> None:
    wrong = [str(item) for item in ALL if item.top in UNSAFE_MODULES]
    for path in files():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                shown = f"{path.relative_to(ROOT).as_posix()}:{node.lineno} {ast.unparse(node.func)}"
                if ast.unparse(node.func) in UNSAFE_CALLS:
                    wrong.append(shown)
                for given in node.keywords:
                    true = isinstance(given.value, ast.Constant) and given.value.value is True
                    if given.arg in {"shell", "allow_pickle"} and true:
                        wrong.append(f"{shown}({given.arg}=True)")
    assert wrong == []


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    lengths = {path.relative_to(ROOT).as_posix(): len(path.read_text("utf-8").splitlines()) for path in files()}
    generated = "monitor/store/migrations/versions/"
    assert {name: n for name, n in lengths.items() if n > LONGEST and not name.startswith(generated)} == {}


BLOCKED_IMPORT = """
import importlib, pkgutil, sys
from importlib.abc import MetaPathFinder

blocked, rooms = (set(argument.split(",")) for argument in sys.argv[1:3])

class Blocker(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in blocked:
            raise ModuleNotFoundError(f"No module named {name!r} (blocked by the test)", name=name)

sys.meta_path.insert(0, Blocker())
for room in sorted(rooms):
    package = importlib.import_module(room)
    for module in pkgutil.walk_packages(package.__path__, room + "."):
        if ".migrations" not in module.name and not module.name.endswith(".__main__"):
            importlib.import_module(module.name)
print(",".join(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def import_all(*rooms: str, blocked: set[str]) -> set[str]:
    """Import every module of the rooms in a fresh interpreter; return the top names that it then holds."""
    arguments = [",".join(blocked), ",".join(rooms)]
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED_IMPORT, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.fail(done.stderr[-2000:])
    return set(done.stdout.strip().split(","))


def test_everything_imports_where_only_the_core_is_installed() -> None:
    tools = {"pytest", "hypothesis", "jsonschema", "psutil", "mypy"}
    loaded = import_all(*PRODUCT, blocked=EXTRAS | tools)
    assert not loaded & (EXTRAS | tools)


def test_a_spark_worker_needs_only_numpy_arrow_and_numba() -> None:
    others = {"sqlalchemy", "alembic", "fastapi", "pydantic", "pandas", "polars", "scipy", "httpx", "typer", "rich"}
    loaded = import_all("monitor.summaries", blocked=others)
    assert {"numpy", "pyarrow"} <= loaded


def test_pure_rooms_import_without_a_database_a_server_or_a_network() -> None:
    others = {"sqlalchemy", "alembic", "fastapi", "pydantic", "httpx", "typer", "uvicorn", "apscheduler", "monitor"}
    assert "numpy" in import_all("detectors", "ope", "runbooks", blocked=others)
