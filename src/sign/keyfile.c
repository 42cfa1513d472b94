/* SPDX-License-Identifier: Apache-2.0
 *
 * A key passes through guarded memory alone, on its way in (pem.c) and out: the one encoding that
 * we make is 16 fixed bytes and the seed (RFC 8410).
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/text.h"
#include "sign/sign.h"
#include "sign/signer.h"

static const char pem_begin[] = "-----BEGIN PRIVATE KEY-----\n";
static const char pem_end[] = "\n-----END PRIVATE KEY-----\n";
/* SEQUENCE, version 0, OID 1.3.101.112, OCTET STRING of OCTET STRING: the seed follows. */
static const uint8_t pkcs8_head[] = { 0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
				      0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20 };

/* A service manager's credentials are readable by group where it grants access by ACL; their
 * directory is open to this service alone. */
static bool is_credential(const char *path)
{
	const char *dir = secure_getenv("CREDENTIALS_DIRECTORY");
	size_t n = dir != NULL ? strlen(dir) : 0;

	return n > 0 && strncmp(path, dir, n) == 0 && path[n] == '/' &&
	       strchr(path + n + 1, '/') == NULL;
}

static int check_file(int fd, const char *path, struct cht_err *err)
{
	mode_t others = is_credential(path) ? S_IRWXO : S_IRWXG | S_IRWXO;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return cht_fail(err, CHT_E_IO, errno, "stat %s", path);
	if (!S_ISREG(st.st_mode))
		return cht_fail(err, CHT_E_KEY, 0, "key file %s is not a regular file", path);
	if ((st.st_mode & others) != 0)
		return cht_fail(err, CHT_E_KEY, 0, "others may use key file %s: chmod 600 it",
				path);
	return 0;
}

ssize_t key_file_read(const char *path, uint8_t *mem, struct cht_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	ssize_t r;

	if (fd < 0 && errno == ELOOP)
		return cht_fail(err, CHT_E_KEY, 0, "key file %s is a symbolic link", path);
	if (fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "open key file %s", path);
	r = check_file(fd, path, err);
	if (r == 0) {
		r = fd_read_all(fd, mem, SIGN_KEY_FILE_MAX, NULL);
		if (r == CHT_E_RANGE)
			r = cht_fail(err, CHT_E_KEY, 0, "%s is too long for a key file", path);
		else if (r < 0)
			r = cht_fail(err, CHT_E_IO, errno, "read key file %s", path);
	}
	fd_close(&fd);
	return r;
}

static struct cht_str trim_end(struct cht_bytes text)
{
	struct cht_str s = { (const char *)text.ptr, text.len };

	while (s.len > 0 && strchr(" \t\r\n", s.ptr[s.len - 1]) != NULL)
		s.len--;
	return s;
}

static int signer_of(struct cht_signer **out, const struct sign_key *key, uint8_t *mem, size_t len,
		     struct cht_err *err)
{
	struct cht_bytes text = { mem, len };
	int r;

	if (key->algorithm == CHT_ALGORITHM_HMAC_SHA256)
		return signer_from_base64url(out, key, trim_end(text), err);
	r = key_file_seed(mem, len, key->origin, err);
	if (r < 0)
		return r;
	return signer_new(out, key, (struct cht_bytes){ mem, SIGN_SEED_BYTES }, err);
}

int cht_signer_from_file(struct cht_signer **out, enum cht_algorithm algorithm, const char *kid,
			 const char *path, struct cht_err *err)
{
	struct sign_key key = { algorithm, kid, path };
	uint8_t *mem;
	ssize_t n;

	if (algorithm != CHT_ALGORITHM_HMAC_SHA256 && algorithm != CHT_ALGORITHM_ED25519)
		return cht_fail(err, CHT_E_CONFIG, 0, "a key file needs an algorithm");
	mem = signer_scratch(err);
	if (mem == NULL)
		return CHT_E_NOMEM;
	n = key_file_read(path, mem, err);
	if (n >= 0)
		n = signer_of(out, &key, mem, (size_t)n, err);
	sodium_free(mem);
	return (int)n;
}

/* Fills *out from a signer: the public key, and a key id that follows from it. For HMAC the id
 * is a MAC of fixed text that no event can be, so it tells nothing of the key. */
static int tell(const struct cht_signer *signer, struct sign_key_info *out, struct cht_err *err)
{
	bool has_public = signer->algorithm == CHT_ALGORITHM_ED25519;
	struct cht_str text = STR("cht key id"),
		       start = has_public ? STR("ed25519-") : STR("hmac-");
	struct sign_key_info info = { .algorithm = signer->algorithm };
	struct buf b = buf_init(info.kid, sizeof(info.kid) - 1);
	uint8_t digest[SIGN_SIGNATURE_MAX];
	int r;

	if (has_public) {
		(void)crypto_sign_ed25519_sk_to_pk(info.public_key, signer->secret->ed25519);
		r = digest_sha256((struct cht_bytes){ info.public_key, SIGN_PUBLIC_BYTES }, digest,
				  err);
	} else {
		r = signer_sign(signer, (struct cht_bytes){ (const uint8_t *)text.ptr, text.len },
				digest);
		if (r < 0)
			(void)cht_fail(err, r, 0, "the key cannot make a MAC");
	}
	if (r < 0)
		return r;
	buf_put_str(&b, start);
	put_hex(&b, digest, 8);
	*out = info;
	return 0;
}

int sign_key_inspect(const char *path, struct sign_key_info *out, struct cht_err *err)
{
	uint8_t *mem = signer_scratch(err);
	struct cht_signer *signer = NULL;
	struct sign_key key = { CHT_ALGORITHM_HMAC_SHA256, "inspected", path };
	ssize_t n;

	if (mem == NULL)
		return CHT_E_NOMEM;
	n = key_file_read(path, mem, err);
	if (n > 0 && memmem(mem, (size_t)n, "-----BEGIN ", 11) != NULL)
		key.algorithm = CHT_ALGORITHM_ED25519;
	if (n >= 0)
		n = signer_of(&signer, &key, mem, (size_t)n, err);
	sodium_free(mem);
	if (n == 0)
		n = tell(signer, out, err);
	cht_signer_free(signer);
	return (int)n;
}

/* The file's text for a seed that stands at mem, put behind it. */
static struct cht_bytes key_text(uint8_t *mem, enum cht_algorithm algorithm)
{
	uint8_t *der = mem + SIGN_SEED_BYTES;
	char *text = (char *)der + sizeof(pkcs8_head) + SIGN_SEED_BYTES;
	size_t cap = SIGN_KEY_FILE_MAX - (size_t)((uint8_t *)text - mem), at = 0;

	if (algorithm == CHT_ALGORITHM_HMAC_SHA256) {
		(void)sodium_bin2base64(text, cap, mem, SIGN_SEED_BYTES,
					sodium_base64_VARIANT_URLSAFE_NO_PADDING);
		at = strlen(text);
		text[at++] = '\n';
		return (struct cht_bytes){ (uint8_t *)text, at };
	}
	memcpy(der, pkcs8_head, sizeof(pkcs8_head));
	memcpy(der + sizeof(pkcs8_head), mem, SIGN_SEED_BYTES);
	memcpy(text, pem_begin, sizeof(pem_begin) - 1);
	at = sizeof(pem_begin) - 1;
	(void)sodium_bin2base64(text + at, cap - at, der, sizeof(pkcs8_head) + SIGN_SEED_BYTES,
				sodium_base64_VARIANT_ORIGINAL);
	at += strlen(text + at);
	memcpy(text + at, pem_end, sizeof(pem_end) - 1);
	at += sizeof(pem_end) - 1;
	return (struct cht_bytes){ (uint8_t *)text, at };
}

static int sync_dir_of(const char *path, struct cht_err *err)
{
	char copy[PATH_MAX];
	int n = snprintf(copy, sizeof(copy), "%s", path), fd, r = 0;

	if (n < 0 || (size_t)n >= sizeof(copy))
		return cht_fail(err, CHT_E_IO, ENAMETOOLONG, "key file");
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		r = cht_fail(err, CHT_E_IO, errno, "sync the directory of %s", path);
	fd_close(&fd);
	return r;
}

static int write_new_file(const char *path, struct cht_bytes text, struct cht_err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600), r;

	if (fd < 0 && errno == EEXIST)
		return cht_fail(err, CHT_E_IO, EEXIST, "%s: a key is never overwritten", path);
	if (fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "create key file %s", path);
	r = fd_write_all(fd, text.ptr, text.len, err);
	if (r == 0 && fsync(fd) < 0)
		r = cht_fail(err, CHT_E_IO, errno, "sync key file %s", path);
	fd_close(&fd);
	if (r == 0)
		r = sync_dir_of(path, err);
	if (r < 0)
		(void)unlink(path);
	return r;
}

int key_file_draw(uint8_t *mem, struct cht_err *err)
{
	return fd_random(mem, SIGN_SEED_BYTES, err);
}

int key_file_write(const char *path, enum cht_algorithm algorithm, uint8_t *mem,
		   struct cht_err *err)
{
	return write_new_file(path, key_text(mem, algorithm), err);
}

int sign_key_generate(enum cht_algorithm algorithm, const char *path, struct sign_key_info *out,
		      struct cht_err *err)
{
	uint8_t *mem = signer_scratch(err);
	struct sign_key key = { algorithm, "new", path };
	struct sign_key_info info;
	struct cht_signer *signer = NULL;
	int r;

	if (mem == NULL)
		return CHT_E_NOMEM;
	r = key_file_draw(mem, err);
	if (r == 0)
		r = signer_new(&signer, &key, (struct cht_bytes){ mem, SIGN_SEED_BYTES }, err);
	if (r == 0)
		r = tell(signer, &info, err);
	if (r == 0)
		r = key_file_write(path, algorithm, mem, err);
	if (r == 0)
		*out = info;
	cht_signer_free(signer);
	sodium_free(mem);
	return r;
}
