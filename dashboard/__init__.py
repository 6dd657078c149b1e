"""The pages: Dash over monitor's read side and its command functions, never SQL, never files."""
