"""GOV-05: is the log complete, and still what it was?"""

from __future__ import annotations

from typing import Any

from runbooks.checklist.evaluator import Parameters
from runbooks.checklist.facts import Facts
from runbooks.checklist.item import Item, State, insufficient


def evaluate(facts: Facts, parameters: Parameters) -> Item:
    """Look for gaps in running numbers, duplicates, damaged files, refused and late rows.

    Completeness needs somebody else's count. The running number at the end of a decision id is the one that a log can
    carry; without it nobody can say what is missing, however clean the rest is.
    """
    found = facts.log
    if found is None or found.rows == 0:
        return insufficient("No row of the log was read.")
    statistics: dict[str, Any] = dict(vars(found))
    most = float(parameters["lost_at_most"])
    lost = (found.refused + found.late) / (found.rows + found.refused)
    numbers: dict[str, Any] = {"number": lost, "threshold": most, "unit": "share of rows refused or late"}
    wrong = []
    if found.damaged:
        wrong.append(f"{found.damaged:,} of {found.files:,} files are gone or changed since they landed")
    if found.duplicates:
        wrong.append(f"{found.duplicates:,} decision ids are there twice")
    if found.gaps:
        wrong.append(f"{found.gaps:,} running numbers are missing")
    if lost > most:
        wrong.append(f"{found.refused:,} rows were refused and {found.late:,} came late ({lost:.2%}, limit {most:.1%})")
    if wrong:
        return Item(State.FAIL, f"{'; '.join(wrong)}.", statistics, **numbers)
    if found.sequenced < found.rows:
        without = found.rows - found.sequenced
        sentence = (
            f"{without:,} of {found.rows:,} decision ids have no running number, so nothing says what is missing."
        )
        return insufficient(sentence, statistics, **numbers)
    sentence = f"{found.rows:,} decisions without a gap or a duplicate; {found.files:,} files are as they landed; "
    sentence += f"{lost:.3%} refused or late. The serving side's own counter is not compared."
    return Item(State.PASS, sentence, statistics, **numbers)
