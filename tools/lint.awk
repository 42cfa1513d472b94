# SPDX-License-Identifier: Apache-2.0
#
# lint.awk - the rules behind tools/lint. A C file is read line by line with comments and the
# insides of strings taken out; calls are judged by whole statements, functions by the brace in
# column one that the format gives them.

# Allowed for the file, or for all of its folder.
function report(line, rule, text,    folder, key) {
	folder = path
	sub(/[^\/]*$/, "", folder)
	key = (rule " " path) in allowed ? rule " " path : rule " " folder
	if (key in allowed) {
		used[key] = 1
		return
	}
	printf "%s:%d: %s: %s\n", path, line, rule, text
	bad = 1
}

# The line without comments and without what stands inside strings.
function code_of(line,    out, i, c, two, quote) {
	out = ""
	for (i = 1; i <= length(line); i++) {
		c = substr(line, i, 1)
		two = substr(line, i, 2)
		if (in_comment) {
			if (two == "*/") {
				in_comment = 0
				i++
			}
		} else if (quote != "") {
			if (c == "\\")
				i++
			else if (c == quote)
				quote = ""
			if (quote == "")
				out = out c
		} else if (two == "/*") {
			in_comment = 1
			i++
		} else if (two == "//") {
			break
		} else {
			if (c == "\"" || c == "'")
				quote = c
			out = out c
		}
	}
	return out
}

# Whether the text calls one of these functions: names joined by "|".
function calls(text, names) {
	return text ~ ("(^|[^A-Za-z0-9_])(" names ") *\\(")
}

# The text from an opening parenthesis to the one that closes it.
function arguments(text,    i, c, depth) {
	for (i = 1; i <= length(text); i++) {
		c = substr(text, i, 1)
		if (c == "(")
			depth++
		else if (c == ")" && --depth == 0)
			return substr(text, 1, i)
	}
	return text
}

function must(text, names, flag,    call, args) {
	while (match(text, "(^|[^A-Za-z0-9_])(" names ") *\\(")) {
		call = substr(text, RSTART, RLENGTH)
		text = substr(text, RSTART + RLENGTH - 1)
		args = arguments(text)
		# Flags may be collected in a variable of the same function.
		if (!index(args, flag) && !(args ~ /[^a-z]flags[^a-z]/ && index(body_so_far, flag))) {
			gsub(/[^a-z0-9_]/, "", call)
			report(statement_line, "cloexec", call " without " flag)
		}
	}
}

function judge_statement(text) {
	must(text, "open|openat|openat2|open_by_handle_at", "O_CLOEXEC")
	must(text, "socket|socketpair|accept4", "SOCK_CLOEXEC")
	must(text, "pipe2", "O_CLOEXEC")
	must(text, "eventfd", "EFD_CLOEXEC")
	must(text, "memfd_create", "MFD_CLOEXEC")
	must(text, "epoll_create1", "EPOLL_CLOEXEC")
	must(text, "timerfd_create", "TFD_CLOEXEC")
	must(text, "signalfd", "SFD_CLOEXEC")
	must(text, "inotify_init1", "IN_CLOEXEC")
	must(text, "recvmsg", "MSG_CMSG_CLOEXEC")
	if (calls(text, "accept|pipe|dup|epoll_create|inotify_init|creat"))
		report(statement_line, "cloexec", "this call cannot set close-on-exec")
}

function judge_call(code) {
	if (calls(code, "strcpy|strcat|stpcpy|sprintf|vsprintf|atoi|atol|atoll|strtol|strtoul|strtoll|strtoull|gets|alloca|signal|exit|system|popen"))
		report(FNR, "banned", "a call that HACKING.md bans")
	if (calls(code, "sleep|usleep|nanosleep|clock_nanosleep"))
		report(FNR, "sleep", "wait for a descriptor or a line")
	if (calls(code, "clock_gettime|gettimeofday|time|clock") && path != "src/base/clk.c")
		report(FNR, "clock", "only src/base/clk.c reads a clock")
	if (calls(code, "malloc|calloc|realloc|reallocarray|strdup|strndup|asprintf|vasprintf"))
		report(FNR, "malloc", "memory comes from start-up and control: list the file")
	if (path ~ /^src\/(sign|scribe)\// && calls(code, "memcmp|strcmp|bcmp"))
		report(FNR, "memcmp", "secrets are compared in constant time")
}

# Parameters of a definition whose head is one line of text.
function parameters(head,    i, c, depth, n, seen) {
	# The last parenthesis at depth 0 opens the parameters: attributes stand before them.
	for (i = 1; i <= length(head); i++) {
		c = substr(head, i, 1)
		if (c == "(") {
			if (depth++ == 0)
				n = 1
		} else if (c == ")")
			depth--
		else if (c == "," && depth == 1)
			n++
	}
	return n
}

function read_c(    code, trimmed) {
	code = code_of($0)
	if ($0 ~ /NOLINT/ && ($0 last_line) !~ /ADR [0-9][0-9][0-9][0-9]/)
		report(FNR, "nolint", "a NOLINT names its ADR")
	if (substr(code, 1, 1) == "{") {
		body_line = FNR
		body_so_far = ""
		if (parameters(head) > 6)
			report(FNR, "parameters", parameters(head) " parameters, 6 at most")
	} else if (substr(code, 1, 1) == "}") {
		if (body_line && FNR - body_line - 1 > 60)
			report(body_line, "function", FNR - body_line - 1 " lines, 60 at most")
		body_line = 0
		head = ""
	}
	if (code ~ /^[A-Za-z_]/)
		head = ""
	if (!body_line)
		head = head " " code
	if (is_judged && body_line) {
		judge_call(code)
		if (statement == "")
			statement_line = FNR
		statement = statement " " code
		trimmed = code
		sub(/[ \t]+$/, "", trimmed)
		if (trimmed ~ /[;{}]$/) {
			body_so_far = body_so_far statement
			judge_statement(statement)
			statement = ""
		} else if (statement ~ /^[ \t]*$/)
			statement = ""
	}
	last_line = $0
}

# Each CHT_API follows a comment, or others that do, without an empty line between.
function read_public_header() {
	if ($0 ~ /\*\/[ \t]*$/)
		has_contract = 1
	else if ($0 ~ /^[ \t]*$/)
		has_contract = 0
	else if ($0 ~ /^CHT_API/ && !has_contract)
		report(FNR, "contract", "a public function without a contract comment")
}

function finish_file() {
	if (path == "")
		return
	if (is_c && lines > 500)
		report(lines, "file", lines " lines, 500 at most")
	if ((is_c || is_script) && !has_spdx)
		report(1, "spdx", "no SPDX line at the top")
}

function start_file() {
	finish_file()
	path = FILENAME
	is_c = path ~ /\.[ch]$/
	is_script = path ~ /\.(sh|py|awk)$/ || $0 ~ /^#!/
	is_judged = path ~ /^(src|examples)\//
	has_spdx = 0
	in_comment = 0
	statement = head = last_line = ""
	body_line = has_contract = 0
}

FILENAME == allow {
	if ($0 !~ /^#/ && NF) {
		if (NF < 3) {
			printf "%s:%d: allow: rule, path and a reason\n", FILENAME, FNR
			bad = 1
		} else
			allowed[$1 " " $2] = FNR
	}
	next
}
FNR == 1 { start_file() }
{ lines = FNR }
FNR <= 2 && /SPDX-License-Identifier: Apache-2.0/ { has_spdx = 1 }
/[^A-Za-z.](\/work|\/root|\/home)\// || /^(\/work|\/root|\/home)\// {
	report(FNR, "words", "a path of one machine")
}
/(^|[^A-Za-z])(T[O]DO|FIX[M]E|XX[X])([^A-Za-z]|$)/ { report(FNR, "words", "unfinished work belongs in an issue") }
is_script && /^[ \t]*sleep [0-9.]/ { report(FNR, "sleep", "wait for a descriptor or a line") }
is_c { read_c() }
path ~ /^include\/cht\// { read_public_header() }
END {
	finish_file()
	for (key in allowed)
		if (!(key in used)) {
			printf "%s:%d: allow: nothing needs \"%s\" any more\n", allow, allowed[key], key
			bad = 1
		}
	exit bad
}
