/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/fc_totals.h"

#include "base/bytes.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"

struct row {
	struct cht_str group, name;
	const char *whole;
	bool is_done;
};

static const struct row rows[FC_N_TOTALS] = {
#define TOTAL(group_, name_, is_done_)                                                             \
	[FC_TOTAL_##group_##_##name_] = { .group = STR_INIT(#group_),                              \
					  .name = STR_INIT(#name_),                                \
					  .whole = #group_ "." #name_,                             \
					  .is_done = (is_done_) != 0 },
#include "probe/fc_totals.def"
#undef TOTAL
};

/* Stored, not counted: above 0 in the last line alone. */
static const struct row fatals[] = {
	{ STR_INIT("seccomp"), STR_INIT("num_faults"), "seccomp.num_faults", false },
	{ STR_INIT("signals"), STR_INIT("sigbus"), "signals.sigbus", false },
	{ STR_INIT("signals"), STR_INIT("sighup"), "signals.sighup", false },
	{ STR_INIT("signals"), STR_INIT("sigill"), "signals.sigill", false },
	{ STR_INIT("signals"), STR_INIT("sigsegv"), "signals.sigsegv", false },
	{ STR_INIT("signals"), STR_INIT("sigxcpu"), "signals.sigxcpu", false },
	{ STR_INIT("signals"), STR_INIT("sigxfsz"), "signals.sigxfsz", false },
	{ STR_INIT("vmm"), STR_INIT("panic_count"), "vmm.panic_count", false },
};
enum { N_FATALS = sizeof(fatals) / sizeof(fatals[0]) };

const char *fc_total_name(enum fc_total total)
{
	return rows[total].whole;
}

/* Down the document beside a table: both are sorted by group and name. */
struct walk {
	const struct fc_doc *doc;
	unsigned group, member; /* the first that is not below the row last looked for; 0: none */
	struct cht_str in;      /* the group whose members are walked */
};

static int order_of(struct cht_str a, struct cht_str b)
{
	int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static struct cht_str name_of(const struct fc_doc *doc, unsigned v)
{
	return (struct cht_str){ (const char *)doc->text + doc->values[v].key_at,
				 doc->values[v].key_len };
}

/* From v on, the one of that name; *v: it, or the first above it. */
static bool reach(const struct fc_doc *doc, unsigned *v, struct cht_str name)
{
	int order = 1;

	while (*v != 0 && (order = order_of(name_of(doc, *v), name)) < 0)
		*v = doc->values[*v].next;
	return *v != 0 && order == 0;
}

/* *out: 0 when the line has none. False: it has something else there. */
static bool find_count(struct walk *w, const struct row *row, uint64_t *out, bool *is_there)
{
	*out = 0;
	*is_there = false;
	if (!str_eq(w->in, row->group)) {
		w->in = row->group;
		w->member = 0;
		if (!reach(w->doc, &w->group, row->group))
			return true;
		if (w->doc->values[w->group].kind != FC_OBJECT)
			return false;
		w->member = w->doc->values[w->group].first;
	}
	*is_there = reach(w->doc, &w->member, row->name);
	return !*is_there || fc_doc_u64(w->doc, w->member, out);
}

static bool is_exit(enum fc_total total)
{
	return total >= FC_TOTAL_vcpu_exit_io_in && total <= FC_TOTAL_vcpu_exit_mmio_write;
}

/* All or nothing: a sum holds whole lines. */
int fc_totals_add(struct fc_totals *totals, const struct fc_doc *doc, struct fc_line_facts *facts,
		  const char **which)
{
	struct fc_line_facts found = { .has_exits = false };
	const unsigned first = doc->values[FC_DOC_TOP].first;
	struct walk w = { .doc = doc, .group = first };
	uint64_t added[FC_N_TOTALS], n;
	bool is_there;

	for (unsigned i = 0; i < N_FATALS; i++) {
		*which = fatals[i].whole;
		if (!find_count(&w, &fatals[i], &n, &is_there))
			return CHT_E_PARSE;
		found.fatal |= n > 0 ? UINT32_C(1) << i : 0;
	}
	w = (struct walk){ .doc = doc, .group = first };
	for (unsigned i = 0; i < FC_N_TOTALS; i++) {
		*which = rows[i].whole;
		if (!find_count(&w, &rows[i], &added[i], &is_there))
			return CHT_E_PARSE;
		found.has_exits |= is_there && is_exit((enum fc_total)i);
		found.is_done |= rows[i].is_done && added[i] > 0;
	}
	for (unsigned i = 0; i < FC_N_TOTALS; i++)
		totals->sum[i] = u64_sum(totals->sum[i], added[i]);
	*facts = found;
	return 0;
}

void fc_totals_put(struct buf *b, const struct fc_totals *totals)
{
	bool any = false;

	buf_put_byte(b, '{');
	for (unsigned i = 0; i < FC_N_TOTALS; i++) {
		if (totals->sum[i] == 0)
			continue;
		if (any)
			buf_put_byte(b, ',');
		any = true;
		json_put_str(b, str_of(rows[i].whole));
		buf_put_byte(b, ':');
		put_u64(b, totals->sum[i]);
	}
	buf_put_byte(b, '}');
}

void fc_fatal_put(struct buf *b, uint32_t fatal)
{
	bool any = false;

	buf_put_byte(b, '[');
	for (unsigned i = 0; i < N_FATALS; i++) {
		if ((fatal >> i & 1) == 0)
			continue;
		if (any)
			buf_put_byte(b, ',');
		any = true;
		json_put_str(b, str_of(fatals[i].whole));
	}
	buf_put_byte(b, ']');
}
