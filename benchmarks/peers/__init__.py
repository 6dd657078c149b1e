"""Other people's programs on the same data, each in its own process and in an environment of their own.

`scripts/peers.sh` makes that environment, `.venv-peers`, from requirements.txt beside this file. The modules here run
in it: they import nothing of Checkrein, measure their work apart from imports and reading, and print one JSON object.
"""
