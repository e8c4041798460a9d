#!/bin/sh
# Finds the programs that the tests drive and no Python package brings; installs Debian's where that is possible, else
# says what to do.
set -eu

missing=""
# need PACKAGE COMMAND…: Debian's package, and the names that the program goes by.
need() {
    package=$1
    shift
    for name in "$@"; do
        if command -v "$name" >/dev/null 2>&1; then return 0; fi
    done
    missing="$missing $package"
}

need chromium chromium chromium-browser google-chrome google-chrome-stable
need firefox-esr firefox-esr firefox
need caddy caddy          # in front of two replicas, with the Caddyfile of deploy/
need prometheus promtool  # checks the exposition and the alert rules
need wrk wrk              # the load of make bench: one in Python would measure itself
[ -z "$missing" ] && exit 0

if command -v apt-get >/dev/null 2>&1; then
    as_root=""
    if [ "$(id -u)" -ne 0 ]; then
        if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then as_root="sudo -n"; else
            echo "The tests drive real programs. Install them first: sudo apt-get install$missing" >&2
            exit 1
        fi
    fi
    echo "Installing for the tests:$missing …"
    $as_root apt-get update -qq
    # shellcheck disable=SC2086 # a list of packages
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
    exit 0
fi
echo "The tests drive real programs. Install these, so that they are on the PATH:$missing" >&2
exit 1
