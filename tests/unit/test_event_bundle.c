/* SPDX-License-Identifier: Apache-2.0 */
#include "event_text.h"

#define BUNDLE                                                                                     \
	"cellos-host-telemetry/"                                                                   \
	"host\",\"type\":\"dev.cellos.events.cell.evidence_bundle.v1.emitted"
#define GUEST "\"dev.cellos.events.cell.observability.v1.guest."
#define ID(n) "\"urn:cellos:event:00000000-000" n "-8234-9234-56789abcdef0\""

static void test_a_bundle_has_the_keys_of_both_its_readers(void **state)
{
	(void)state;
	check_event(
		EV_CELL_EVIDENCE_BUNDLE, SAMPLE_USUAL,
		USUAL BUNDLE DATA
		"{\"attestations\":{\"envelopeSignature\":\"checkpoint:" SAMPLE_VKEY
		"\",\"specSignatureHash\":\"sha256:deadbeef\"},\"cellDestroyedEventRef\":\"urn:x:"
		"9\","
		"\"cellId\":\"cell-abc\",\"emittedAtUnixMs\":1762348800123,\"guestEventRefs\":["
		"{\"eventId\":" ID(
			"3") ",\"eventType\":" GUEST
			     "process_spawned\",\"ruleClass\":\"GUEST_AGENT_DECLARATION\"},"
			     "{\"eventId\":" ID(
				     "6") ",\"eventType\":" GUEST "agent_silenced\",\"ruleClass\":"
					  "\"GUEST_AGENT_DECLARATION\"}],"
					  "\"guestEvents\":[{\"type\":" GUEST
					  "process_spawned\"},{\"type\":" GUEST
					  "agent_silenced\"}],\"host\":{\"hostBootNs\":"
					  "\"86400000000001\"},"
					  "\"hostProbeEventRefs\":{\"cgroup\":[" ID(
						  "5") "],\"fcMetrics\":[],\"nftables\":[],\"tap\":"
						       "[],\"vmmProc\":[]},\"hostSeries\":{"
						       "\"cgroup\":{\"count\":0},\"fcMetrics\":{"
						       "\"count\":0},\"nftables\":{\"count\":0},"
						       "\"tap\":{\"count\":0},\"vmmProc\":{"
						       "\"count\":0}},\"inputs\":{\"from\":["
						       "\"events\","
						       "\"statements\"]},\"lifecycle\":[{\"type\":"
						       "\"cell.v1.started\"},{\"type\":"
						       "\"cell.command.v1.completed\"},{\"time\":"
						       "\"2025-11-05T13:20:00Z\",\"type\":"
						       "\"cell.v1.destroyed\"}],"
						       "\"lifecycleEventRefs\":{"
						       "\"commandCompleted\":\"b\","
						       "\"destroyed\":\"urn:x:9\",\"started\":"
						       "\"a\"},\"output\":{\"stampedBy\":\"host\"},"
						       "\"probeSource\":\"host.run\","
						       "\"provenance\":\"derived\",\"references\":"
						       "\"all\","
						       "\"residueClass\":\"none\",\"runId\":\"run-"
						       "6ba7b810-9dad-11d1-80b4-00c04fd430c8\","
						       "\"sequence\":7,\"specId\":\"spec/"
						       "1\",\"specSignatureHash\":"
						       "\"sha256:deadbeef\"}" END(
							       "2025-11-05T13:20:00.123456789Z"));
}

static bool has(struct cht_str event, const char *text)
{
	return memmem(event.ptr, event.len, text, strlen(text)) != NULL;
}

static void test_the_largest_fits_an_entry_and_is_an_event(void **state)
{
	struct sample *x = sample_make(EV_CELL_EVIDENCE_BUNDLE, SAMPLE_MOST);
	struct cht_str e = rendered(&x->s, CHT_SHAPE_FULL);
	struct event_view view;
	size_t at;

	(void)state;
	CHECK(e.len > 36000 && e.len < CHT_EVENT_MAX_BYTES);
	CHECK_INT(event_scan((struct cht_bytes){ (const uint8_t *)e.ptr, e.len }, &view, &at), 0);
	CHECK(view.known == &event_types[EV_CELL_EVIDENCE_BUNDLE]);
	free(x);
}

static void test_what_cannot_all_be_named_is_counted(void **state)
{
	struct sample *x = sample_make(EV_CELL_EVIDENCE_BUNDLE, SAMPLE_USUAL);
	struct cht_str e;

	(void)state;
	x->counts[EV_PROBE_CGROUP] = 1;
	for (unsigned i = 7; x->bundle.seen.n < BUNDLE_REFS_MAX + 1; i++)
		bundle_note(&x->bundle.seen, EV_GUEST_PROCESS_SPAWNED, i);
	e = rendered(&x->s, CHT_SHAPE_FULL);
	CHECK(has(e, "\"references\":\"first_and_last\""));
	CHECK(has(e, ID("3")) && has(e, "-0084-8234-"));
	CHECK(has(e, "\"guestEvents\":[{\"count\":5,\"type\":" GUEST "process_spawned\"}]"));
	CHECK(has(e, "\"hostProbeEventRefs\":{\"cgroup\":[" ID("5") "],"));
	CHECK(has(e, "\"hostSeries\":{\"cgroup\":{\"count\":1},"));
	free(x);
}

static void test_as_many_as_there_is_room_for_are_named(void **state)
{
	struct sample *x = sample_make(EV_CELL_EVIDENCE_BUNDLE, SAMPLE_USUAL);
	struct cht_str e;

	(void)state;
	for (unsigned i = 7; x->bundle.seen.n < BUNDLE_REFS_MAX; i++)
		bundle_note(&x->bundle.seen, EV_GUEST_PROCESS_SPAWNED, i);
	e = rendered(&x->s, CHT_SHAPE_FULL);
	CHECK(has(e, "\"references\":\"all\""));
	CHECK(has(e, "-0082-8234-") && has(e, "-0083-8234-"));
	free(x);
}

/* An earlier process may have seen others. */
static void test_of_a_continued_run_not_all_are_named(void **state)
{
	struct sample *x = sample_make(EV_CELL_EVIDENCE_BUNDLE, SAMPLE_USUAL);

	(void)state;
	x->run.is_continued = true;
	CHECK(has(rendered(&x->s, CHT_SHAPE_FULL), "\"references\":\"first_and_last\""));
	free(x);
}

#define EVENT(type) "{\"id\":\"x\",\"type\":\"" type "\"}"

static const struct {
	const char *events, *want;
} rows[] = {
	{ EVENT("started"), "{\"destroyed\":\"urn:x:9\",\"started\":\"x\"}" },
	{ EVENT("a:started"), "{\"destroyed\":\"urn:x:9\",\"started\":\"x\"}" },
	{ EVENT("restarted"), "{\"destroyed\":\"urn:x:9\"}" },
	{ EVENT("started.not"), "{\"destroyed\":\"urn:x:9\"}" },
	{ EVENT("completed"), "{\"destroyed\":\"urn:x:9\"}" },
	{ EVENT("commandCompleted"), "{\"commandCompleted\":\"x\",\"destroyed\":\"urn:x:9\"}" },
	{ EVENT("command_v1_completed"), "{\"commandCompleted\":\"x\",\"destroyed\":\"urn:x:9\"}" },
	{ EVENT("spawned") "," EVENT("b.spawned"),
	  "{\"destroyed\":\"urn:x:9\",\"spawned\":[\"x\",\"x\"]}" },
};

static void check_refs(const char *events, const char *want)
{
	struct sample *x = sample_make(EV_CELL_EVIDENCE_BUNDLE, SAMPLE_LEAST);
	struct cht_str refs, e;

	x->s.facts.bundle.lifecycle = str_of(events);
	e = rendered(&x->s, CHT_SHAPE_FULL);
	refs.ptr = memmem(e.ptr, e.len, "{\"att", 5);
	CHECK(refs.ptr != NULL);
	refs.len = e.len - (size_t)(refs.ptr - e.ptr);
	CHECK(event_data_find(refs, "lifecycleEventRefs", &refs));
	CHECK_STR(refs, want);
	free(x);
}

static void test_the_last_word_of_a_type_says_what_it_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row = rows[i].events;
		check_refs(rows[i].events, rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_bundle_has_the_keys_of_both_its_readers),
		cmocka_unit_test(test_the_largest_fits_an_entry_and_is_an_event),
		cmocka_unit_test(test_what_cannot_all_be_named_is_counted),
		cmocka_unit_test(test_as_many_as_there_is_room_for_are_named),
		cmocka_unit_test(test_of_a_continued_run_not_all_are_named),
		cmocka_unit_test(test_the_last_word_of_a_type_says_what_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
