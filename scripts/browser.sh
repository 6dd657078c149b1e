#!/usr/bin/env bash
# Install the browser that the browser tests drive: Debian's Chromium. Does nothing where it is there already.
set -euo pipefail
[ ! -x /usr/bin/chromium ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "the browser tests need /usr/bin/chromium: install it, or run this as root where apt-get works" >&2
    exit 1
fi
echo "installing chromium" >&2
apt-get update -qq >&2
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >&2
