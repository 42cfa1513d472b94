/* SPDX-License-Identifier: Apache-2.0
 *
 * audit.c - libcht-verify in a tool of one's own.
 *	cc audit.c $(pkg-config --cflags --libs cht-verify) -o audit
 *	./audit VKEY PATH           a ledger, a bundle or tiles: prints what it is worth, ends with
 *the verdict
 *	./audit VKEY PROOF ENTRY    one event: is it in the log
 * VKEY is the log's verifier key, "name+id+key", which you have from whoever runs it and not from
 *the ledger itself.
 */
#include <stdio.h>
#include <string.h>

#include <cht/verify.h>

enum { CANNOT = 1, USAGE = 2 };

static int complain(const struct cht_err *err)
{
	fprintf(stderr, "audit: %s\n", err->text);
	return CANNOT;
}

static int audit_all(const char *path, const struct cht_trust *trust)
{
	struct cht_verify_options options = { .struct_size = sizeof(options) };
	struct cht_verify_report report = { .struct_size = sizeof(report) };
	struct cht_err err = { 0 };

	if (cht_verify(path, trust, &options, &report, &err) < 0)
		return complain(&err);
	printf("%s: %llu entries, verdict %d\n", report.origin, (unsigned long long)report.entries,
	       (int)report.verdict);
	if (report.findings > 0)
		printf("%s at entry %llu: %s\n", report.fault,
		       (unsigned long long)report.fault_index, report.fault_meaning);
	if (report.cannot_tell[0] != '\0')
		printf("missing: %s\n", report.cannot_tell);
	return (int)report.verdict;
}

static int read_file(const char *path, char *out, size_t cap, size_t *len)
{
	FILE *f = fopen(path, "rb");

	if (f == NULL) {
		perror(path);
		return -1;
	}
	*len = fread(out, 1, cap, f);
	(void)fclose(f);
	return 0;
}

static int audit_one(const char *proof_path, const char *entry_path, const struct cht_trust *trust)
{
	static char proof[65536], entry[65536];
	struct cht_checkpoint checkpoint;
	struct cht_err err = { 0 };
	struct cht_str text = { proof, 0 };
	struct cht_bytes bytes = { (const uint8_t *)entry, 0 };
	uint64_t index = 0;

	if (read_file(proof_path, proof, sizeof(proof), &text.len) < 0 ||
	    read_file(entry_path, entry, sizeof(entry), &bytes.len) < 0)
		return CANNOT;
	if (cht_proof_verify(text, bytes, trust, &index, &checkpoint, &err) < 0) {
		(void)complain(&err);
		return err.code == CHT_E_VERIFY ? (int)CHT_VERDICT_DAMAGED : CANNOT;
	}
	printf("entry %llu of %s\n", (unsigned long long)index, checkpoint.origin);
	return 0;
}

int main(int argc, char **argv)
{
	struct cht_trust *trust = NULL;
	struct cht_err err = { 0 };
	struct cht_str vkey;
	int status;

	if (argc != 3 && argc != 4) {
		fprintf(stderr, "usage: audit VKEY PATH | audit VKEY PROOF ENTRY\n");
		return USAGE;
	}
	vkey.ptr = argv[1];
	vkey.len = strlen(argv[1]);
	if (cht_trust_new(&trust, NULL, NULL, &err) < 0)
		return complain(&err);
	if (cht_trust_add_vkey(trust, vkey, &err) < 0)
		status = complain(&err);
	else
		status = argc == 3 ? audit_all(argv[2], trust) : audit_one(argv[2], argv[3], trust);
	cht_trust_free(trust);
	return status;
}
