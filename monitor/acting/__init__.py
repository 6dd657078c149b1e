"""Side effects: decided in one transaction, delivered until acknowledged, confirmed from the log."""
