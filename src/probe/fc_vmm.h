/* SPDX-License-Identifier: Apache-2.0
 *
 * fc_vmm.h - what a VMM answered on its API socket. The bytes are a stranger's. Of this module
 * alone.
 */
#ifndef PROBE_FC_VMM_H
#define PROBE_FC_VMM_H

#include "probe/fc_doc.h"

#include <cht/err.h>

/* An answer of HTTP/1.1: its status and its body, a view. CHT_E_PARSE: it is none, or not exactly
 * one, or one that Firecracker does not write. */
int fc_http_parse(struct cht_bytes answer, unsigned *status, struct cht_bytes *body) CHT_CHECKED;

struct fc_vmm {
	char state[33], version[65],
		id[65]; /* as it says; "": it does not, or not in so few bytes of ASCII */
	bool has_config;
	uint8_t config[32]; /* SHA-256 of the body of GET /vm/config, as it came */
};

/* The body of GET /; doc has room for its values. CHT_E_PARSE: out is as it was. The body is
 * changed. */
int fc_vmm_read_state(struct fc_vmm *out, struct fc_doc *doc, uint8_t *body,
		      size_t len) CHT_CHECKED;
/* It has booted: what it was booted with stands in its configuration. */
bool fc_vmm_is_booted(const struct fc_vmm *vmm);
/* One object. */
void fc_vmm_put(struct buf *b, const struct fc_vmm *vmm);

#endif
