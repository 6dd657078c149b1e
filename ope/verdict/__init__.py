"""Whether an estimate may be believed."""
