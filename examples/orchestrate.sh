#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# orchestrate - runs one microVM with its evidence: registers the cell, boots the VM only when the
# ledger has it, keeps both receipts, and seals the run when the VM ends.
#
# usage: orchestrate.sh CONTROL CELL BASE RECEIPTS VMM [ARGUMENT...]
#	CONTROL   chtd's control socket
#	BASE      uds_path of the VM's vsock device; the VMM command gets it in $CHT_BASE
#	RECEIPTS  a directory, best of another machine: CELL.opened and CELL.sealed go there
set -eu
[ $# -ge 5 ] || { sed -n 's/^# usage: /usage: /p' "$0" >&2; exit 2; }
control=$1 cell=$2 base=$3 receipts=$4
shift 4

# A member of a JSON answer that is a text; with its newlines, as a receipt has them.
member() {
	python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]], end="")' "$1"
}

# Each answer that is none of success ends the script, with chtd's sentence.
ask() { # method, body
	body=$(curl -sS --fail-with-body --unix-socket "$control" -X "$1" ${2:+-d "$2"} \
		"http://chtd/cells/$cell") || { status=$?; echo "$body" >&2; exit $status; }
	printf %s "$body"
}

answer=$(ask PUT "{\"base\":\"$base\"}")
printf %s "$answer" | member receipt >"$receipts/$cell.opened"
echo "$cell: run $(printf %s "$answer" | member run) is open" >&2

status=0
CHT_BASE=$base "$@" || status=$?

ask PATCH "{\"exitCode\":$status}" >/dev/null
answer=$(ask DELETE '')
printf %s "$answer" | member receipt >"$receipts/$cell.sealed"
echo "$cell: sealed, VM ended with $status" >&2
exit $status
