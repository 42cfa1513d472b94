/* SPDX-License-Identifier: Apache-2.0
 *
 * All that this process has written is searched for a key: while it is loaded, once it is freed,
 * and after it was refused.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <cht/sign.h>

#include "base/text.h"
#include "sign/sign.h"

#include "check.h"

enum {
	SEED_BYTES = 32,
	BIG_MAPPING = 1 << 26, /* a sanitizer's shadow: it holds no copies */
};

/* A needle is kept as its complement, or the search would find the needle. */
struct needle {
	uint8_t flipped[64];
	size_t n;
};

static char dir[] = "/tmp/cht-wiped-XXXXXX";
static struct needle seed, text; /* a key, and most of it as its file has it */

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static struct needle needle_of(const void *bytes, size_t n)
{
	struct needle needle = { .n = n };

	for (size_t i = 0; i < n; i++)
		needle.flipped[i] = (uint8_t)(0xff ^ ((const uint8_t *)bytes)[i]);
	return needle;
}

/* Memory that a sanitizer guards is looked at, too. */
static bool __attribute__((no_sanitize("address"), noinline))
has(const volatile uint8_t *p, size_t n, const struct needle *needle)
{
	for (size_t i = 0, k; n >= needle->n && i <= n - needle->n; i++) {
		for (k = 0; k < needle->n && p[i + k] + needle->flipped[k] == 0xff; k++)
			;
		if (k == needle->n)
			return true;
	}
	return false;
}

/* Heap, stack, data, and guarded memory, which is read-only and of no file once it is loaded. */
static bool memory_has(const struct needle *needle)
{
	static char maps[1 << 18];
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n;

	CHECK(fd >= 0);
	while ((n = read(fd, maps + len, sizeof(maps) - 1 - len)) > 0)
		len += (size_t)n;
	CHECK(n == 0 && len < sizeof(maps) - 1);
	CHECK_INT(close(fd), 0);
	maps[len] = '\0';
	for (char *line = strtok(maps, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		unsigned long from, to, inode;
		char mode[5];

		CHECK_INT(sscanf(line, "%lx-%lx %4s %*s %*s %lu", &from, &to, mode, &inode), 4);
		if (mode[0] == 'r' && (mode[1] == 'w' || inode == 0) &&
		    strstr(line, "[v") == NULL && to - from < BIG_MAPPING &&
		    has((const volatile uint8_t *)(uintptr_t)from, to - from, needle))
			return true;
	}
	return false;
}

static void check_gone(const char *when)
{
	check_row = when;
	CHECK(!memory_has(&seed));
	CHECK(!memory_has(&text));
}

/* The needles, from a key's file; what is read here is wiped here. */
static void learn(const char *path)
{
	char pem[256] = { 0 }, *line;
	uint8_t der[64] = { 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;

	CHECK(fd >= 0 && read(fd, pem, sizeof(pem) - 1) > 0);
	CHECK_INT(close(fd), 0);
	line = strchr(pem, '\n') + 1;
	CHECK_INT(strcspn(line, "\n"), 64);
	text = needle_of(line + 24, 40);
	for (size_t i = 0; i < 64; i++)
		line[i] = (char)(line[i] == '+' ? '-' : line[i] == '/' ? '_' : line[i]);
	CHECK(read_base64url((struct cht_str){ line, 64 }, false, der, sizeof(der), &len));
	CHECK_INT(len, 48);
	seed = needle_of(der + 16, SEED_BYTES);
	explicit_bzero(pem, sizeof(pem));
	explicit_bzero(der, sizeof(der));
}

/* A search through all memory reads what nobody wrote; that is what valgrind is there to tell. */
static void not_under_valgrind(void)
{
	if (getenv("CHT_VALGRIND") != NULL)
		skip();
}

static void test_a_key_is_gone_with_its_holder(void **state)
{
	struct sign_log_key *key = NULL;
	uint8_t signature[64];

	(void)state;
	not_under_valgrind();
	CHECK_INT(sign_log_key_generate(&key, path_of("key"), NULL), 0);
	sign_log_key_free(key);
	learn(path_of("key"));
	check_gone("made");
	CHECK_INT(sign_log_key_from_file(&key, path_of("key"), NULL), 0);
	check_row = "loaded";
	CHECK(memory_has(&seed));
	CHECK(!memory_has(&text));
	CHECK_INT(sign_log_key_sign(key, (struct cht_bytes){ (const uint8_t *)"x", 1 }, signature),
		  0);
	sign_log_key_free(key);
	check_gone("signed and freed");
}

/* Each way in, and what is then made of it. */
static int log_key_of_file(void)
{
	struct sign_log_key *key = NULL;
	int r = sign_log_key_from_file(&key, path_of("key"), NULL);

	sign_log_key_free(key);
	return r;
}

static int signer_of_file(void)
{
	struct cht_signer *signer = NULL;
	int r = cht_signer_from_file(&signer, CHT_ALGORITHM_ED25519, "k", path_of("key"), NULL);

	cht_signer_free(signer);
	return r;
}

/* Refused: its last byte is cut off, so that all else was there. */
static int half_a_file(void)
{
	struct sign_log_key *key = NULL;
	int r = truncate(path_of("half"), 28 + 64 + 20);

	return r < 0 ? r : sign_log_key_from_file(&key, path_of("half"), NULL);
}

static int a_look(void)
{
	struct sign_key_info info;

	return sign_key_inspect(path_of("key"), &info, NULL);
}

static void test_a_key_is_gone_whatever_was_done(void **state)
{
	static const struct {
		const char *why;
		int (*act)(void);
		int want;
	} rows[] = {
		{ "a log's key", log_key_of_file, 0 },
		{ "a signer", signer_of_file, 0 },
		{ "a look", a_look, 0 },
		{ "half a file", half_a_file, CHT_E_KEY },
	};

	char key[128];

	(void)state;
	not_under_valgrind();
	snprintf(key, sizeof(key), "%s", path_of("key"));
	learn(key);
	CHECK_INT(link(key, path_of("half")), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row = rows[i].why;
		CHECK_INT(rows[i].act(), rows[i].want);
		check_gone(rows[i].why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_key_is_gone_with_its_holder),
		cmocka_unit_test(test_a_key_is_gone_whatever_was_done),
	};
	int r;

	if (mkdtemp(dir) == NULL)
		return 1;
	r = cmocka_run_group_tests_name("sign_wiped", tests, NULL, NULL);
	(void)unlink(path_of("key"));
	(void)unlink(path_of("half"));
	return rmdir(dir) < 0 ? 1 : r;
}
