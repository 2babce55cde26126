/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "node/node_internal.h"

#define DEF_INTERVAL_MS  1000
#define DEF_HEARTBEAT_MS 15000
#define GAP_MS           50 /* between blocks, if the interval is not shorter */

static void
node_free(struct node *n)
{
	if (n == NULL)
		return;
	node_store_close(n);
	(void)pthread_cond_destroy(&n->changed);
	(void)pthread_mutex_destroy(&n->lock);
	free(n);
}
DEFINE_CLEANUP(struct node *, node_free);

static struct node *
node_new(const struct seal_identity *identity, uint8_t chain_byte)
{
	struct node *n = calloc(1, sizeof(*n));
	pthread_condattr_t attr;

	if (n == NULL)
		return NULL;
	n->lock_fd = -1;
	n->identity = identity;
	n->chain_byte = chain_byte;
	(void)pthread_mutex_init(&n->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&n->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	return n;
}

/* ---- a new chain ---- */

/* The chain byte is kept first: without block 1 it means nothing yet. */
static enum err
begin_chain(struct node *n, const char *dir)
{
	struct node_block first;
	CLEANUP_TXN struct db_txn t;

	db_write(n->db, &t);
	if (node_block_at(n, &t, 1, &first))
		return err_say(ERR_EXISTS,
		    "there is a chain in '%s' already; "
		    "use it or choose another directory",
		    dir);
	node_chain_byte_put(n, &t, &n->chain_byte);
	return db_commit(&t);
}

static enum err
read_chain(struct node *n, const char *dir)
{
	struct node_block first;
	CLEANUP_TXN struct db_txn t;

	db_read(n->db, &t);
	if (!node_block_at(n, &t, 1, &first))
		return t.err ?
		    t.err :
		    err_say(ERR_NOTFOUND,
			"there is no chain in '%s'; make one first", dir);
	if (!ID_EQ(&first.head.generator, seal_identity_key(n->identity)))
		return err_say(ERR_CONFIG,
		    "the chain in '%s' is of another "
		    "key, %s; use its key file",
		    dir, TEXT58(&first.head.generator));
	seal_chain_make(
	    n->chain_byte, first.head.id.b, sizeof(first.head.id.b), &n->chain);
	return ERR_OK;
}

enum err
node_create(const char *dir, const struct seal_identity *identity,
    uint8_t chain_byte, struct chain *out_chain)
{
	CLEANUP(node_free) struct node *n = node_new(identity, chain_byte);
	bool more;
	enum err e;

	if (n == NULL)
		return ERR_NOMEM;
	if (chain_byte <= ' ' || chain_byte > '~' || chain_byte == '"')
		return err_say(
		    ERR_INVAL, "a chain byte is a printable ASCII character");
	if ((e = file_mkdirs(dir)) || (e = node_store_open(dir, false, n)) ||
	    (e = begin_chain(n, dir)) || (e = node_mine(n, true, &more)) ||
	    (e = read_chain(n, dir)))
		return e;
	*out_chain = n->chain;
	return ERR_OK;
}

/* ---- an existing one ---- */

static enum err
check_chain_byte(struct node *n, const char *dir)
{
	uint8_t byte;
	CLEANUP_TXN struct db_txn t;

	db_read(n->db, &t);
	if (!node_chain_byte(n, &t, &byte))
		return t.err ?
		    t.err :
		    err_say(ERR_NOTFOUND,
			"there is no chain in '%s'; make one first", dir);
	if (byte != n->chain_byte)
		return err_say(ERR_CONFIG,
		    "the chain in '%s' has the chain byte '%c', not '%c'; "
		    "correct the configuration",
		    dir, byte, n->chain_byte);
	return ERR_OK;
}

/* The new block will vouch for this one. */
static enum err
check_last(struct node *n, const char *dir)
{
	CLEANUP_BUF struct buf bytes = { 0 };
	struct node_block last;
	CLEANUP_TXN struct db_txn t;
	enum err e;

	db_read(n->db, &t);
	if (!node_block_last(n, &t, &last))
		return t.err ? t.err : ERR_CORRUPT;
	ledger_block_bytes(
	    &last.head, (const struct tx_id *)last.ids, last.count, &bytes);
	if (bytes.err)
		return bytes.err;
	e = seal_verify(seal_identity_key(n->identity), SEAL_BLOCK, NULL,
	    &bytes, &last.head.id);
	if (e == ERR_FORGED)
		return err_say(ERR_CORRUPT,
		    "block %llu in '%s' is damaged; "
		    "restore the chain from a backup",
		    (unsigned long long)last.head.height, dir);
	n->pending = db_count(&t, n->t.pool) > 0;
	return e ? e : t.err;
}

static enum err
start(struct node *n, const struct node_opts *o)
{
	enum err e = node_rest_listen(
	    n, o->address ? o->address : "127.0.0.1", o->port);

	if (e)
		return e;
	n->port = http_port(n->listener);
	if (pthread_create(&n->miner, NULL, node_miner, n) != 0)
		return err_say(ERR_NOMEM, "cannot start a thread");
	n->mining = true;
	return ERR_OK;
}

enum err
node_open(const struct node_opts *o, struct node **out)
{
	CLEANUP(node_close) struct node *n = NULL;
	int64_t interval = o->block_interval_ms;
	enum err e;

	if (access(o->dir, F_OK) != 0)
		return err_say(ERR_NOTFOUND,
		    "there is no chain in '%s'; make one first", o->dir);
	n = node_new(o->identity, o->chain_byte);
	if (n == NULL)
		return ERR_NOMEM;
	n->waves = o->dialect == &ledger_waves;
	n->has_api_key = o->api_key != NULL;
	if (o->api_key)
		seal_secure_hash(o->api_key, strlen(o->api_key), n->api_key);
	if (interval <= 0)
		interval = DEF_INTERVAL_MS;
	n->gap_ms = interval < GAP_MS ? interval : GAP_MS;
	n->heartbeat_ms = o->heartbeat_ms > 0 ? o->heartbeat_ms :
						DEF_HEARTBEAT_MS;
	if ((e = node_store_open(o->dir, false, n)) ||
	    (e = check_chain_byte(n, o->dir)) || (e = read_chain(n, o->dir)) ||
	    (e = check_last(n, o->dir)) || (e = start(n, o)))
		return e;
	*out = TAKE(n);
	return ERR_OK;
}

uint16_t
node_port(const struct node *n)
{
	return n->port;
}

void
node_chain(const struct node *n, struct chain *out)
{
	*out = n->chain;
}

void
node_close(struct node *n)
{
	struct http_listener *l;

	if (n == NULL)
		return;
	/* Nothing is taken any more, and the miner must not wake a listener
	 * that is going. */
	(void)pthread_mutex_lock(&n->lock);
	l = TAKE(n->listener);
	(void)pthread_mutex_unlock(&n->lock);
	http_close(l);
	(void)pthread_mutex_lock(&n->lock);
	n->stop = true;
	(void)pthread_cond_signal(&n->changed);
	(void)pthread_mutex_unlock(&n->lock);
	if (n->mining)
		(void)pthread_join(n->miner, NULL);
	node_free(n);
}
