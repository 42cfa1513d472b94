/* SPDX-License-Identifier: Apache-2.0
 *
 * The lists become a filter by libseccomp (ADR 0022): names, so that one list serves every
 * architecture; a name that the running one does not have allows nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "lockdown/parts.h"

enum { ANY = -1 };

/* Allowed when the argument, masked, is the value. */
struct rule {
	const char *name;
	uint64_t mask, value;
	int arg;      /* ANY: whatever they are */
	bool is_self; /* the value is our process id */
};

/* An int's upper half in its register means nothing. */
#define CALL(call)                   { .name = #call, .arg = ANY },
#define CALL_IF(call, at, v)         { .name = #call, .arg = (at), .mask = UINT32_MAX, .value = (v) },
#define CALL_WITHOUT(call, at, bits) { .name = #call, .arg = (at), .mask = (bits) },
#define CALL_ON_SELF(call, at)       { .name = #call, .arg = (at), .mask = UINT32_MAX, .is_self = true },

static const struct rule common[] = {
#include "lockdown/calls_common.def"
};
static const struct rule line[] = {
#include "lockdown/calls_line.def"
};
static const struct rule scribe[] = {
#include "lockdown/calls_scribe.def"
};
static const struct rule opener[] = {
#include "lockdown/calls_opener.def"
};

#define LIST(rules)                                                                                \
	{                                                                                          \
		(rules), sizeof(rules) / sizeof((rules)[0])                                        \
	}

static const struct list {
	const struct rule *rules;
	size_t n;
} lists[] = {
	[LOCKDOWN_LINE] = LIST(line),
	[LOCKDOWN_SCRIBE] = LIST(scribe),
	[LOCKDOWN_OPENER] = LIST(opener),
};

static int add(scmp_filter_ctx filter, const struct rule *rule)
{
	int call = seccomp_syscall_resolve_name(rule->name);
	struct scmp_arg_cmp arg = { .op = SCMP_CMP_MASKED_EQ };

	if (call == __NR_SCMP_ERROR)
		return -ENOSYS;
	if (rule->arg == ANY)
		return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 0, NULL);
	arg.arg = (unsigned)rule->arg;
	arg.datum_a = rule->mask;
	arg.datum_b = rule->is_self ? (uint64_t)getpid() : rule->value;
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &arg);
}

static int add_list(scmp_filter_ctx filter, const struct rule *rules, size_t n, struct cht_err *err)
{
	for (size_t i = 0; i < n; i++) {
		int r = add(filter, &rules[i]);

		if (r < 0)
			return cht_fail(err, CHT_E_IO, -r, "allow the system call %s",
					rules[i].name);
	}
	return 0;
}

static int load(scmp_filter_ctx filter, struct cht_err *err)
{
	/* no_new_privs is set already. */
	int r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);

	if (r == 0)
		r = seccomp_load(filter);
	if (r == 0)
		return 0;
	if (r == -EINVAL || r == -ENOSYS || r == -EOPNOTSUPP)
		return cht_fail(err, CHT_E_UNSUPPORTED, -r,
				"this kernel has no seccomp filters: --lockdown off goes without");
	return cht_fail(err, CHT_E_IO, -r, "enter seccomp");
}

int calls_enter(enum lockdown_program program, enum lockdown_mode mode, struct cht_err *err)
{
	scmp_filter_ctx filter =
		seccomp_init(mode == LOCKDOWN_LOG ? SCMP_ACT_LOG : SCMP_ACT_KILL_PROCESS);
	const struct list *own = &lists[program];
	int r;

	if (filter == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for the list of system calls");
	r = add_list(filter, common, sizeof(common) / sizeof(common[0]), err);
	if (r == 0)
		r = add_list(filter, own->rules, own->n, err);
	if (r == 0)
		r = load(filter, err);
	seccomp_release(filter);
	return r;
}
