"""A candidate beside the incumbent and beside others; its worst cases."""
