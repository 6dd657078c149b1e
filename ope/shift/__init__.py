"""Why a mean moved: its parts between two times, and what another version would have done."""
