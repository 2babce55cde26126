/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a test must know to search for it: the key of a set, as its patient
 * may have it.
 *
 *   setkey HOME SET    print the set's id and its key, in hex
 */
#include <stdio.h>

#include "base/text.h"
#include "home/home.h"

static enum err
show(const char *home, const char *name)
{
	const struct home_opts o = { .dir = home, .program = "cli" };
	CLEANUP(home_close) struct home *h = NULL;
	SECRET_BUF(key, SEAL_KEY);
	struct rms_record r;
	struct event_id set;
	enum err e = text58_read(name, &set, sizeof(set));

	if (e == ERR_OK)
		e = home_open(&o, &h);
	if (e == ERR_OK)
		e = rms_get_record(home_rms(h), &set, &r);
	if (e == ERR_OK)
		e = home_open_sealed(h, r.patient, sizeof(r.patient), key);
	if (e != ERR_OK)
		return e;
	for (size_t i = 0; i < sizeof(set); i++)
		printf("%02x", set.b[i]);
	printf(" hex:");
	for (size_t i = 0; i < SEAL_KEY; i++)
		printf("%02x", key[i]);
	printf("\n");
	return ERR_OK;
}

int
main(int argc, char **argv)
{
	enum err e = secret_init();

	if (e == ERR_OK && argc == 3)
		e = show(argv[1], argv[2]);
	if (e != ERR_OK)
		fprintf(stderr, "setkey: %s\n", err_detail(e));
	return err_exit(e);
}
