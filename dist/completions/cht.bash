# SPDX-License-Identifier: Apache-2.0
# Completion of cht for bash. What can be typed is asked of cht itself, so that it is never old.

_cht_commands() {
	cht --help 2>/dev/null | sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'
	echo help
}

_cht_options() {
	cht "$1" --help 2>/dev/null |
		sed -n 's/^ *\(-[A-Za-z]\), \(--[a-z-]*\).*/\1 \2/p; s/^ *\(--[a-z-]*\).*/\1/p'
}

_cht_faults() {
	cht send --help 2>/dev/null | sed -n '/^faults/,/^exit:/s/^  \([a-z-]*\) .*/\1/p'
}

# The words that a command does one thing or another by: cht cell add, cht cell rm.
_cht_actions() {
	cht "$1" --help 2>/dev/null |
		sed -n "s/^\(usage:\|      \) cht $1 \([a-z][a-z]*\).*/\2/p"
}

_cht() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local command=${COMP_WORDS[1]} words

	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		words="$(_cht_commands) --help --version"
	elif [ "$command" = help ]; then
		words=$(_cht_commands)
	elif [ "$prev" = -o ] || [ "$prev" = --output ]; then
		words='json text'
	elif [ "$prev" = --fault ]; then
		words=$(_cht_faults)
	elif [ "$prev" = --where ]; then
		words='pid= comm= exe= address= verdict='
	elif [ "$prev" = --sort ]; then
		words='trouble frames lost refused silence connections name'
	elif [ "${cur#-}" != "$cur" ]; then
		words=$(_cht_options "$command")
	elif [ "$command" = send ]; then
		words='unix: vsock:'
	elif [ "$COMP_CWORD" -eq 2 ] && words=$(_cht_actions "$command") && [ -n "$words" ]; then
		:
	else
		# shellcheck disable=SC2207 # one name a line, and compgen quotes
		local IFS=$'\n'
		# shellcheck disable=SC2207
		COMPREPLY=($(compgen -f -- "$cur"))
		return
	fi
	# shellcheck disable=SC2207 # our words have no blanks
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
}

complete -o filenames -F _cht cht
