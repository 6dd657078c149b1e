#!/usr/bin/env bash
# Run a command with the servers that the full tests need: servers.sh COMMAND [ARGUMENT...]
#
# Installs PostgreSQL where it is missing (needs root and apt-get; nothing is fetched when it is there), starts one of its
# own in a temporary directory, on a free port of the loopback interface, names it in CHECKREIN_TEST_POSTGRES, and stops
# it when the command ends. The exit status is the command's.
set -euo pipefail
[ $# -gt 0 ] || { echo "usage: scripts/servers.sh COMMAND [ARGUMENT...]" >&2; exit 2; }

postgres_bin() { # directory of initdb and pg_ctl; the newest where there are several
    local link
    if link=$(command -v initdb) && command -v pg_ctl >/dev/null; then
        dirname "$(readlink -f "$link")"
    else
        ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1
    fi
}

if [ -z "$(postgres_bin)" ]; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "the full tests need PostgreSQL: install it, or run this as root where apt-get works" >&2
        exit 1
    fi
    echo "installing postgresql" >&2
    apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >&2
fi
bin=$(postgres_bin)

as_owner=() # PostgreSQL refuses to run as root
[ "$(id -u)" != 0 ] || as_owner=(runuser -u postgres --)
root=$(mktemp -d)
data=$root/data
stop() {
    local pid
    if pid=$(head -n 1 "$data/postmaster.pid" 2>/dev/null); then
        "${as_owner[@]}" "$bin/pg_ctl" --pgdata "$data" --mode immediate --silent stop || kill -QUIT "$pid" || true
    fi
    rm -rf "$root"
}
trap stop EXIT
trap 'exit 130' INT TERM

password=$(head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n')
printf '%s\n' "$password" >"$root/password"
[ "$(id -u)" != 0 ] || chown -R postgres "$root"
port=$("${PYTHON:-python3}" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

(
    cd "$root" # where the owner may be
    "${as_owner[@]}" "$bin/initdb" --pgdata "$data" --username postgres --pwfile "$root/password" \
        --auth scram-sha-256 --encoding UTF8 --locale C --no-sync >"$root/initdb.log" 2>&1 ||
        { cat "$root/initdb.log" >&2; exit 1; }
    # Durability is PostgreSQL's own promise, not under test here: without fsync the tests run in half the time.
    "${as_owner[@]}" "$bin/pg_ctl" --pgdata "$data" --log "$root/server.log" --wait --silent start \
        --options "-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories= -c fsync=off" </dev/null >&2 ||
        { cat "$root/server.log" >&2; exit 1; }
)

export CHECKREIN_TEST_POSTGRES="postgresql+psycopg://postgres:$password@127.0.0.1:$port/postgres"
status=0
"$@" || status=$?
exit "$status"
