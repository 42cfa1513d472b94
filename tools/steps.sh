# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# steps.sh - for scripts that run named steps: a line each with its time, the log of one that
# fails, and a closing line over all. Sourced at the top of the project, with $logs set.
#
#   step NAME COMMAND...   counts as one; exit status 77 means skipped, its last line says why
#   suite NAME DIR ARG...  meson test in a build directory; each of its tests counts
#   finish                 the closing line; status 0 when nothing failed

rm -rf "$logs"
mkdir -p "$logs"

if [ -t 1 ]; then green='\033[32m' red='\033[31m' yellow='\033[33m' plain='\033[0m'; else green='' red='' yellow='' plain=''; fi

now_ms() {
	echo $(($(date +%s%N) / 1000000))
}

said() { # word, colour, name, milliseconds, more
	printf "$2%-4s$plain  %-28s %5d.%d s  %s\n" "$1" "$3" $(($4 / 1000)) $(($4 / 100 % 10)) "$5"
}

# Runs apart from the caller's conditions: there `set -e` would not hold.
run_step() {
	log=$logs/$(echo "$1" | tr ' /' '--').log
	name=$1
	shift
	start=$(now_ms)
	(set -eu; "$@") >"$log" 2>&1 </dev/null &
	if wait $!; then status=0; else status=$?; fi
	took=$(($(now_ms) - start))
}

step() { # name, command...
	run_step "$@"
	case $status in
	0) said ok "$green" "$name" "$took" "$(sed -n 's/^note: //p' "$log" | tail -n 1)"; result=OK ;;
	77) said skip "$yellow" "$name" "$took" "$(tail -n 1 "$log")"; result=SKIP ;;
	*) said FAIL "$red" "$name" "$took" "$log"; tail -n 200 "$log"; result=FAIL ;;
	esac
	printf '{"name": "%s", "result": "%s"}\n' "$name" "$result" >>"$logs/steps.json"
}

suite() { # name, build directory, arguments of meson test...
	base=testlog-$(echo "$1" | tr ' /' '--')
	title=$1 dir=$2
	shift 2
	rm -f "$dir/meson-logs/$base"*
	run_step "$title" meson test -C "$dir" --no-rebuild --print-errorlogs --logbase "$base" "$@"
	cat "$dir/meson-logs/$base"*.json >"$logs/$base.json" 2>/dev/null || true
	sums=$(tools/testsum "$logs/$base.json") || true
	if [ "$status" -eq 0 ]; then
		said ok "$green" "$name" "$took" "$sums"
		tools/skips "$logs/$base.json"
		return
	fi
	said FAIL "$red" "$name" "$took" "$sums"
	grep -vE '^ *[0-9]+/[0-9]+ .* (OK|SKIP) ' "$log" | tail -n 200
	# A test counts for itself; a run that ended without any is counted here.
	case $sums in *" 0 failed"*)
		printf '{"name": "%s", "result": "FAIL"}\n' "$title" >>"$logs/steps.json" ;;
	esac
}

finish() {
	tools/testsum "$logs"/*.json
}
