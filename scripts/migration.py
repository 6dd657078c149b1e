"""Write the next migration: what monitor/store/tables.py has and the newest migration does not have yet.

``python scripts/migration.py add_silences`` writes monitor/store/migrations/versions/000N_add_silences.py.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from argparse import Namespace
from pathlib import Path

from alembic import command
from alembic.config import Config

from monitor.store.database import Database

MIGRATIONS = Path(__file__).resolve().parents[1] / "monitor/store/migrations"


def main(name: str) -> int:
    """Write one file and print its path; the number is the next free one."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        print(f"{name!r} is not a name: write lower case words joined by _", file=sys.stderr)
        return 2
    versions = MIGRATIONS / "versions"
    versions.mkdir(exist_ok=True)
    revision = f"{len(list(versions.glob('[0-9]*.py'))) + 1:04d}"
    config = Config(cmd_opts=Namespace(quiet=True))
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    with tempfile.TemporaryDirectory() as directory:
        database = Database(f"sqlite:///{directory}/empty.db")
        if revision != "0001":
            database.migrate()
        with database.begin() as connection:
            config.attributes["connection"] = connection
            command.revision(config, message=name.replace("_", " "), autogenerate=True, rev_id=revision)
        database.close()
    (path,) = versions.glob(f"{revision}_*.py")
    # Alembic writes defaults as SQLite has them, and PostgreSQL takes no number for a truth value.
    text = re.sub(r"(sa\.Boolean\(\), server_default=)sa\.text\(.0.\)", r"\1sa.false()", path.read_text("utf-8"))
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("# ###")]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    subprocess.run([sys.executable, "-m", "ruff", "check", "--fix", "--quiet", path], check=False)
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", path], check=True)
    print(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python scripts/migration.py NAME")
    sys.exit(main(sys.argv[1]))
