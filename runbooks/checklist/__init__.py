"""The readiness checklist: the machine measures, a named person attests, and neither stands in for the other.

A template (YAML data) says what is asked; ``EVALUATORS`` answers from facts that somebody else gathered. Nothing here
reads a file of the user's, a database or a clock.
"""

from __future__ import annotations

from runbooks.checklist import (
    armed,
    artifact,
    better,
    cost,
    disagreement,
    diversity,
    drift,
    firings,
    intact,
    kill_switch,
    latency,
    monitored,
    return_path,
    reward_shape,
    segments,
    shadow_review,
    side_by_side,
)
from runbooks.checklist.evaluator import Evaluator
from runbooks.checklist.facts import Facts
from runbooks.checklist.item import Item, State
from runbooks.checklist.judge import judge
from runbooks.checklist.template import ItemSpec, Template, TemplateError, parse, shipped

__all__ = [
    "EVALUATORS",
    "Evaluator",
    "Facts",
    "Item",
    "ItemSpec",
    "State",
    "Template",
    "TemplateError",
    "judge",
    "parse",
    "shipped",
]

_REPLAYED = ("triggers", "actions", "baseline", "drills")

EVALUATORS: dict[str, Evaluator] = {
    "OFF-02": Evaluator(better.evaluate, needs=("propensity", "reward"), reads=("summaries",), whole_log=True),
    "OFF-03": Evaluator(cost.evaluate, needs=("cost.*",), reads=("summaries",)),
    "OFF-09": Evaluator(latency.evaluate, needs=("latency_ms",), reads=("lake",)),
    "GOV-01": Evaluator(artifact.evaluate, needs=("artifact_sha256",), reads=("lake", "actions")),
    "GOV-05": Evaluator(intact.evaluate, needs=("decision_id",), reads=("lake",), whole_log=True),
    "SHD-02": Evaluator(disagreement.evaluate, needs=(), reads=("reviews", "summaries")),
    "SHD-03": Evaluator(shadow_review.evaluate, needs=(), reads=("reviews",)),
    "ROL-05": Evaluator(return_path.evaluate, needs=(), reads=("actions",)),
    "SAF-06": Evaluator(kill_switch.evaluate, needs=(), reads=("drills",)),
    "LIM-04": Evaluator(side_by_side.fair, needs=("state.*",), reads=("stage",)),
    "AB-01": Evaluator(side_by_side.isolated, needs=(), reads=("stage",)),
    "AB-02": Evaluator(side_by_side.long_enough, needs=("reward",), reads=("stage",)),
    "AB-03": Evaluator(side_by_side.lasting, needs=("reward",), reads=("stage",)),
    "RBK-01": Evaluator(armed.evaluate, needs=("reward",), reads=_REPLAYED),
    "RBK-02": Evaluator(armed.evaluate, needs=("cost.*",), reads=_REPLAYED),
    "RBK-03": Evaluator(armed.evaluate, needs=("state.*",), reads=_REPLAYED),
    "RBK-04": Evaluator(armed.evaluate, needs=("irreversible",), reads=_REPLAYED),
    "RBK-05": Evaluator(armed.evaluate, needs=("reward",), reads=_REPLAYED),
    "RBK-06": Evaluator(firings.evaluate, needs=(), reads=("firings",)),
    "FUL-01": Evaluator(monitored.evaluate, needs=("reward", "cost.*"), reads=("verdicts",)),
    "FUL-02": Evaluator(reward_shape.evaluate, needs=("reward",), reads=("summaries", "baseline")),
    "FUL-03": Evaluator(drift.evaluate, needs=("state.*",), reads=("verdicts", "baseline")),
    "FUL-04": Evaluator(diversity.evaluate, needs=("action",), reads=("summaries", "baseline")),
    "FAI-01": Evaluator(segments.evaluate, needs=("segment.*", "reward"), reads=("lake",)),
}
