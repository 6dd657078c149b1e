"""The log store: Parquet files that a manifest names, and the columns that they have."""
