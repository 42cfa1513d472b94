#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# man_pages - every command of cht has a page, every option stands in it, every page is in order
# and is installed, and the completions offer what there is.
# usage: CHT_BIN=build/bin CHT_SOURCE_ROOT=. tests/integ/man_pages.sh
set -eu
cht=$CHT_BIN/cht
cd "$CHT_SOURCE_ROOT"
backspace=$(printf '\b')
bad=0
list=$(mktemp)
trap 'rm -f "$list"' EXIT

wrong() {
	echo "$*" >&2
	bad=1
}

# The words that begin a line of a usage text: "-n", "--frames".
options_of() {
	"$cht" "$1" --help | sed -n \
		's/^ *\(-[A-Za-z]\), \(--[a-z-]*\).*/\1 \2/p; s/^ *\(--[a-z-]*\).*/\1/p'
}

commands=$("$cht" --help | sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
[ -n "$commands" ] || wrong "cht --help lists no command"

for command in $commands; do
	page=man/cht-$command.1
	if [ ! -f "$page" ]; then
		page=man/cht.1
		grep -q "^\.It Cm $command" "$page" || wrong "$command: no page, and not in cht(1)"
	fi
	grep -q "^\.It Cm $command" man/cht.1 || wrong "$command: not listed in cht(1)"
	options=$(options_of "$command")
	[ -n "$options" ] || wrong "cht $command --help names no option"
	text=$(mandoc -T ascii "$page" | sed "s/.$backspace//g") # bold is struck twice
	for option in $options; do
		printf '%s\n' "$text" | grep -qE -- "(^|[^a-z-])$option([^a-z-]|$)" ||
			wrong "$page: $option is missing"
	done
	# What the page speaks of must be there.
	[ "$page" = man/cht.1 ] && continue
	for option in $(printf '%s\n' "$text" | sed -n '/^DESCRIPTION/,/^EXIT STATUS/p' |
		grep -oE -- '--[a-z][a-z-]+' | sort -u); do
		printf '%s\n' "$options" | grep -qwe "$option" ||
			wrong "$page: $option is in no usage"
	done
done

# The list of cht(1), up to the next section, has no command that is not there.
listed=$(sed -n '/^The commands are:/,/^\.El/s/^\.It Cm \([a-z]*\).*/\1/p' man/cht.1)
for command in $listed; do
	printf '%s\nhelp\n' "$commands" | grep -qxe "$command" || wrong "cht(1): no command $command"
done

faults=$("$cht" send --help | sed -n '/^faults/,/^exit:/s/^  \([a-z-]*\) .*/\1/p')
for fault in $faults; do
	grep -q "^\.It Cm $fault" man/cht-send.1 || wrong "man/cht-send.1: fault $fault is missing"
done

for page in man/*.[1-8]; do
	lint=$(mandoc -T lint -W warning "$page") || true
	[ -z "$lint" ] || wrong "$lint"
	grep -q "'${page#man/}'" man/meson.build || wrong "$page: not in man/meson.build"
	sed -n 's/^\.Xr \(cht[a-z-]*\) \([1-8]\).*/\1.\2/p' "$page" | sort -u >"$list"
	while read -r other; do
		[ -f "man/$other" ] || wrong "$page: refers to $other, which is not there"
	done <"$list"
done

PATH=$CHT_BIN:$PATH
export PATH
offered=$(bash -c '. dist/completions/cht.bash
	offer() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _cht; printf "%s\n" "${COMPREPLY[@]}"; }
	offer cht ""
	for command in $(_cht_commands); do offer cht $command -; done
	offer cht send --fault ""; offer cht cell ""; offer cht config ""')
for word in add pause resume rm ls show check $commands $faults $(for command in $commands; do options_of "$command"; done); do
	printf '%s\n' "$offered" | grep -qxe "$word" || wrong "completion does not offer $word"
done

exit $bad
