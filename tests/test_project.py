"""The frame around the code: environments, the wheel, the licence, and the rules of a test run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = ("torch", "postgres", "spark", "evidently", "onnx")
ROOMS = ("detectors", "ope", "runbooks", "monitor", "dashboard", "examples")


def name_of(requirement: str) -> str:
    return re.split(r"[\[<>=!~; ]", requirement)[0].lower().replace("_", "-")


def pinned() -> set[str]:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    return {name_of(line) for line in lines if "==" in line}


def own_text() -> Iterator[tuple[str, str]]:
    """Yield every text file that belongs to the project."""
    folders = [*ROOMS, "tests", "benchmarks", "docs", "scripts", ".ci"]
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*")]
    paths += [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile", "pyproject.toml")]
    for path in sorted(paths):
        if path.is_file() and path.suffix in {"", ".py", ".md", ".toml", ".sh", ".json", ".yaml", ".mako"}:
            yield path.relative_to(ROOT).as_posix(), path.read_text("utf-8")


def test_every_dependency_is_pinned_to_a_version_that_was_tested() -> None:
    extras = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    declared = {name_of(line) for line in [*PROJECT["dependencies"], *extras]} - {"checkrein"}
    assert declared - pinned() == set()


def test_what_the_core_brings_along_is_pinned_too() -> None:
    todo, seen = [name_of(line) for line in PROJECT["dependencies"]], set[str]()
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += [name_of(line) for line in distribution(name).requires or [] if ";" not in line]
    assert seen - pinned() == set()


def test_no_dependency_of_the_product_is_under_the_gpl() -> None:
    extras = PROJECT["optional-dependencies"]
    lines = [*PROJECT["dependencies"], *(line for name in EXTRAS for line in extras[name])]
    licences = {}
    for name in map(name_of, lines):
        metadata = distribution(name).metadata
        classifiers = [value for value in metadata.get_all("Classifier") or [] if value.startswith("License")]
        licences[name] = " ".join([*(metadata.get_all("License-Expression") or []), *classifiers])
    bad = r"(?<!L)(?<!Lesser )(GPL|General Public License)"
    assert {name: text for name, text in licences.items() if re.search(bad, text)} == {}


def test_the_licence_is_apache_2() -> None:
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert PROJECT["license"] == "Apache-2.0"


def test_the_newest_entry_of_the_changelog_is_this_version() -> None:
    versions = re.findall(r"^## \[?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert versions[0] == PROJECT["version"]


def test_the_wheel_holds_the_rooms_with_their_data_and_nothing_else(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("checkrein-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    data = {
        path.relative_to(ROOT).as_posix()
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.is_file() and path.suffix in {".py", ".toml", ".mako", ".md", ".yaml", ".json", ".html"}
    }
    assert data - names == set()
    assert {"monitor/triggers.toml", "monitor/store/migrations/versions/0001_spine.py"} <= names
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == set(ROOMS)


def test_make_explains_every_target_that_a_person_guesses() -> None:
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True, env=plain_environment())
    for target in ("demo", "test", "test-full", "lint", "bench", "docs", "clean"):
        assert re.search(rf"^make {target} +\S", done.stdout, re.MULTILINE), target


def test_make_clean_leaves_environments_databases_and_logs(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    kept = [".venv/__pycache__/a.pyc", ".venv-dev/.installed", ".git/__pycache__/a", "checkrein.db", "lake/a.parquet"]
    gone = ["monitor/__pycache__/a.pyc", ".mypy_cache/a", "dist/a.whl", "demo-run/checkrein.db"]
    for name in [*kept, *gone]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, env=plain_environment())
    assert [name for name in kept if not (tmp_path / name).exists()] == []
    assert [name for name in gone if (tmp_path / name).exists()] == []


def test_ci_runs_both_test_targets_and_stops_at_the_first_failure(tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/run", tmp_path / ".ci/run")
    makefile = "test:\n\t@echo quick\n\ntest-full:\n\t@echo full; exit 1\n"
    (tmp_path / "Makefile").write_text(makefile)
    assert ci(tmp_path) == (2, ["quick", "full"])
    (tmp_path / "Makefile").write_text(makefile.replace("; exit 1", ""))
    assert ci(tmp_path) == (0, ["quick", "full"])
    (tmp_path / "Makefile").write_text("test:\n\t@exit 1\n")
    assert ci(tmp_path) == (2, [])


def ci(folder: Path) -> tuple[int, list[str]]:
    done = subprocess.run([folder / ".ci/run"], capture_output=True, text=True, check=False, env=plain_environment())
    return done.returncode, [line for line in done.stdout.splitlines() if not line.startswith("make")]


def plain_environment() -> dict[str, str]:
    """Return the environment without what a surrounding make would pass on."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}


RULES = """
import pytest

def test_quick(): pass

@pytest.mark.full
def test_long(): assert False

@pytest.mark.obd
def test_on_the_open_bandit_dataset(): assert False
"""


def run_tests(folder: Path, code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(ROOT / "tests/conftest.py", folder / "conftest.py")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    full\n    obd\n    postgres\n    spark\n")
    (folder / "test_it.py").write_text(code)
    clean = {name: value for name, value in os.environ.items() if name not in {"CHECKREIN_OBD_DIR", "PYTEST_ADDOPTS"}}
    clean["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # other packages bring slow ones
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env={**clean, **environment}
    )


def test_long_tests_and_those_without_their_data_are_deselected_and_counted(tmp_path: Path) -> None:
    done = run_tests(tmp_path, RULES)
    assert done.returncode == 0, done.stdout
    assert "1 passed, 2 deselected" in done.stdout


def test_full_runs_take_long_tests_and_data_its_own(tmp_path: Path) -> None:
    done = run_tests(tmp_path, RULES, "--full", CHECKREIN_OBD_DIR=str(tmp_path))
    assert done.returncode == 1
    assert "2 failed, 1 passed" in done.stdout


@pytest.mark.parametrize(
    "code",
    [
        "import pytest\ndef test_it(): pytest.skip('no reason is good enough')\n",
        "import pytest\npytest.skip('the whole file', allow_module_level=True)\n",
        "import pytest\n@pytest.mark.skipif(True, reason='never')\ndef test_it(): pass\n",
        "import pytest\n@pytest.mark.xfail\ndef test_it(): assert False\n",
    ],
    ids=["call", "file", "mark", "xfail"],
)
def test_a_skipped_test_fails_the_run(tmp_path: Path, code: str) -> None:
    done = run_tests(tmp_path, code + "\ndef test_other(): pass\n")
    assert done.returncode != 0, done.stdout
    assert "SKIPPED, which fails the run" in done.stdout


def test_no_file_names_a_machine_or_leaves_work_for_later() -> None:
    paths = re.compile("(^|[^a-zA-Z.])/(" + "|".join(["wor" + "k", "far" + "m", "roo" + "t", "hom" + "e"]) + ")/[a-z]")
    later = re.compile("|".join([r"\bTO" + "DO", r"\bFIX" + "ME", r"\bXX" + r"X\b"]))
    wrong = [
        f"{name}:{number}: {line.strip()}"
        for name, text in own_text()
        for number, line in enumerate(text.splitlines(), 1)
        if paths.search(line) or later.search(line)
    ]
    assert wrong == []


def test_the_scripts_are_executable_and_stop_at_errors() -> None:
    for path in [ROOT / ".ci/run", *(ROOT / "scripts").glob("*.sh")]:
        assert os.access(path, os.X_OK), path
        assert "set -euo pipefail" in path.read_text("utf-8"), path
