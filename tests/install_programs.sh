#!/bin/sh
# Finds the programs that the tests drive and no Python package brings; installs Debian's where that is possible, else
# says what to do.
set -eu

# Whether a program is here and sees the tests' folders: Ubuntu's browsers are snaps, which have a /tmp of their own.
here() {
    path=$(command -v "$1") || return 1
    ! { readlink -f "$path"; head -c 4096 "$path"; } | grep -aqE '/snap/bin/|/bin/snap$'
}

missing=""
# need PACKAGE COMMAND…: Debian's package, and the names that the program goes by.
need() {
    package=$1
    shift
    for name in "$@"; do
        if here "$name"; then return 0; fi
    done
    missing="$missing $package"
}

need chromium chromium chromium-browser  # Google's own takes no extension from its command line
need firefox-esr firefox-esr firefox
need caddy caddy          # in front of two replicas, with the Caddyfile of deploy/
need prometheus promtool  # checks the exposition and the alert rules
need faketime faketime    # moves the clock of make test-days
need wrk wrk              # the load of make bench: one in Python would measure itself
[ -z "$missing" ] && exit 0

case "$missing" in *chromium* | *firefox*)
    if grep -qs '^ID=ubuntu' /etc/os-release; then
        echo "The tests drive real programs, of which these are missing:$missing
Ubuntu has browsers as snaps only, which cannot see the tests' folders. Install them from elsewhere, so that they are on
the PATH: Firefox from https://packages.mozilla.org, Chromium from https://download-chromium.appspot.com" >&2
        exit 1
    fi
esac

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
