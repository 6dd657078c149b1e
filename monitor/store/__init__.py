"""Control state: tables, transactions and migrations."""
