"""Point estimates of the Open Bandit Pipeline and SCOPE-RL on made logs: what tests/test_ope_agreement.py reads.

    scripts/reference_values.sh

Runs in `.venv-peers-ope` and writes tests/reference/*.json. The logs are made anew by the test
from benchmarks/peers/ope_data.py, and their columns' sums stand in the files.
"""

from __future__ import annotations

import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.ope_data import (
    ACTIONS,
    BANDITS,
    BANDWIDTH,
    GAMMA,
    GROUP,
    STEPS,
    TRAJECTORIES,
    Bandit,
    Continuous,
    Trajectories,
    bandit,
    continuous,
    fingerprint,
    trajectories,
)

# Our name -> tuning constants at which a peer is asked; None: it has none.
LAMBDAS: dict[str, tuple[float | None, ...]] = {
    "ips": (None,),
    "snips": (None,),
    "clipped_ips": (2.0, 10.0),
    "sub_gaussian_ips": (0.05, 0.5),
    "dm": (None,),
    "dr": (None,),
    "sndr": (None,),
    "switch_dr": (1.0, 5.0),
    "dr_os": (0.5, 50.0),
    "ips of groups": (None,),
    "snips of groups": (None,),
}


DRAWS = 20_000  # of a bootstrap: its ends stand within 1%


def of_bandit(log: Bandit) -> dict[str, Any]:
    """Ask the Open Bandit Pipeline."""
    from obp import ope

    made = {
        "ips": ope.InverseProbabilityWeighting,
        "snips": ope.SelfNormalizedInverseProbabilityWeighting,
        "clipped_ips": ope.InverseProbabilityWeighting,
        "sub_gaussian_ips": ope.SubGaussianInverseProbabilityWeighting,
        "dm": ope.DirectMethod,
        "dr": ope.DoublyRobust,
        "sndr": ope.SelfNormalizedDoublyRobust,
        "switch_dr": ope.SwitchDoublyRobust,
        "dr_os": ope.DoublyRobustWithShrinkage,
        "ips of groups": lambda: ope.MarginalizedInverseProbabilityWeighting(n_actions=ACTIONS),
        "snips of groups": lambda: ope.SelfNormalizedMarginalizedInverseProbabilityWeighting(n_actions=ACTIONS),
    }
    given = {
        "reward": log.reward,
        "action": log.action,
        "position": np.zeros(len(log.action), dtype=int),
        "pscore": log.behaviour[log.executed],
        "action_dist": log.candidate[:, :, None],
        "estimated_rewards_by_reg_model": log.q[:, :, None],
        "context": log.context,
        "action_embed": GROUP[log.action][:, None],
        "pi_b": log.behaviour[:, :, None],
        "p_e_a": np.eye(GROUP.max() + 1)[GROUP][:, :, None],
    }
    asked = [(name, constant) for name, constants in LAMBDAS.items() for constant in constants]
    values = []
    for name, constant in asked:
        estimator = made[name](**({} if constant is None else {"lambda_": constant}))
        values.append({"estimator": name, "lambda": constant, "value": float(estimator.estimate_policy_value(**given))})
    intervals = {
        name: ends(made[name]().estimate_interval(**given, n_bootstrap_samples=DRAWS, random_state=1))
        for name in ("snips", "sndr")
    }
    return {"sums": fingerprint(log), "values": values, "intervals": intervals}


def of_continuous(log: Continuous) -> dict[str, Any]:
    """Ask the Open Bandit Pipeline about a deterministic candidate of continuous actions."""
    from obp import ope

    made = {
        "ips": ope.KernelizedInverseProbabilityWeighting,
        "snips": ope.KernelizedSelfNormalizedInverseProbabilityWeighting,
    }
    given = {
        "reward": log.reward,
        "action_by_behavior_policy": log.action,
        "pscore": log.density,
        "action_by_evaluation_policy": log.target,
    }
    values = [
        {
            "estimator": name,
            "kernel": kernel,
            "value": float(estimator(kernel=kernel, bandwidth=BANDWIDTH).estimate_policy_value(**given)),
        }
        for name, estimator in made.items()
        for kernel in ("epanechnikov", "gaussian")
    ]
    return {"sums": fingerprint(log), "values": values}


def ends(interval: dict[str, float]) -> list[float]:
    """Return both ends of an interval as these two libraries tell it."""
    return [float(value) for name, value in interval.items() if name.endswith(("(lower)", "(upper)"))]


def of_episodes(log: Trajectories) -> dict[str, Any]:
    """Ask SCOPE-RL, which takes episodes of one length only: ended ones go on with weight 1, reward 0 and value 0."""
    from scope_rl.ope import discrete

    made = {
        "dm_fqe": discrete.DirectMethod,
        "tis": discrete.TrajectoryWiseImportanceSampling,
        "wis": discrete.SelfNormalizedTIS,
        "pdis": discrete.PerDecisionImportanceSampling,
        "wpdis": discrete.SelfNormalizedPDIS,
        "dr_seq": discrete.DoublyRobust,
        "wdr": discrete.SelfNormalizedDR,
    }
    candidate = log.padded(log.candidate, 0.0)
    candidate[log.padded(log.step, -1) < 0, 0] = 1.0
    given = {
        "step_per_trajectory": STEPS,
        "action": log.padded(log.action, 0).ravel(),
        "reward": log.padded(log.reward, 0.0).ravel(),
        "pscore": log.padded(log.behaviour[log.executed], 1.0).ravel(),
        "evaluation_policy_action_dist": candidate.reshape(-1, candidate.shape[-1]),
        "state_action_value_prediction": log.padded(log.q, 0.0).reshape(-1, candidate.shape[-1]),
        "gamma": GAMMA,
    }
    values = [
        {"estimator": name, "lambda": None, "value": float(estimator().estimate_policy_value(**given))}
        for name, estimator in made.items()
    ]
    pdis = made["pdis"]()
    intervals = {ci: ends(pdis.estimate_interval(**given, ci=ci)) for ci in ("hoeffding", "ttest")}
    return {"sums": fingerprint(log), "values": values, "intervals": intervals}


def written(path: Path, peer: str, logs: dict[str, Any]) -> None:
    """Write one file; Python prints a double with as many digits as tell it from every other one."""
    made = {"peer": f"{peer} {version(peer)}", "numpy": np.__version__, "python": platform.python_version()}
    path.write_text(json.dumps({**made, "logs": logs}, indent=1) + "\n", "utf-8")


def main(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    written(directory / "continuous.json", "obp", {"deterministic": of_continuous(continuous())})
    written(directory / "bandits.json", "obp", {name: of_bandit(bandit(name)) for name in BANDITS})
    written(directory / "episodes.json", "scope-rl", {name: of_episodes(trajectories(name)) for name in TRAJECTORIES})


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "tests/reference"))
