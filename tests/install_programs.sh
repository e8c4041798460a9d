#!/bin/sh
# Finds the browsers that the tests drive; installs Debian's where that is possible, else says what to do.
set -eu

find_any() {
    for name in "$@"; do
        if command -v "$name" >/dev/null 2>&1; then return 0; fi
    done
    return 1
}

missing=""
find_any chromium chromium-browser google-chrome google-chrome-stable || missing="chromium"
find_any firefox-esr firefox || missing="$missing firefox-esr"
[ -z "$missing" ] && exit 0

if command -v apt-get >/dev/null 2>&1; then
    as_root=""
    if [ "$(id -u)" -ne 0 ]; then
        if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then as_root="sudo -n"; else
            echo "The tests drive real browsers. Install them first: sudo apt-get install $missing" >&2
            exit 1
        fi
    fi
    echo "Installing for the tests: $missing …"
    $as_root apt-get update -qq
    # shellcheck disable=SC2086 # a list of packages
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
    exit 0
fi
echo "The tests drive real browsers. Install Chromium (or Chrome) and Firefox, so that they are on the PATH: $missing" >&2
exit 1
