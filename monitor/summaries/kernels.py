"""The compiled kernels: one pass over a column fills a (group x number) matrix, with the GIL released."""

from monitor.summaries.kernels_add import check_propensities, reward_moments, subtract_known, violations, weigh
from monitor.summaries.kernels_count import bin_all, bin_values, count_codes, quantile_cells

__all__ = [
    "bin_all",
    "bin_values",
    "check_propensities",
    "count_codes",
    "quantile_cells",
    "reward_moments",
    "subtract_known",
    "violations",
    "weigh",
]
