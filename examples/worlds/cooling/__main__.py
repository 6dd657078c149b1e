"""Command line of the cooling world."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from examples.worlds.cooling import configuration


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cooling", description="A data centre's cooling plant under two policies.")
    commands = parser.add_subparsers(dest="command", required=True)
    history = commands.add_parser("history", help="write logs: the first half served by v6, the second by v7")
    history.add_argument("--out", type=Path, required=True, help="folder for the Parquet files")
    history.add_argument("--days", type=float, default=14)
    history.add_argument(
        "--end", type=float, required=True, help="seconds since 1970 of the first decision not written"
    )
    history.add_argument("--seed", type=int, default=1)
    configure = commands.add_parser("configure", help="write checkrein.toml and policies/*.json")
    configure.add_argument("--out", type=Path, required=True, help="folder to write into")
    configure.add_argument("--hook-port", type=int, required=True)
    configure.add_argument("--logs", help='Parquet files to read as a source, such as "logs/*.parquet"')
    configure.add_argument("--lateness", default="60s", help="time that decisions may take to arrive")
    live = commands.add_parser("live", help="serve, log by HTTP, and obey rollbacks")
    live.add_argument("--api", required=True, help="root of Checkrein's API, such as http://127.0.0.1:8000")
    live.add_argument("--hook-port", type=int, required=True, help="port that takes rollbacks; 0: any free one")
    live.add_argument("--clock", required=True, help="EPOCH/SPEED/STARTED of the simulated time")
    live.add_argument("--fault-after", type=float, help="seconds until the inlet sensor drifts; absent: never")
    live.add_argument(
        "--repair-after", type=float, help="seconds from the takeover until the sensor is replaced; absent: never"
    )
    live.add_argument("--seed", type=int, default=1)
    live.add_argument("--state", type=Path, default=Path("cooling-state"), help="folder that remembers the generation")
    live.add_argument("--max-seconds", type=float, help="end by itself after so many seconds")
    live.add_argument("--serving", choices=("v6", "v7", "v8"), default="v7", help="version that serves at first")
    return parser


def main() -> int:
    """Run one command; each imports only what it needs, because a demo counts its seconds."""
    options = _parser().parse_args()
    try:
        if options.command == "history":
            from examples.worlds.cooling import history

            total = history.write(options.out, options.days, int(options.end), options.seed)
            print(history.sentence(total, options.out), flush=True)
            return 0
        if options.command == "configure":
            from examples.worlds.cooling.controllers import write_policies

            write_policies(options.out / "policies")
            text = configuration(hook_port=options.hook_port, logs=options.logs, lateness=options.lateness)
            (options.out / "checkrein.toml").write_text(text, "utf-8")
            return 0
        from examples.worlds.cooling import live

        clock = live.SimulatedTime.parse(options.clock)
        return live.run(
            api=options.api,
            hook_port=options.hook_port,
            clock=clock,
            fault_after=options.fault_after,
            repair_after=options.repair_after,
            seed=options.seed,
            state=options.state,
            max_seconds=options.max_seconds,
            initial=options.serving,
        )
    except (ValueError, OSError) as error:
        print(f"cooling {options.command}: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
