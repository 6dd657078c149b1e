"""What people and hooks do, as pure tables: the life of an alert and of an action."""
