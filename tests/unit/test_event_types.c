/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/bytes.h"
#include "event/event.h"

static const char prefix[] = "dev.cellos.events.cell.observability.v1.";

/* Named as the Rust side names them, and the names for short do not meet those of other events. */
static void check_reading(const struct event_type *t)
{
	enum cht_probe_kind kind;

	CHECK(cht_probe_find(str_of(t->noticed_by), &kind));
	CHECK_INT(kind, t->kind - EV_PROBE_FC_METRICS);
	CHECK(strncmp(t->type, CHT_PROBE_TYPE_PREFIX, sizeof(CHT_PROBE_TYPE_PREFIX) - 1) == 0);
	CHECK(strcmp(t->type + sizeof(CHT_PROBE_TYPE_PREFIX) - 1, cht_probe_name(kind)) == 0);
	CHECK(strcmp(t->name, t->noticed_by) == 0);
	CHECK(strcmp(t->source, CHT_SOURCE_PROBES_URI) == 0);
	CHECK(strcmp(t->provenance, "observed") == 0);
	CHECK(event_type_is_below(str_of(t->type), str_of(t->name)));
	CHECK(event_type_is_below(str_of(t->type), STR("host")));
	CHECK(event_type_is_below(str_of(t->type), str_of(t->type)));
	CHECK(!event_type_is_below(str_of(t->type), STR("host.started")));
	CHECK(!event_type_is_below(str_of(t->type), STR("hos")));
	CHECK(!event_type_is_below(str_of(event_types[EV_HOST_STARTED].type), str_of(t->name)));
}

/* Named as its readers on the Rust side look for it. */
static void check_bundle(const struct event_type *t)
{
	CHECK(strcmp(t->type, "dev.cellos.events.cell.evidence_bundle.v1.emitted") == 0);
	CHECK(event_type_is_below(str_of(t->type), STR("cell")));
	CHECK(event_type_is_below(str_of(t->type), STR("cell.evidence_bundle")));
	CHECK(event_type_is_below(str_of(t->type), str_of(t->type)));
	CHECK(!event_type_is_below(str_of(t->type), STR("cell.evidence")));
	CHECK(!event_type_is_below(str_of(t->type), STR("cell.state_changed")));
}

static void test_each_kind_has_a_whole_row(void **state)
{
	(void)state;
	for (unsigned k = 0; k < EV_N_KINDS; k++) {
		const struct event_type *t = &event_types[k];

		CHECK(t->name != NULL);
		check_row = t->name;
		CHECK_INT(t->kind, k);
		CHECK((t->noticed_by == NULL) == event_is_declaration(t->kind));
		if (event_is_reading(t->kind)) {
			check_reading(t);
			continue;
		}
		if (t->kind == EV_CELL_EVIDENCE_BUNDLE) {
			check_bundle(t);
			continue;
		}
		CHECK(strncmp(t->type, prefix, sizeof(prefix) - 1) == 0);
		CHECK(strcmp(t->type + sizeof(prefix) - 1, t->name) == 0);
		CHECK((t->inputs == NULL) == event_is_declaration(t->kind));
		CHECK(strcmp(t->source, event_is_declaration(t->kind)
						? "cellos-host-telemetry/guest"
						: "cellos-host-telemetry/host") == 0);
		CHECK((strcmp(t->provenance, "declared") == 0) ==
		      (event_is_declaration(t->kind) || t->kind == EV_RUN_STATED));
	}
}

static void test_a_type_finds_its_row_and_nothing_else(void **state)
{
	static const char *const strange[] = {
		"",
		"dev.cellos.events.cell.observability.v1.",
		"dev.cellos.events.cell.observability.v1.run.opene",
		"dev.cellos.events.cell.observability.v1.run.openedx",
		"dev.cellos.events.cell.observability.v2.run.opened",
		"run.opened",
		"dev.cellos.events.cell.observability.v1.cell.evidence_bundle",
		"dev.cellos.events.cell.evidence_bundle.v1.emitted.",
	};

	(void)state;
	for (unsigned k = 0; k < EV_N_KINDS; k++) {
		check_row = event_types[k].name;
		CHECK(event_type_find(str_of(event_types[k].type)) == &event_types[k]);
	}
	for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++) {
		check_row = strange[i];
		CHECK(event_type_find(str_of(strange[i])) == NULL);
	}
}

static void test_names_are_unique(void **state)
{
	(void)state;
	for (unsigned a = 0; a < EV_N_KINDS; a++)
		for (unsigned b = 0; b < a; b++)
			CHECK(strcmp(event_types[a].name, event_types[b].name) != 0);
	for (unsigned a = 0; a < CLOSE_N_REASONS; a++)
		for (unsigned b = 0; b < a; b++)
			CHECK(strcmp(close_reason_name(a), close_reason_name(b)) != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_kind_has_a_whole_row),
		cmocka_unit_test(test_a_type_finds_its_row_and_nothing_else),
		cmocka_unit_test(test_names_are_unique),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
