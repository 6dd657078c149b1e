"""Programs that stand where yours will: a rollback receiver to copy, and worlds with policies to watch."""
