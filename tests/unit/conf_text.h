/* SPDX-License-Identifier: Apache-2.0
 *
 * conf_text.h - a configuration of a text, as if it stood in a file f.
 */
#ifndef TESTS_CONF_TEXT_H
#define TESTS_CONF_TEXT_H

#include "check.h"

#include "conf/conf.h"

static int read_text(struct conf *conf, const char *text, struct cht_err *err)
{
	conf_init(conf);
	return conf_read(conf, "f", (struct cht_bytes){ (const uint8_t *)text, strlen(text) }, err);
}

#endif
