/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gate: the only place where plaintext is released.  It joins policy, journal,
 * lease, ciphertext and handle: an open is decided, recorded durably, and only
 * then a key is used; a revocation makes its handles dark, drains what runs,
 * has the kernel's pages dropped and wipes the keys.  It also keeps the
 * catalogue of what may be listed, and drains the journal into the outbox.
 * The life of an open and of a revocation stand in ARCHITECTURE.md.
 *
 * Threads: any, unless said otherwise.  Callbacks come from the gate's own
 * threads with no lock held.
 */
#ifndef GATE_GATE_H
#define GATE_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/ids.h"
#include "event/event.h"
#include "home/home.h"

struct gate;

struct gate_opts {
	const char *home_dir; /* see home.h; program "mount" */
	enum err (*ask)(void *ctx, const char *path, struct secret **out);
	void *ask_ctx;
	const char *login; /* the practitioner whom the mount serves */
	bool ciphertext;   /* no plaintext is released at all */
	const struct event_id *only; /* the one set to list; NULL: all */

	/* The catalogue changed: gate_catalog() gives the new one. */
	void (*changed)(void *ctx);
	/* All handles of ${set} that may not read any more are dark and idle:
	 * drop the kernel's pages of its documents before returning.  Called
	 * from the revoker thread only. */
	void (*dark)(void *ctx, const struct event_id *set);
	/* The revoker goes on: several times a second, from its thread (or
	 * the one that calls gate_dark()); NULL: nobody asks. */
	void (*beat)(void *ctx);
	void *ctx;
};

/**
 * gate_open(opts, out):
 * Open the home, its journal (DIR/mount/journal) and ciphertext cache, and
 * prepare the catalogue from what is known locally.
 */
enum err gate_open(const struct gate_opts *opts, struct gate **out) must_check;

/**
 * gate_home(g):
 * Return its home, borrowed.
 */
const struct home *gate_home(const struct gate *g);

/**
 * gate_start(g):
 * Start following, draining, revoking.  From here on callbacks may come.
 */
enum err gate_start(struct gate *g) must_check;

/**
 * gate_dark(g):
 * Make all handles dark, for good.
 */
void gate_dark(struct gate *g);

/**
 * gate_stop(g):
 * gate_dark(), stop the threads, drain the journal into the outbox.
 * Callbacks have ended when it returns.
 */
void gate_stop(struct gate *g);

/**
 * gate_close(g):
 * Free; all handles must be closed.  NULL is allowed.
 */
void gate_close(struct gate *g);
DEFINE_CLEANUP(struct gate *, gate_close);

/* ---- the catalogue: gate/catalog.c ---- */

/* A set that may be listed; immutable, shared by catalogues. */
struct gate_set {
	struct event_id id;
	struct tx_id tx;
	struct entry_key entry;
	struct pubkey sender, patient;
	const struct event *event; /* its documentSet */
	const struct event_manifest *manifest;
	const char *name; /* "2026-11-22 Title (Custodian)", NFC, legal on
			   * Windows, unique within the patient */
	uint8_t root[32];
};

struct gate_patient {
	struct pubkey key;
	const char *name; /* alias, or the first characters of the address */
	size_t nsets;
	const struct gate_set *const *set;
};

/* What may be listed now; immutable. */
struct gate_catalog {
	size_t npatients;
	const struct gate_patient *patient;
	uint64_t generation;
};

/**
 * gate_catalog(g), gate_catalog_free(c):
 * Take a reference to the current catalogue, never NULL; drop it.
 */
const struct gate_catalog *gate_catalog(struct gate *g);
/** gate_catalog_free(c): see gate_catalog(); NULL is allowed. */
void gate_catalog_free(const struct gate_catalog *c);
DEFINE_CLEANUP(const struct gate_catalog *, gate_catalog_free);

/**
 * gate_unlisted(g):
 * Say what keeps a set that is on the ledger out of the newest catalogue.
 * Errors: those of asking the RMS; OK: nothing, as far as is known.
 */
enum err gate_unlisted(struct gate *g) must_check;

/**
 * gate_set_ref(s), gate_set_free(s):
 * Keep a set beyond its catalogue.
 */
const struct gate_set *gate_set_ref(const struct gate_set *s);
/** gate_set_free(s): see gate_set_ref(); NULL is allowed. */
void gate_set_free(const struct gate_set *s);

enum gate_text { GATE_HOW_TO_ASK, GATE_STATUS, GATE_INQUIRIES };

/**
 * gate_text(g, patient, which, out):
 * Append the text of a file in MOUNT/<alias>/.consent/.
 */
enum err gate_text(struct gate *g, const struct pubkey *patient,
    enum gate_text which, struct buf *out) must_check;

/* ---- documents: gate/open.c, gate/read.c ---- */

struct gate_who {
	const char *login; /* local user; mapped to a practitioner */
	const char *app;   /* program that opens, informational; NULL */
};

struct gate_doc; /* an open document */

/* Called once, from one of the gate's threads. */
typedef void (*gate_done)(void *ctx, enum err e);

/**
 * gate_doc_open(g, set, number, who, out, done, ctx):
 * Decide and record the open of document ${number} (1..n).  OK: ${out} is
 * ready.  PENDING: ${out} is a handle that is not ready; ${done} is called
 * with OK or the reason (after an error the handle must still be closed).
 * Errors: DENIED and its kin (recorded as `denied`), STALE, JOURNAL, NOSPACE,
 * NOTFOUND (may not be listed; not recorded).
 */
enum err gate_doc_open(struct gate *g, const struct gate_set *set,
    uint32_t number, const struct gate_who *who, struct gate_doc **out,
    gate_done done, void *ctx) must_check;

/**
 * gate_doc_size(d):
 * Return the plain size as the manifest says.
 */
uint64_t gate_doc_size(const struct gate_doc *d);

/**
 * gate_doc_read(d, off, p, n, out_n):
 * Decrypt up to ${n} bytes at ${off} into ${p}; fewer only at the end.
 * OK: the caller replies and then calls gate_doc_read_end(), so that a
 * revocation can wait for the reply.  Any other result: no gate_doc_read_end().
 * Errors: PENDING (ciphertext is missing: gate_doc_fetch() and try again),
 * REVOKED, EXPIRED, DENIED, STALE (dark), FORGED, CORRUPT, IO.
 */
enum err gate_doc_read(struct gate_doc *d, uint64_t off, void *p, size_t n,
    size_t *out_n) must_check;

/**
 * gate_doc_read_end(d):
 * The reply to a successful gate_doc_read() is out.  ${d} may have been closed
 * meanwhile.
 */
void gate_doc_read_end(struct gate_doc *d);

/**
 * gate_doc_fetch(d, off, n, done, ctx):
 * Fetch the ciphertext of a range; ${done} is called when it is there, or
 * with the reason why not (time-out 10 s, dark, interrupted).
 * Errors: BUSY (too many), never calling ${done}.
 */
enum err gate_doc_fetch(struct gate_doc *d, uint64_t off, size_t n,
    gate_done done, void *ctx) must_check;

/**
 * gate_doc_interrupt(d, ctx):
 * Answer the waiting open or fetch of ${d} that was given ${ctx} by
 * INTERRUPTED soon; harmless if there is none.
 */
void gate_doc_interrupt(struct gate_doc *d, void *ctx);

/**
 * gate_doc_close(d):
 * Close; waiting calls have been answered before.  NULL is allowed.
 */
void gate_doc_close(struct gate_doc *d);

/* ---- the ciphertext view: gate/cipher.c ---- */

/**
 * gate_cipher_sets(g, fn, ctx):
 * Call ${fn}(ctx, set) for each set that this institution published or was
 * ever granted (a patient: all), as far as its manifest is known here.
 */
enum err gate_cipher_sets(struct gate *g,
    bool (*fn)(void *ctx, const struct gate_set *set), void *ctx) must_check;

/**
 * gate_cipher_index(g, set, out):
 * Append set.json: where the set stands on the ledger, blob ids, key record.
 * May wait for the RMS.
 * Errors: UNREACHABLE, ...
 */
enum err gate_cipher_index(
    struct gate *g, const struct gate_set *set, struct buf *out) must_check;

/**
 * gate_cipher_size(g, set, index, out):
 * The sealed length of blob ${index} (0: the manifest) of a set.
 */
enum err gate_cipher_size(struct gate *g, const struct gate_set *set,
    uint32_t index, uint64_t *out) must_check;

/**
 * gate_cipher_read(g, set, index, off, p, n, out_n):
 * Read ciphertext, fetching what is missing; may wait for the RMS.
 */
enum err gate_cipher_read(struct gate *g, const struct gate_set *set,
    uint32_t index, uint64_t off, void *p, size_t n, size_t *out_n) must_check;

#endif
