"""The smallest change that matters, as people write it."""

from __future__ import annotations

import math


def least_effect(text: str | float, reference: float) -> float:
    """Return the smallest change that matters, in the metric's own unit.

    With enough rows everything is significant, so every rule that compares means also asks for an effect.

    Parameters
    ----------
    text
        ``"2%"`` of the size of ``reference``, or ``"0.05"`` in the metric's unit.
    reference
        Mean of the baseline.

    Raises
    ------
    ValueError
        If the text is neither.

    Examples
    --------
    >>> least_effect("2%", -50.0), least_effect("0.05", 7.0)
    (1.0, 0.05)
    """
    written = str(text).strip()
    try:
        amount = float(written.removesuffix("%"))
    except ValueError:
        amount = math.nan
    if not (math.isfinite(amount) and amount >= 0):
        raise ValueError(f'min_effect = {text!r} is not an effect: write "2%" of the baseline, or 0.05 in its unit')
    return abs(reference) * amount / 100 if written.endswith("%") else amount
