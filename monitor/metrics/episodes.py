"""Episodes: discounted returns and costs, per episode that began."""

from __future__ import annotations

from monitor.metrics.tracked import per_episode

EPISODE_RETURN = per_episode("episode return", "discounted reward per episode", "episode_return", "step", "reward")
EPISODE_COST = per_episode("episode cost of {key}", "discounted cost per episode", "episode_cost", "step", "cost.*")
