/* SPDX-License-Identifier: Apache-2.0
 *
 * conf.h - what the operator asked for: options and a configuration file in, one checked
 * struct out. Nothing is created, and nothing opened but the file and cells.d beside it.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <cht/err.h>
#include <cht/event.h>
#include <cht/stamp.h>

#include "base/buf.h"
#include "base/ids.h"

enum { CONF_TEXT_MAX = 4095, CONF_KEYS_MAX = 64 };

/* Where a value came from. */
enum conf_from { CONF_FROM_DEFAULT, CONF_FROM_FILE, CONF_FROM_OPTION };
struct conf_origin {
	uint16_t from, file; /* CONF_FROM_FILE: the number of its name in conf.files */
	uint32_t line;
};

struct conf_cell {
	char id[CHT_CELL_ID_MAX + 1];
	char run[CHT_ATTRIBUTION_MAX + 1];  /* empty: drawn at registration */
	char spec[CHT_ATTRIBUTION_MAX + 1]; /* empty: "unspecified" */
	char *base;                         /* the VMM's uds_path, or null */
	char *path;                         /* or the socket itself, or null */
	uint64_t cid;                       /* or the VM, over AF_VSOCK; 0: none */
	char *probes;                       /* JSON, as src/asked reads it, or null */
	uint32_t mode;                      /* 0: 0600 */
	int64_t uid;                        /* that may connect; -1: any */
	int64_t owner, group;               /* of the socket; -1: ours */
	unsigned line;                      /* where it began in the file; 0: --cell */
	uint16_t file;                      /* the number of its name in conf.files */
};

struct conf {
	char *state; /* directory */
	bool init, replace, seal, fd_store;
	int ready_fd; /* -1: none */
	enum cht_shape shape;
	char *on_full; /* "stop" | "pause" | "drop"; null: stop */
	char *silence; /* "each" | "once" a run; null: each */
	uint64_t keepalive_window_ns, boot_window_ns, stall_ns;
	uint64_t connections, connects_per_s, frames_per_s, frames_burst, ledger_bytes_per_run;
	uint64_t partial_blocks; /* PARTIAL_BLOCK_BYTES each */
	/* Of a ledger that --init makes; null, 0: the scribe's defaults. */
	char *log_name;
	uint64_t retain_age_ns, retain_bytes;
	char *log_key_file;             /* for the scribe, unread */
	char *close_for, *close_reason; /* the successor's verifier key: this log ends; or null */
	char *sign_alg, *sign_kid, *sign_key_file, *sign_order; /* for the scribe, unread */
	char *scribe;               /* a socket of cht-scribe's own unit, or null */
	char *scribe_user;          /* with it: whose it is; null: ours */
	char *opener, *opener_user; /* the same of cht-opener */
	char *lockdown;             /* "kill" | "log" | "off"; null: as built */
	char *control;              /* path of the control socket, or null */
	char *register_socket;      /* path of the other one, or null */
	char *writers, *readers;    /* who may do what there; null: the defaults */
	uint64_t cells_max;         /* with control: so many at a time */
	char *opener_roots;         /* absolute directories, blanks between; null: all of / */
	char *opener_read;          /* as these; null: none */
	char *opener_api;           /* the same */
	char *opener_flush;         /* "no" | "yes"; null: no */
	struct conf_cell *cells;
	size_t n_cells, cells_cap;
	struct ids ids; /* which cell has an id, while they are read */
	int argc;       /* the command line, borrowed */
	char **argv;
	char *config; /* the file that --config names, or null */
	char **files; /* names of what was read */
	uint16_t n_files;
	struct conf_origin origins[CONF_KEYS_MAX]; /* of each key outside [cell] */
};

/* [opener] flush. */
bool conf_may_flush(const struct conf *conf);
/* The next word of a list with blanks between, from *at on, which is moved behind it. Empty: there
 * is none. */
struct cht_str conf_next_word(const char **at);

enum conf_result { CONF_RUN = 0, CONF_DONE = 1 };

/* Reads the command line, the file that --config names, and every cells.d/NAME.conf beside it, in
 * the order of their names; options win over the file. CONF_DONE:
 * --help or --version was answered. CHT_E_RANGE: a usage error (exit 2). CHT_E_CONFIG: the text
 * says file, line, and what was expected (exit 78). conf_free whatever the result. */
int conf_load(struct conf *conf, int argc, char **argv, struct cht_err *err) CHT_CHECKED;
void conf_free(struct conf *conf);

/* One configuration text, for conf_load and the fuzzer; name is used in errors and kept. */
int conf_read(struct conf *conf, const char *name, struct cht_bytes text,
	      struct cht_err *err) CHT_CHECKED;
/* The same of a file of cells.d: cells and nothing else. */
int conf_read_cells(struct conf *conf, const char *name, struct cht_bytes text,
		    struct cht_err *err) CHT_CHECKED;
/* A file is read whole, and no longer than that. */
enum { CONF_FILE_MAX = 1 << 20 };

/* ---- reading it again, by who has no path: conf_init, conf_read of the file, conf_read_cells of
 * each that is in its cells.d, then conf_complete. */

struct conf_names {
	char **list; /* in order */
	size_t n, cap;
};
/* The directory of drop-ins beside a file. CHT_E_CONFIG: it does not fit. */
int conf_cells_dir(const char *file, char *out, size_t cap, struct cht_err *err) CHT_CHECKED;
/* The names in it that count. On failure too: conf_names_free. CHT_E_CONFIG, CHT_E_NOMEM. */
int conf_list(int dir_fd, const char *dir, struct conf_names *out, struct cht_err *err) CHT_CHECKED;
void conf_names_free(struct conf_names *names);
/* The options again, which win over what was read, and conf_check. As conf_load. */
int conf_complete(struct conf *conf, int argc, char **argv, struct cht_err *err) CHT_CHECKED;
/* may_change: while chtd runs, by conf_take_over: [limits], and the windows of [silence]. */
struct conf_difference {
	const char *section, *name;
	bool may_change;
};
/* Keys outside of cells that have not the same value, one after the other: *at is 0 at first.
 * False: that was all. */
bool conf_next_difference(const struct conf *a, const struct conf *b, size_t *at,
			  struct conf_difference *out);
/* Takes what can change, into a configuration that runs. */
void conf_take_over(struct conf *running, const struct conf *next);

/* Defaults: everything unset. */
void conf_init(struct conf *conf);
/* One --cell argument: ID=BASE[,run=..][,spec=..][,uid=N] or ID=,path=PATH[,..]. */
int conf_add_cell(struct conf *conf, const char *text, struct cht_err *err) CHT_CHECKED;
/* What only the whole can show: cells there, each with one channel, no id, path or CID twice. */
int conf_check(const struct conf *conf, struct cht_err *err) CHT_CHECKED;
/* What only this host can show, as chtd finds at its start: the users and groups are there. Reads
 * files, and what else NSS may. CHT_E_CONFIG. */
int conf_check_names(const struct conf *conf, struct cht_err *err) CHT_CHECKED;

/* The effective configuration as a line of canonical JSON, the same for the same meaning: the
 * SHA-256 of these bytes is the spec of the host's own run, and they are what cht config show -o
 * json prints. b->full when it did not fit: in conf_render_max() bytes it does. */
void conf_render(const struct conf *conf, struct buf *b);
size_t conf_render_max(const struct conf *conf);
/* "sha256:" and the digest of it, NUL-terminated. CHT_E_NOMEM, CHT_E_CONFIG. */
enum { CONF_DIGEST_LEN = 7 + 64 };
int conf_digest(const struct conf *conf, char out[CONF_DIGEST_LEN + 1],
		struct cht_err *err) CHT_CHECKED;

/* A value as it would stand in the file, and its origin. Texts borrow from conf. */
struct conf_value {
	const char *section, *name;
	const struct conf_cell *cell; /* null: not of a cell */
	struct conf_origin origin;
	bool is_set; /* false: there is none, and no default but what the reader of it takes */
};
/* The values one after the other, those of the cells last: *at is 0 at first. False: that was all.
 * The value is put into text, which has room for CONF_TEXT_MAX. */
bool conf_next_value(const struct conf *conf, size_t *at, struct conf_value *out, struct buf *text);

#endif
