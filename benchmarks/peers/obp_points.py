"""Six point estimates by the Open Bandit Pipeline: python -m benchmarks.peers.obp_points DIR REPEATS.

Reading, importing and giving the columns the shapes that it takes are outside the clock; so is its bootstrap.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from importlib.metadata import version
from pathlib import Path


def main(directory: Path, repeats: int) -> None:
    began = time.perf_counter()
    import numpy as np
    from obp import ope

    imported = time.perf_counter() - began
    columns = {path.stem: np.load(path) for path in directory.glob("*.npy")}
    threshold = json.loads((directory / "lambda.json").read_text("utf-8"))
    rows = len(columns["reward"])
    feedback = {
        "n_rounds": rows,
        "n_actions": columns["q"].shape[1],
        "action": columns["action"],
        "reward": columns["reward"],
        "pscore": columns["propensity"],
        "position": np.zeros(rows, dtype=int),
        "context": columns["q"],  # asked for, and not read
    }
    estimators = {
        "ips": ope.InverseProbabilityWeighting(),
        "snips": ope.SelfNormalizedInverseProbabilityWeighting(),
        "dm": ope.DirectMethod(),
        "dr": ope.DoublyRobust(),
        "sndr": ope.SelfNormalizedDoublyRobust(),
        "switch_dr": ope.SwitchDoublyRobust(lambda_=threshold),
    }
    for name, estimator in estimators.items():
        estimator.estimator_name = name
    taken, values = [], {}
    for _ in range(repeats):
        began = time.perf_counter()
        evaluation = ope.OffPolicyEvaluation(bandit_feedback=feedback, ope_estimators=list(estimators.values()))
        values = evaluation.estimate_policy_values(
            action_dist=columns["candidate"][:, :, None], estimated_rewards_by_reg_model=columns["q"][:, :, None]
        )
        taken.append(time.perf_counter() - began)
    print(
        json.dumps(
            {
                "version": version("obp"),
                "import_seconds": round(imported, 2),
                "seconds": statistics.median(taken),
                "values": {name: float(value) for name, value in values.items()},
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
