#!/bin/sh
# Runs a command with all clocks moved (libfaketime), once for each moment: a week's days, and those on which calendars go
# wrong. Arguments are the command to run; DAYS names other moments, a line each, as `date -d` reads them, in UTC.
set -eu
library=$(find /usr/lib -name libfaketimeMT.so.1 2>/dev/null | head -n 1)
[ -n "$library" ] || { echo "Moving the clock needs libfaketime. On Debian: apt-get install faketime" >&2; exit 1; }

failed=""
while read -r moment; do
    [ -n "$moment" ] || continue
    offset=$(($(date -u -d "$moment" +%s) - $(date +%s)))
    echo "== $moment, a $(LC_ALL=C date -u -d "$moment" +%A)"
    LD_PRELOAD=$library FAKETIME=$(printf %+d "$offset") FAKETIME_NO_CACHE=1 "$@" </dev/null || failed="$failed
  $moment"
done <<END
${DAYS:-2026-12-07 00:00:30
2026-12-08 12:00
2026-12-09 12:00
2026-12-10 12:00
2026-12-11 23:50
2026-12-12 12:00
2026-12-13 12:00
2026-12-31 23:50
2027-01-01 00:00:30
2028-02-29 12:00
2028-03-01 00:00:30}
END
[ -z "$failed" ] || { echo "Failed with the clock at:$failed" >&2; exit 1; }
