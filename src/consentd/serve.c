/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "base/file.h"
#include "base/opt.h"
#include "consentd/commands_internal.h"
#include "consentd/server_internal.h"
#include "jail/jail.h"

#define POLL_MS 1000
#define RETRY_S 1

static void
stop_signals(sigset_t *out)
{
	(void)sigemptyset(out);
	(void)sigaddset(out, SIGTERM);
	(void)sigaddset(out, SIGINT);
}

static void
raise_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur != l.rlim_max) {
		l.rlim_cur = l.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &l);
	}
}

/*
 * Root is not needed for anything: become the owner of the directory, before
 * anything in it is opened.
 */
static enum err
become_owner(const char *dir)
{
	struct stat st;

	if (geteuid() != 0 || stat(dir, &st) != 0 || st.st_uid == 0)
		return ERR_OK; /* a directory that is not there is told later */
	if (setgroups(0, NULL) != 0 || setgid(st.st_gid) != 0 ||
	    setuid(st.st_uid) != 0)
		return err_say(ERR_IO,
		    "cannot become user %u, who owns '%s': %s",
		    (unsigned)st.st_uid, dir, strerror(errno));
	log_info("user %u from here on, who owns the directory",
	    (unsigned)st.st_uid);
	return secret_init(); /* another user is another process to look into */
}

static enum err
lock_dir(struct server *s, const char *dir)
{
	CLEANUP(free) char *path = file_join(dir, "lock");
	enum err e = path ? file_lock(path, &s->lock_fd) : ERR_NOMEM;

	if (e == ERR_BUSY)
		return err_say(
		    e, "another consentd serves '%s'; stop it first", dir);
	return e;
}

static enum err
load_key(const char *dir, const char *name, struct seal_identity **out)
{
	CLEANUP(free) char *path = file_join(dir, name);

	return path ? seal_identity_load(path, NULL, NULL, out) : ERR_NOMEM;
}

static enum err
load(struct server *s, const char *dir)
{
	enum err e = consentd_conf_read(dir, &s->conf);

	if (e == ERR_OK)
		e = consentd_roots_read(dir, &s->roots);
	if (e == ERR_OK)
		e = lock_dir(s, dir);
	if (e == ERR_OK)
		e = load_key(dir, "rms.key", &s->rms);
	if (e == ERR_OK)
		e = load_key(dir, "keystore.key", &s->protect);
	if (e == ERR_OK && !ID_EQ(seal_identity_key(s->rms), &s->roots.rms))
		e = err_say(ERR_CONFIG,
		    "client.conf names another RMS key than rms.key in '%s'",
		    dir);
	return e;
}

/* Only what a server needs, from here on; before it has a thread. */
static enum err
enter_jail(const struct server *s, const char *dir, bool off)
{
	const char *const listens[] = { s->conf.node_listen,
		s->conf.rms_listen };
	struct jail j = { .off = off };
	struct consentd_listen at;
	enum err e = ERR_OK;

	jail_write(&j, dir);
	jail_read(&j, s->conf.api_key_file);
	jail_read(&j, s->conf.node_ca);
	jail_read_replaced(&j, s->conf.node_key_file);
	jail_read_replaced(&j, s->conf.node_token_file);
	jail_read(&j, s->conf.tls_cert);
	jail_read(&j, s->conf.tls_key);
	jail_connect(&j, s->roots.node_url);
	for (size_t i = 0; i < ARRAY_LEN(listens) && e == ERR_OK; i++) {
		if (listens[i][0] == '\0')
			continue;
		e = consentd_listen_read(listens[i], &at);
		if (e == ERR_OK)
			jail_bind(&j, at.port);
	}
	return e == ERR_OK ? jail_enter(&j) : e;
}

/* The key that the embedded node's rollback routes ask for. */
static enum err
read_api_key(const struct server *s, struct buf *key, const char **out)
{
	const char *path = s->conf.api_key_file;
	enum err e;

	if (path == NULL)
		return ERR_OK;
	e = file_read(path, 4096, key);
	if (e)
		return e == ERR_NOMEM ?
		    e :
		    err_say(ERR_CONFIG, "api_key_file: %s", err_detail(e));
	while (key->len > 0 && key->p[key->len - 1] <= ' ')
		key->len--;
	if (key->len == 0)
		return err_say(ERR_CONFIG,
		    "api_key_file: '%s' holds no key; write one line into it",
		    path);
	*out = buf_text(key);
	log_warn("node: the rollback routes are on; they are for tests");
	return key->err;
}

static enum err
open_node(struct server *s, const char *dir)
{
	CLEANUP_BUF struct buf key = { 0 };
	CLEANUP(free) char *chain_dir = file_join(dir, "node");
	struct consentd_listen at;
	struct node_opts o = { .dir = chain_dir,
		.dialect = s->roots.dialect,
		.address = at.address,
		.chain_byte = s->roots.chain.b[0],
		.block_interval_ms = s->conf.block_interval,
		.heartbeat_ms = s->conf.heartbeat };
	CLEANUP(free) char *url = NULL;
	enum err e;

	if (s->conf.node_listen[0] == '\0')
		return ERR_OK;
	if (chain_dir == NULL)
		return ERR_NOMEM;
	e = consentd_listen_read(s->conf.node_listen, &at);
	if (e == ERR_OK)
		e = load_key(dir, "node.key", &s->node_key);
	if (e == ERR_OK)
		e = read_api_key(s, &key, &o.api_key);
	if (e)
		return e;
	o.identity = s->node_key;
	o.port = at.port;
	e = node_open(&o, &s->node);
	if (e == ERR_OK)
		e = consentd_url_fix(
		    s->roots.node_url, node_port(s->node), &url);
	if (e == ERR_OK)
		e = consentd_conf_set(&s->roots.node_url, url);
	return e;
}

/* Wait for the node, however long; a wrong one is an error at once. */
static enum err
meet_node(struct server *s)
{
	const struct timespec pause = { .tv_sec = RETRY_S };
	enum err e = consentd_node(&s->conf, &s->roots, &s->ledger);
	bool said = false;
	sigset_t set;

	if (e)
		return e;
	stop_signals(&set);
	for (;;) {
		e = ledger_node_handshake(s->ledger);
		if (e != ERR_UNREACHABLE && e != ERR_TIMEOUT && e != ERR_BUSY)
			return e;
		if (!said)
			log_warn("waiting for the node: %s", err_detail(e));
		said = true;
		if (sigtimedwait(&set, NULL, &pause) > 0)
			return err_say(ERR_INTERRUPTED,
			    "stopped while waiting for the node");
	}
}

/* What was lost with the store is told again by the ledger: a projection that
 * is older than the store would keep it from being taken anew. */
static enum err
forget_registry(const char *dir)
{
	static const char *const files[] = { "registry/data.mdb",
		"registry/lock.mdb" };

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		CLEANUP(free) char *path = file_join(dir, files[i]);

		if (path == NULL)
			return ERR_NOMEM;
		if (unlink(path) != 0 && errno != ENOENT)
			return err_say(err_from_errno(errno),
			    "cannot remove '%s': %s", path, strerror(errno));
	}
	return ERR_OK;
}

static enum err
open_store(struct server *s, const char *dir)
{
	CLEANUP(free) char *path = file_join(dir, "store");
	CLEANUP(free) char *data = file_join(dir, "store/data.mdb");
	enum err e = ERR_OK;

	if (path == NULL || data == NULL)
		return ERR_NOMEM;
	if (access(data, F_OK) != 0)
		e = forget_registry(dir);
	return e ? e : consentd_store_open(path, s->protect, &s->store);
}

static enum err
open_stores(struct server *s, const char *dir)
{
	CLEANUP(free) char *keys = file_join(dir, "keystore");
	CLEANUP(free) char *blobs = file_join(dir, "blobs");
	const struct blobs_opts o = { .dir = blobs };
	struct consentd_replay_opts replay = {
		.reserve = consentd_store_set_floor,
		.now = clock_wall_ms(),
	};
	enum err e;

	if (!keys || !blobs)
		return ERR_NOMEM;
	e = consentd_keys_open(keys, s->protect, &s->keys);
	if (e == ERR_OK)
		e = open_store(s, dir);
	if (e == ERR_OK)
		e = consentd_store_floor(s->store, &replay.floor);
	if (e == ERR_OK)
		e = blobs_open(&o, &s->blobs);
	replay.ctx = s->store;
	if (e == ERR_OK)
		e = consentd_replay_new(&replay, &s->replay);
	return e;
}

static enum err
open_registry(struct server *s, const char *dir)
{
	CLEANUP(free) char *path = file_join(dir, "registry");
	struct registry_opts o = { .dir = path,
		.reader = { .chain = s->roots.chain,
		    .rms = *seal_identity_key(s->rms),
		    .rms_identity = s->rms,
		    .find = consentd_keys_find,
		    .find_ctx = s->keys } };
	enum err e;

	if (path == NULL)
		return ERR_NOMEM;
	e = seal_rest_key(s->protect, "registry", &s->registry_key);
	o.rest_key = s->registry_key;
	if (e == ERR_OK)
		e = registry_open(&o, &s->registry);
	if (e == ERR_OK)
		s->inner = registry_sink(s->registry);
	return e;
}

/*
 * Catch up once, so that what is served first is not old.  With a node that
 * lacks our blocks nothing is released until it has them again.
 */
static enum err
begin_to_follow(struct server *s)
{
	const struct ledger_follow_opts o = { .node = s->ledger,
		.sink = consentd_sink(s),
		.final_depth = (unsigned)s->roots.final_depth,
		.poll_ms = POLL_MS };
	CLEANUP_TXN struct db_txn t = { 0 };
	enum err e;

	db_read(s->store->db, &t);
	atomic_store(&s->visible, consentd_feed_last(s->store, &t));
	db_abort(&t);
	e = ledger_follow_new(&o, &s->follower);
	if (e)
		return e;
	e = ledger_follow_step(s->follower);
	if (e == ERR_CORRUPT)
		return e;
	if (e)
		log_warn("the ledger could not be read: %s", err_detail(e));
	return ERR_OK;
}

static enum err
listen_rms(struct server *s)
{
	struct consentd_listen at;
	struct http_listen_opts o = { .address = at.address,
		.tls_cert = s->conf.tls_cert,
		.tls_key = s->conf.tls_key,
		.threads = (unsigned)s->conf.threads,
		.max_connections = (unsigned)s->conf.max_connections,
		.max_per_address = (unsigned)s->conf.per_address,
		.idle_s = (unsigned)(s->conf.idle / 1000) };
	enum err e = consentd_listen_read(s->conf.rms_listen, &at);

	o.port = at.port;
	if (e == ERR_OK)
		e = http_listen(
		    &o, consentd_routes, consentd_nroutes, s, &s->listener);
	return e;
}

/* The clients' configuration learns our address, also after a change of it,
 * and with port 0 the ports. */
static enum err
tell_addresses(struct server *s, const char *dir)
{
	CLEANUP(free) char *path = file_join(dir, "ports");
	CLEANUP(free) char *url = NULL;
	CLEANUP_BUF struct buf b = { 0 };
	uint16_t port = http_port(s->listener);
	bool other = strcmp(s->url, s->roots.rms_url) != 0;
	struct consentd_listen at = { .port = 1 };
	enum err e = ERR_OK;

	if (s->node)
		e = consentd_listen_read(s->conf.node_listen, &at);
	if (e == ERR_OK && (other || at.port == 0)) {
		e = consentd_conf_set(&s->roots.rms_url, s->url);
		if (e == ERR_OK)
			e = consentd_roots_write(dir, &s->roots);
	}
	if (s->node)
		buf_fmt(&b, "node %u\n", node_port(s->node));
	buf_fmt(&b, "rms %u\n", port);
	if (e == ERR_OK && (path == NULL || b.err))
		e = ERR_NOMEM;
	return e ? e : file_write(path, b.p, b.len, 0644);
}

static enum err
start(struct server *s, const char *dir)
{
	enum err e = open_node(s, dir);

	if (e == ERR_OK)
		e = meet_node(s);
	if (e == ERR_OK)
		e = open_stores(s, dir);
	if (e == ERR_OK)
		e = open_registry(s, dir);
	if (e == ERR_OK)
		e = consentd_take_held(s);
	if (e == ERR_OK)
		e = begin_to_follow(s);
	if (e == ERR_OK)
		e = consentd_resend_start(s, &s->resend);
	return e;
}

static void
stop(struct server *s)
{
	struct http_listener *l;

	(void)pthread_mutex_lock(&s->waking);
	l = TAKE(s->listener);
	(void)pthread_mutex_unlock(&s->waking);
	http_close(l);
	ledger_follow_free(s->follower);
	consentd_resend_stop(s->resend);
	registry_close(s->registry);
	blobs_close(s->blobs);
	consentd_replay_free(s->replay);
	consentd_store_close(s->store);
	consentd_keys_close(s->keys);
	ledger_node_free(s->ledger);
	node_close(s->node);
	secret_free(s->registry_key);
	seal_identity_free(s->rms);
	seal_identity_free(s->node_key);
	seal_identity_free(s->protect);
	consentd_roots_free(&s->roots);
	consentd_conf_free(&s->conf);
	free(s->url);
	(void)pthread_mutex_destroy(&s->waking);
	(void)pthread_mutex_destroy(&s->intake);
	if (s->lock_fd >= 0)
		(void)close(s->lock_fd);
}
#define CLEANUP_SERVER __attribute__((cleanup(stop), unused))

static enum err
run(struct server *s)
{
	sigset_t set;
	int sig;
	enum err e = ledger_follow_start(s->follower);

	if (e)
		return e;
	atomic_store(&s->ready, true);
	stop_signals(&set);
	if (geteuid() == 0)
		log_warn("runs as root; give the directory to an ordinary "
			 "user: chown -R USER");
	log_info("ready: node %s, RMS %s", s->roots.node_url, s->url);
	(void)sigwait(&set, &sig);
	log_info("stopping");
	return ERR_OK;
}

static enum err
read_args(int argc, char **argv, const char **out_dir, bool *out_no_sandbox)
{
	static const struct opt opts[] = {
		{ "dir", "DIR", "consentd's directory", false },
		{ "no-sandbox", NULL, "give up nothing after start", false },
	};
	struct opt_values v[ARRAY_LEN(opts)], operands;
	enum err e = opt_parse(opts, ARRAY_LEN(opts), argc, argv, v, &operands);

	if (e == ERR_OK && (v[0].n == 0 || operands.n > 0))
		e = err_say(ERR_INVAL,
		    "serve takes --dir DIR and no operand; see consentd(8)");
	if (e == ERR_OK) {
		*out_dir = v[0].v[0];
		*out_no_sandbox = v[1].n > 0;
	}
	return e;
}

enum err
consentd_serve(int argc, char **argv)
{
	CLEANUP_SERVER struct server s = { .lock_fd = -1 };
	const char *dir;
	bool no_sandbox = false;
	sigset_t set;
	enum err e = read_args(argc, argv, &dir, &no_sandbox);

	(void)pthread_mutex_init(&s.intake, NULL);
	(void)pthread_mutex_init(&s.waking, NULL);
	if (e)
		return e;
	stop_signals(&set);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	raise_limit();
	e = become_owner(dir);
	if (e == ERR_OK)
		e = load(&s, dir);
	if (e == ERR_OK)
		e = enter_jail(&s, dir, no_sandbox);
	if (e == ERR_OK)
		e = start(&s, dir);
	if (e == ERR_OK)
		e = listen_rms(&s);
	if (e == ERR_OK)
		e = consentd_url_fix(s.conf.url, http_port(s.listener), &s.url);
	if (e == ERR_OK)
		e = tell_addresses(&s, dir);
	return e ? e : run(&s);
}
