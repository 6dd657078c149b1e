"""docs/faults.md names, for each of the fourteen faults, the tests that carry its number, and no others."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FAULTS = range(1, 15)


def suite() -> Iterator[tuple[ast.FunctionDef, list[str], list[int]]]:
    """Yield every test of the suite with its decorators and the numbers that it carries."""
    for path in sorted((ROOT / "tests/faults").glob("test_*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                marks = [ast.unparse(one) for one in node.decorator_list]
                numbers = [re.fullmatch(r"pytest\.mark\.fault\((\d+)\)", mark) for mark in marks]
                yield node, marks, [int(number[1]) for number in numbers if number]


def test_each_fault_has_tests_that_print_its_number_and_the_table_names_them_all() -> None:
    carried: dict[int, set[str]] = defaultdict(set)
    silent = []
    for node, _marks, numbers in suite():
        for number in numbers:
            carried[number].add(node.name)
        if numbers and not any(isinstance(one, ast.Call) and ast.unparse(one.func) == "say" for one in ast.walk(node)):
            silent.append(node.name)
    assert silent == [], "a test of a fault prints its number with the fixture say"
    rows = re.findall(r"^\| (\d+)\. (.+)$", (ROOT / "docs/faults.md").read_text("utf-8"), re.MULTILINE)
    told = {int(number): set(re.findall(r"`(test_\w+)`", rest)) for number, rest in rows}
    assert (sorted(told), sorted(carried)) == ([*FAULTS], [*FAULTS])
    assert {number: told[number] ^ carried[number] for number in FAULTS} == {number: set() for number in FAULTS}


def test_each_fault_has_a_quick_form() -> None:
    quick = {number for _node, marks, numbers in suite() for number in numbers if "pytest.mark.full" not in marks}
    assert sorted(quick) == [*FAULTS]
