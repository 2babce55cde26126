/* SPDX-License-Identifier: GPL-3.0-or-later */
/* restore: refill an RMS that lost its disk from a copy of the ciphertext. */
#include "consent/publish_internal.h"

const struct opt consent_restore_opts[] = { CONSENT_COMMON };

struct restoring {
	struct consent *c;
	struct consent_check k;
	const char *dir;
	size_t sets, damaged, foreign;
	uint64_t sent;
};

static void
free_paths(struct consent_blob *b, size_t n)
{
	for (size_t i = 0; b && i < n; i++) {
		union {
			const char *borrowed;
			char *own;
		} path = { b[i].path };

		free(path.own);
	}
	free(b);
}

static enum err
fill_blob(const struct consent_copy_set *s, size_t i, struct consent_blob *b)
{
	char *path = NULL;
	struct stat st;

	if (asprintf(&path, "%s/blobs/%s", s->dir, TEXT58(&s->id[i])) < 0)
		return ERR_NOMEM;
	*b = (struct consent_blob){ .id = s->id[i], .fd = -1, .path = path };
	if (stat(path, &st) != 0)
		return err_say(err_from_errno(errno), "cannot read '%s': %s",
		    path, strerror(errno));
	b->length = (uint64_t)st.st_size;
	return ERR_OK;
}

static enum err
send_blobs(struct restoring *r, const struct consent_copy_set *s)
{
	struct consent_blob *b = calloc(s->n, sizeof(*b));
	uint64_t sent = 0;
	enum err e = b ? ERR_OK : ERR_NOMEM;

	for (size_t i = 0; e == ERR_OK && i < s->n; i++)
		e = fill_blob(s, i, &b[i]);
	if (e == ERR_OK)
		e = consent_upload(home_rms(r->c->home), b, s->n, &sent);
	free_paths(b, s->n);
	r->sent += sent;
	return e;
}

/* The RMS takes a key record from its set's custodian only. */
static bool
is_own(struct restoring *r, const struct event_id *set)
{
	CLEANUP_EVENT struct registry_event ev = { 0 };
	struct home *h = r->c->home;

	return registry_get(home_registry(h), set, &ev) == ERR_OK &&
	    ev.e->type == EVENT_DOCUMENT_SET &&
	    ID_EQ(&ev.e->u.set.custodian, home_institution(h));
}

static enum err
restore_set(struct restoring *r, const struct consent_copy_set *s)
{
	enum err e = send_blobs(r, s);

	if (e)
		return e;
	r->sets++;
	if (!is_own(r, &s->set)) {
		r->foreign++;
		return ERR_OK;
	}
	e = consent_put_record(r->c->home, &s->set, &s->record);
	if (e != ERR_FORGED)
		return e;
	consent_finding(&r->k, "the key record is damaged", s->dir);
	r->damaged++;
	return ERR_OK;
}

static enum err
step(void *ctx, const char *name)
{
	CLEANUP_COPY struct consent_copy_set s = { 0 };
	struct restoring *r = ctx;
	bool good;
	enum err e = consent_copy_check(&r->k, r->dir, name, &s, &good);

	if (e)
		return e;
	if (good)
		return s.n > 0 ? restore_set(r, &s) : ERR_OK;
	r->damaged++;
	return ERR_OK;
}

static enum err
report(const struct restoring *r)
{
	char sent[32];

	if (r->c->json)
		consent_out(json_pack("{s:I,s:I,s:I,s:I,s:O}", "sets",
		    (json_int_t)r->sets, "foreign", (json_int_t)r->foreign,
		    "damaged", (json_int_t)r->damaged, "sent",
		    (json_int_t)r->sent, "findings", r->k.findings));
	else
		printf("%zu sets restored, %s sent\n", r->sets,
		    consent_size_text(r->sent, sent));
	if (r->foreign > 0)
		(void)fprintf(stderr,
		    "consent: of %zu sets only the blobs "
		    "were restored; their custodians restore the key "
		    "records\n",
		    r->foreign);
	if (r->damaged == 0)
		return ERR_OK;
	return err_say(ERR_CORRUPT,
	    "%zu sets of the copy are damaged or could not be read and were "
	    "left out; try again, or take them from another copy",
	    r->damaged);
}

enum err
consent_restore(struct consent *c)
{
	CLEANUP_JS json_t *findings = json_array();
	struct restoring r = { .c = c,
		.dir = consent_operand(c, 0, "the copy's folder") };
	enum err e;

	if (r.dir == NULL)
		return ERR_INVAL;
	if (findings == NULL)
		return ERR_NOMEM;
	if ((e = consent_sync(c)))
		return e;
	if (home_institution(c->home) == NULL)
		return err_say(ERR_INVAL,
		    "an institution restores what it "
		    "holds; this home is a person's");
	r.k = (struct consent_check){ .findings = findings,
		.quiet = c->json,
		.node = home_node(c->home),
		.chain = home_chain(c->home),
		.registry = home_registry(c->home) };
	e = consent_each_name(r.dir, step, &r);
	return e ? e : report(&r);
}
