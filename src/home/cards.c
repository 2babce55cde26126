/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "home/home_internal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

#define ALIAS_MAX 200

/* An alias becomes a folder's name: keep it legal everywhere. */
static enum err
check_alias(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > ALIAS_MAX || name[0] == '.' || name[n - 1] == '.' ||
	    name[n - 1] == ' ' || !text_is_utf8(name, n))
		return err_say(ERR_INVAL,
		    "'%.40s' is no alias: 1 to %d bytes of UTF-8, not "
		    "beginning or ending with a dot",
		    name, ALIAS_MAX);
	for (; *name; name++)
		if ((unsigned char)*name < 0x20 || *name == 0x7f ||
		    strchr("/\\:*?\"<>|", *name))
			return err_say(ERR_INVAL,
			    "an alias has no control characters and none of "
			    "/ \\ : * ? \" < > |");
	return ERR_OK;
}

static char *
card_path(const struct home *h, const char *name)
{
	char *path = NULL;

	return asprintf(&path, "%s/cards/%s", h->dir, name) < 0 ? NULL : path;
}

static enum err
read_card_file(struct home *h, const char *path, struct rms_card *out)
{
	CLEANUP_BUF struct buf text = { 0 };
	enum err e = file_read(path, HOME_CARD_FILE, &text);

	if (e != ERR_OK)
		return e;
	return rms_card_read(buf_text(&text), &h->rms_key, &h->chain, out);
}

/* What is wrong with us, not with a card: it may be there all the same. */
static bool
is_ours(enum err e)
{
	return e == ERR_NOMEM || e == ERR_IO || e == ERR_INTERRUPTED;
}

/* One that is damaged or of another RMS is none. */
static enum err
read_card(struct home *h, const struct dirent *d, struct rms_card *out)
{
	CLEANUP(free) char *file = card_path(h, d->d_name);

	if (d->d_name[0] == '.' || d->d_type == DT_DIR)
		return ERR_NOTFOUND;
	return file ? read_card_file(h, file, out) : ERR_NOMEM;
}

enum err
home_cards(struct home *h,
    bool (*fn)(void *ctx, const char *alias, const struct rms_card *card),
    void *ctx)
{
	CLEANUP(free) char *path = file_join(h->dir, "cards");
	struct dirent **list = NULL;
	bool more = true;
	enum err e = ERR_OK;
	int n;

	if (path == NULL)
		return ERR_NOMEM;
	n = scandir(path, &list, NULL, alphasort);
	if (n < 0 && errno == ENOENT)
		return ERR_OK;
	if (n < 0)
		return err_say(err_from_errno(errno), "cannot read '%s': %s",
		    path, strerror(errno));
	for (int i = 0; i < n; i++) {
		struct rms_card card;

		if (more && !is_ours(e) &&
		    (e = read_card(h, list[i], &card)) == ERR_OK)
			more = fn(ctx, list[i]->d_name, &card);
		free(list[i]);
	}
	free(list);
	return is_ours(e) ? e : ERR_OK;
}

struct search {
	const struct pubkey *patient;
	struct rms_card *card;
	char *alias; /* ALIAS_MAX and a NUL, or NULL */
	bool found;
};

static bool
is_patient(void *ctx, const char *alias, const struct rms_card *card)
{
	struct search *s = ctx;

	if (!ID_EQ(&card->patient, s->patient))
		return true;
	s->found = true;
	*s->card = *card;
	if (s->alias)
		(void)snprintf(s->alias, 256, "%s", alias);
	return false;
}

enum err
home_card_of(struct home *h, const struct pubkey *patient, struct rms_card *out,
    char *out_alias)
{
	struct search s = { patient, out, out_alias, false };
	enum err e = home_cards(h, is_patient, &s);

	if (e == ERR_OK && !s.found)
		e = err_say(ERR_NOTFOUND,
		    "no card of this patient; ask for it and keep it with "
		    "'consent alias CARD NAME'");
	return e;
}

enum err
home_card_save(struct home *h, const char *name, const struct rms_card *card)
{
	CLEANUP(free) char *dir = file_join(h->dir, "cards");
	CLEANUP(free) char *path = card_path(h, name);
	CLEANUP_BUF struct buf text = { 0 };
	struct rms_card old;
	char alias[256];
	enum err e = check_alias(name);

	if (e != ERR_OK)
		return e;
	if (dir == NULL || path == NULL)
		return ERR_NOMEM;
	if (is_ours(e = read_card_file(h, path, &old)))
		return e;
	if (e == ERR_OK && !ID_EQ(&old.patient, &card->patient))
		return err_say(ERR_EXISTS,
		    "'%s' names another patient; choose another alias", name);
	e = home_card_of(h, &card->patient, &old, alias);
	if (e != ERR_OK && e != ERR_NOTFOUND)
		return e; /* nobody could tell whether the key has changed */
	if (e == ERR_OK) {
		if (!ID_EQ(&old.patient_rms, &card->patient_rms))
			return err_say(ERR_CONFLICT,
			    "this patient's key differs from the one first "
			    "seen; do not use the card, ask the operator");
		if (strcmp(alias, name) != 0) {
			CLEANUP(free) char *was = card_path(h, alias);

			if (was == NULL || rename(was, path) != 0)
				return err_from_errno(errno);
		}
	}
	err_clear();
	e = rms_card_text(card, &text);
	buf_str(&text, "\n");
	if (e == ERR_OK)
		e = file_mkdirs(dir);
	return e == ERR_OK ? file_write(path, text.p, text.len, 0600) : e;
}

/* What cannot be looked at is not taken for absent. */
static bool
is_absent(const char *path)
{
	struct stat st;

	return stat(path, &st) != 0 &&
	    (errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG);
}

enum err
home_card_find(struct home *h, const char *what, struct rms_card *out)
{
	CLEANUP(free) char *path = NULL;

	if (strncmp(what, "consent-card:", 13) == 0)
		return rms_card_read(what, &h->rms_key, &h->chain, out);
	if (check_alias(what) == ERR_OK) {
		path = card_path(h, what);
		if (path == NULL)
			return ERR_NOMEM;
		if (!is_absent(path))
			return read_card_file(h, path, out);
	}
	if (!is_absent(what))
		return read_card_file(h, what, out);
	/* tells an address apart */
	if (rms_card_read(what, &h->rms_key, &h->chain, out) == ERR_FORMAT &&
	    strstr(err_detail(ERR_FORMAT), "address"))
		return ERR_FORMAT;
	return err_say(ERR_NOTFOUND,
	    "'%.60s' is neither an alias nor a file with a card; ask the "
	    "patient for the card",
	    what);
}
