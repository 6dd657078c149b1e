"""From sealed buckets to verdicts and transitions; reads, decides, and leaves writing to the pass."""
