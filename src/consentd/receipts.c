/* SPDX-License-Identifier: GPL-3.0-or-later */
/* receipts: what was released against which inquiry, for an audit. */
#include <stdio.h>

#include "base/file.h"
#include "consentd/commands_internal.h"
#include "consentd/store.h"

static enum err
print_line(void *ctx, const void *json, size_t n)
{
	(void)ctx;
	return fwrite(json, 1, n, stdout) == n && putchar('\n') != EOF ?
	    ERR_OK :
	    err_say(ERR_IO, "cannot write the output");
}

enum err
consentd_receipts(int argc, char **argv)
{
	CLEANUP(consentd_store_close) struct consentd_store *store = NULL;
	CLEANUP(seal_identity_free) struct seal_identity *protect = NULL;
	CLEANUP(free) char *key = NULL;
	CLEANUP(free) char *path = NULL;
	const char *dir;
	enum err e = consentd_only_dir(argc, argv, &dir);

	if (e)
		return e;
	key = file_join(dir, "keystore.key");
	path = file_join(dir, "store");
	if (key == NULL || path == NULL)
		return ERR_NOMEM;
	e = seal_identity_load(key, NULL, NULL, &protect);
	if (e == ERR_OK)
		e = consentd_store_open(path, protect, &store);
	if (e == ERR_OK)
		e = consentd_store_receipts(store, print_line, NULL);
	return e;
}
