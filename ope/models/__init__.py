"""Models fitted on the log: of rewards, of the behaviour policy."""
