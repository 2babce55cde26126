/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a command keeps once its home is open and the passphrase was asked for:
 * its home, the files that its arguments name, the services of its
 * configuration.  Capabilities stay, since root may name files of others; no
 * program is started anyhow.
 */
#include <pwd.h>
#include <unistd.h>

#include "base/file.h"
#include "consent/consent.h"

/* More operands than a sandbox has room for: everything may be read. */
#define MAX_NAMED 32

static void
may_read(struct jail *j, const char *path)
{
	if (path && access(path, R_OK) == 0)
		jail_read(j, path);
}

enum err
consent_enter(struct consent *c, struct jail *j)
{
	j->off = consent_opt(c, "no-sandbox") != NULL;
	j->capabilities = true;
	if (c->operands.n > MAX_NAMED)
		jail_read(j, "/");
	for (size_t i = 0; i < c->operands.n && i < MAX_NAMED; i++)
		may_read(j, c->operands.v[i]);
	may_read(j, consent_opt(c, "patient"));
	return jail_enter(j);
}

enum err
consent_enter_home(struct consent *c, const struct home *h, struct jail *j)
{
	const struct home_conf *conf = home_conf(h);
	CLEANUP(free) char *cache = file_join(c->home_dir, conf->cache_dir);

	if (cache == NULL)
		return ERR_NOMEM;
	jail_write(j, c->home_dir);
	jail_write(j, cache);
	jail_read(j, conf->node_ca);
	jail_read(j, conf->rms_ca);
	jail_read_replaced(j, conf->api_key_file);
	jail_read_replaced(j, conf->token_file);
	jail_connect(j, conf->node);
	jail_connect(j, conf->rms_url);
	return consent_enter(c, j);
}

const char *
consent_login(struct consent *c)
{
	const char *login = consent_opt(c, "login");
	const struct passwd *pw;

	if (login == NULL && c->user == NULL) {
		pw = getpwuid(getuid());
		c->user = strdup(pw ? pw->pw_name : "user");
	}
	return login ? login : c->user ? c->user : "user";
}
