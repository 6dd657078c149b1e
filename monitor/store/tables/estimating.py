"""Tables of candidates: since when each counts, its estimates, how it compares, and what came of those that served."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, String, Text

from monitor.store.tables.base import table

# When a candidate was first seen. Its comparison counts decisions from then on alone: earlier ones may be what it was
# trained on. A file that changes under its name is another candidate.
candidates = table(
    "candidates",
    Column("policy", String, primary_key=True),
    Column("candidate", String, primary_key=True),
    Column("fingerprint", String, primary_key=True),
    Column("since", Float, nullable=False),  # event time; 0 before the policy had any row
)

# Off-policy estimates over time, one row a candidate, span and estimator.
estimates = table(
    "estimates",
    Column("policy", String, primary_key=True),
    Column("candidate", String, primary_key=True),
    Column("estimator", String, primary_key=True),
    Column("end", Float, primary_key=True),
    Column("fingerprint", String, nullable=False),  # of the candidate's configuration and files, as they were
    Column("begin", Float, nullable=False),
    Column("value", Float),
    Column("low", Float),
    Column("high", Float),
    Column("anytime_low", Float),
    Column("anytime_high", Float),
    Column("n", BigInteger, nullable=False),
    Column("ess", Float, nullable=False),
    Column("trust", String, nullable=False),
    Column("reasons", Text, nullable=False),
)

# A candidate against a version that acted, over all sealed hours since both were there: one row an hour. The sums are
# what the next row adds to, so that a sequence goes on whatever is frozen, counted again or forgotten meanwhile.
differences = table(
    "differences",
    Column("policy", String, primary_key=True),
    Column("candidate", String, primary_key=True),
    Column("fingerprint", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("end", Float, primary_key=True),
    Column("begin", Float, nullable=False),  # start of the first hour in the sums
    Column("value", Float),
    Column("low", Float),
    Column("high", Float),
    Column("anytime_low", Float),
    Column("anytime_high", Float),
    Column("anytime_p", Float),
    Column("incumbent", Float),
    Column("n", BigInteger, nullable=False),
    Column("ess", Float, nullable=False),
    Column("trust", String, nullable=False),
    Column("reasons", Text, nullable=False),
    Column(
        "better_since", Float
    ),  # first end of the run of rows whose sequence lies above 0; null: this one's does not
    Column("reward_low", Float),  # least and greatest reward so far
    Column("reward_high", Float),
    Column("sums", Text, nullable=False),  # JSON, in the order of SUM_COLUMNS
)

# A candidate that came to serve: its last estimate before, and what it then earned.
promotions = table(
    "promotions",
    Column("policy", String, primary_key=True),
    Column("candidate", String, primary_key=True),
    Column("at", Float, primary_key=True),  # start of the first hour in which it made most decisions
    Column("estimated", Float, nullable=False),  # end of the estimate
    Column("value", Float),
    Column("low", Float),
    Column("high", Float),
    Column("trust", String, nullable=False),
    Column("until", Float, nullable=False),  # of what it earned
    Column("earned", Float),
    Column("earned_low", Float),
    Column("earned_high", Float),
    Column("n", BigInteger, nullable=False),
    Column("inside", Boolean),  # null: nothing to compare
)
