#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# on-silence - runs a command for each silence that a ledger tells of, and for each cell of which
# the host concludes that it is gone or hung: to page somebody, to ask the orchestrator.
#
# usage: on-silence.sh DIR CURSOR COMMAND [ARGUMENT...]
#	DIR      chtd's state directory
#	CURSOR   a file of this script's own: which log it is, and the index behind the last event
#	         that was done with. Where there is none, it begins with what comes from now on.
#
# COMMAND has in its environment CHT_INDEX of the event in the ledger, CHT_CELL and CHT_RUN, CHT_WHAT
# (silent, gone or hung), CHT_BASIS and, of a silence, CHT_EPISODE from 1; else that is "-".
#
# None is missed over restarts, of this script or of chtd. When COMMAND fails the script ends with
# its status, and the next start begins with that event again: COMMAND may see one twice.
set -eu
[ $# -ge 3 ] || { sed -n 's/^# usage: /usage: /p' "$0" >&2; exit 2; }
dir=$1 cursor=$2
shift 2
exec 9>>"$cursor.lock"
flock -n 9 || { echo "on-silence: another one works with $cursor" >&2; exit 1; }

log=$(sed -n 1p "$dir/ledger/checkpoint")
keep() { # all of it or nothing
	printf '%s\n%s\n' "$log" "$1" >"$cursor.new" && mv "$cursor.new" "$cursor"
}
[ -s "$cursor" ] || keep "$(sed -n 2p "$dir/ledger/checkpoint")"
[ "$(sed -n 1p "$cursor")" = "$log" ] || {
	echo "on-silence: $cursor is of another log: see what $dir/past tells from there on, then remove it" >&2
	exit 1
}

rm -f "$cursor.pipe" && mkfifo -m 600 "$cursor.pipe"
exec 8<>"$cursor.pipe" # so that neither end waits for the other
exec 7<"$cursor.pipe"
exec 6>"$cursor.pipe"
exec 8>&-
cht tail --from "$(sed -n 2p "$cursor")" --index -o json "$dir" >&6 7<&- &
tail=$!
exec 6>&-
trap 'kill "$tail" 2>/dev/null || :' INT TERM
# Tabs and newlines in a text of a guest are escaped in JSON: a line is one event.
jq --unbuffered -Rr 'split("\t") as [$index, $entry] | $entry | fromjson | .event // . |
	(.type // "" | ltrimstr("dev.cellos.events.cell.observability.v1.")) as $type | .data |
	(if $type == "guest.agent_silenced" then "silent"
	 elif $type == "cell.state_changed" and (.to == "gone" or .to == "hung") then .to
	 else empty end) as $what |
	[$index, .cellId, .runId, $what, .basis, .episode // "-"] | @tsv' <&7 |
	while read -r index cell run what basis episode; do
		CHT_INDEX=$index CHT_CELL=$cell CHT_RUN=$run CHT_WHAT=$what CHT_BASIS=$basis \
			CHT_EPISODE=$episode "$@" </dev/null 7<&- 9>&- ||
			{ status=$?; kill "$tail" || :; exit "$status"; }
		keep $((index + 1))
	done &
exec 7<&-
wait $! || exit # a signal ends tail, and with it, after the command that runs, the rest
wait "$tail"
