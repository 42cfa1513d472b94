# SPDX-License-Identifier: Apache-2.0
# Completion of cht for fish. What can be typed is asked of cht itself, so that it is never old.

function __cht_commands
    cht --help 2>/dev/null | sed -n '/^commands:/,/^$/s/^  \([a-z]*\)  *\(.*\)/\1\t\2/p'
    printf 'help\texplain a command\n'
end

function __cht_options
    set -l words (commandline -opc)
    cht $words[2] --help 2>/dev/null | sed -n \
        's/^ *\(-[A-Za-z], \)\{0,1\}\(--[a-z-]*\)\( [A-Z][^ ]*\| json\)\{0,1\}  *\(.*\)/\2\t\4/p'
end

function __cht_faults
    cht send --help 2>/dev/null | sed -n '/^faults/,/^exit:/s/^  \([a-z-]*\)  *\(.*\)/\1\t\2/p'
end

# The words that a command does one thing or another by: cht cell add, cht cell rm.
function __cht_actions
    set -l words (commandline -opc)
    test (count $words) -eq 2; and cht $words[2] --help 2>/dev/null |
        sed -n "s/^\(usage:\|      \) cht $words[2] \([a-z][a-z]*\).*/\2/p"
end

function __cht_at_command
    test (count (commandline -opc)) -eq 1
end

function __cht_after
    contains -- (commandline -opc)[-1] $argv
end

function __cht_command_is
    set -l words (commandline -opc)
    test (count $words) -ge 2; and contains -- $words[2] $argv
end

complete -c cht -n '__cht_at_command; or __cht_command_is help' -f -a '(__cht_commands)'
complete -c cht -n 'not __cht_at_command; and string match -q -- "-*" (commandline -ct)' -f -a '(__cht_options)'
complete -c cht -n '__cht_after -o --output' -f -a 'json text'
complete -c cht -n '__cht_after --where' -f -a 'pid= comm= exe= address= verdict='
complete -c cht -n '__cht_command_is send; and __cht_after --fault' -f -a '(__cht_faults)'
complete -c cht -n '__cht_command_is send; and not __cht_after --fault' -f -a 'unix: vsock:'
complete -c cht -n '__cht_command_is top; and __cht_after --sort' -f -a 'trouble frames lost refused silence connections name'
complete -c cht -n '__cht_command_is cell config key ledger; and test (count (commandline -opc)) -eq 2' -f -a '(__cht_actions)'
