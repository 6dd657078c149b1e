"""Programs for the `command` hook: each hands one decision to a system that serves; see docs/recipes.md."""
