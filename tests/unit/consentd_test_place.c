/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A server in a process of its own and those who talk to it. */
#include "consentd_test.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/log.h"

#define PATIENCE_MS 10000

#define MAX_WORDS 16

struct place place;

/* What the programs print is not for the test's output. */
static int
mute(void)
{
	int kept = dup(STDOUT_FILENO), null = open("/dev/null", O_WRONLY);

	(void)fflush(stdout);
	(void)dup2(null, STDOUT_FILENO);
	(void)close(null);
	return kept;
}

static void
unmute(int kept)
{
	(void)fflush(stdout);
	(void)dup2(kept, STDOUT_FILENO);
	(void)close(kept);
}

enum err
run_verb(verb_fn verb, ...)
{
	char *argv[MAX_WORDS + 1] = { NULL };
	const char *word;
	va_list ap;
	int n = 0, out = mute();
	enum err e;

	va_start(ap, verb);
	while (n < MAX_WORDS && (word = va_arg(ap, const char *)))
		argv[n++] = (char *)(uintptr_t)word;
	va_end(ap);
	e = verb(n, argv);
	unmute(out);
	return e;
}

/* Two ports that nobody uses now. */
static void
free_ports(unsigned out[2])
{
	int fd[2];

	for (int i = 0; i < 2; i++) {
		struct sockaddr_in a = { .sin_family = AF_INET,
			.sin_addr = { htonl(INADDR_LOOPBACK) } };
		socklen_t len = sizeof(a);

		fd[i] = socket(AF_INET, SOCK_STREAM, 0);
		ck_assert_int_eq(
		    bind(fd[i], (struct sockaddr *)&a, sizeof(a)), 0);
		ck_assert_int_eq(
		    getsockname(fd[i], (struct sockaddr *)&a, &len), 0);
		out[i] = ntohs(a.sin_port);
	}
	(void)close(fd[0]);
	(void)close(fd[1]);
}

static void
init(const char *dir)
{
	char node[32], rms[32];
	unsigned ports[2];

	free_ports(ports);
	(void)snprintf(node, sizeof(node), "127.0.0.1:%u", ports[0]);
	(void)snprintf(rms, sizeof(rms), "127.0.0.1:%u", ports[1]);
	OK(run_verb(consentd_init, "init", "--dir", dir, "--node-listen", node,
	    "--rms-listen", rms, "--block-interval", "50ms", NULL));
}

/* There in a build that counts what is run (scripts/coverage). */
void __gcov_dump(void) __attribute__((weak));

/* The counts are lost by _exit(), and in the sandbox they cannot be kept. */
static int
serve_here(const char *dir)
{
	enum err e = run_verb(consentd_serve, "serve", "--dir", dir,
	    __gcov_dump ? "--no-sandbox" : NULL, NULL);

	if (__gcov_dump)
		__gcov_dump();
	return err_exit(e);
}

static int
serve(const char *dir)
{
	int64_t until = clock_boot_ms() + PATIENCE_MS;
	int pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(serve_here(dir));
	}
	while (
	    run_verb(consentd_status, "status", "--dir", dir, NULL) != ERR_OK &&
	    clock_boot_ms() < until)
		clock_sleep_ms(10);
	ck_assert_int_lt(clock_boot_ms(), until);
	return pid;
}

static void
stop(int *pid, int sig)
{
	int status;

	if (*pid <= 0)
		return;
	ck_assert_int_eq(kill(*pid, sig), 0);
	ck_assert_int_eq(waitpid(*pid, &status, 0), *pid);
	*pid = 0;
	if (sig == SIGTERM)
		ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

void
place_restart(int sig)
{
	stop(&place.pid, sig);
	place.pid = serve(place.dir);
}

void
place_node(bool up)
{
	if (up)
		place.node_pid = serve(place.node_dir);
	else
		stop(&place.node_pid, SIGKILL);
}

static struct rms_client *
client(const struct seal_identity *id)
{
	const struct rms_client_opts o = { .url = place.roots.rms_url,
		.chain = place.roots.chain,
		.rms = place.roots.rms,
		.id = id };
	struct rms_client *c = NULL;

	OK(rms_client_new(&o, &c));
	return c;
}

static void
clinic_up(struct clinic *c)
{
	seal_random(c->id.b, sizeof(c->id.b));
	OK(seal_identity_new(&c->reading));
	OK(seal_identity_new(&c->host));
	c->c = client(c->host);
}

static void
clinic_down(struct clinic *c)
{
	rms_client_free(c->c);
	seal_identity_free(c->reading);
	seal_identity_free(c->host);
}

/* Everybody, once the directory is made. */
static void
populate(void)
{
	struct ledger_node_opts o = { 0 };

	OK(consentd_roots_read(place.dir, &place.roots));
	place.pid = serve(place.dir);
	o.url = place.roots.node_url;
	o.chain = place.roots.chain;
	OK(ledger_node_new(&o, &place.node));
	OK(seal_identity_new(&place.patient));
	OK(seal_identity_new(&place.friend));
	OK(seal_identity_new(&place.stranger));
	place.patient_c = client(place.patient);
	place.friend_c = client(place.friend);
	place.stranger_c = client(place.stranger);
	clinic_up(&place.a);
	clinic_up(&place.b);
	OK(rms_register(place.patient_c, &place.card));
	clinic_accredit(&place.a, "Clinic A", NULL);
	clinic_accredit(&place.b, "Clinic B", "labs");
}

void
place_up(void)
{
	memset(&place, 0, sizeof(place));
	dir_make(place.dir);
	init(place.dir);
	populate();
}

/* The server of ${dir} is to use the node of ${node_dir}. */
static void
use_node(const char *dir, const char *node_dir)
{
	CLEANUP_ROOTS struct consentd_roots ours = { 0 }, theirs = { 0 };
	CLEANUP_BUF struct buf conf = { 0 };
	char path[160];

	OK(consentd_roots_read(dir, &ours));
	OK(consentd_roots_read(node_dir, &theirs));
	theirs.rms = ours.rms;
	OK(consentd_conf_set(&theirs.rms_url, ours.rms_url));
	OK(consentd_roots_write(dir, &theirs));
	buf_fmt(&conf,
	    "[node]\nlisten =\n[rms]\nlisten = %s\nurl = %s\n"
	    "[policy]\nstale_open = 2s\n",
	    strstr(ours.rms_url, "//") + 2, ours.rms_url);
	(void)snprintf(path, sizeof(path), "%s/consentd.conf", dir);
	OK(file_write(path, conf.p, conf.len, 0600));
}

void
place_set(const char *dir, const char *key, const char *value)
{
	CLEANUP_BUF struct buf old = { 0 }, new = { 0 };
	char path[160], line[64];
	const char *at;

	(void)snprintf(path, sizeof(path), "%s/consentd.conf", dir);
	(void)snprintf(line, sizeof(line), "\n%s = ", key);
	OK(file_read(path, 65536, &old));
	at = strstr(buf_text(&old), line);
	ck_assert_ptr_nonnull(at);
	at += strlen(line);
	buf_put(&new, old.p, (size_t)(at - (const char *)old.p));
	buf_fmt(&new, "%s%s", value, at + strcspn(at, "\n"));
	OK(file_write(path, new.p, new.len, 0600));
}

void
place_up_apart(void)
{
	memset(&place, 0, sizeof(place));
	dir_make(place.node_dir);
	init(place.node_dir);
	place_set(place.node_dir, "heartbeat", "1s"); /* blocks come often */
	place.node_pid = serve(place.node_dir);
	dir_make(place.dir);
	init(place.dir);
	use_node(place.dir, place.node_dir);
	populate();
}

void
place_down(void)
{
	stop(&place.pid, SIGTERM);
	stop(&place.node_pid, SIGTERM);
	ledger_node_free(place.node);
	rms_client_free(place.patient_c);
	rms_client_free(place.friend_c);
	rms_client_free(place.stranger_c);
	clinic_down(&place.a);
	clinic_down(&place.b);
	seal_identity_free(place.patient);
	seal_identity_free(place.friend);
	seal_identity_free(place.stranger);
	consentd_roots_free(&place.roots);
	dir_remove(place.dir);
	if (place.node_dir[0])
		dir_remove(place.node_dir);
}

void
clinic_accredit(struct clinic *c, const char *name, const char *group)
{
	CLEANUP_BUF struct buf json = { 0 };
	char path[160];

	(void)snprintf(path, sizeof(path), "%s/request.json", place.dir);
	buf_fmt(&json,
	    "{\"consentfs\":\"accreditation\",\"version\":1,"
	    "\"institution\":\"%s\",\"name\":\"%s\",\"readingKey\":\"%s\"",
	    TEXT58(&c->id), name, TEXT58(seal_identity_key(c->reading)));
	buf_fmt(&json, ",\"host\":\"%s\",\"hostName\":\"host 1\"}",
	    TEXT58(seal_identity_key(c->host)));
	OK(file_write(path, json.p, json.len, 0600));
	OK(run_verb(consentd_accredit, "accredit", "--dir", place.dir, "--name",
	    name, path, group ? "--group" : NULL, group, NULL));
}

void
made_free(struct made *m)
{
	ledger_tx_free(m->tx);
	buf_free(&m->json);
	secret_free(m->key);
}

static void
new_tx(const struct seal_identity *from, const struct entry_key *entry,
    const struct buf *env, struct made *out)
{
	CLEANUP_JS json_t *j = NULL;
	struct text58 name;

	OK(ledger_tx_new(&out->tx));
	out->tx->timestamp = clock_wall_ms();
	OK(ledger_tx_binary(
	    out->tx, ledger_entry_name(entry, &name), env->p, env->len));
	OK(ledger_tx_sign(out->tx, from));
	OK(ledger_tx_json(out->tx, place.roots.chain.b[0], &j));
	js_print(j, &out->json);
	OK(out->json.err);
}

void
make_event(const struct event *e, const struct making *how, struct made *out)
{
	CLEANUP_BUF struct buf payload = { 0 }, env = { 0 };
	struct seal_place at = { &place.roots.chain,
		*seal_identity_key(how->from), { { 0 } } };
	const struct seal_readers readers = { .rms = &place.card.rms,
		.patient_rms = &place.card.patient_rms,
		.patient = &place.card.patient,
		.institution = how->clinic,
		.representative = how->friend };
	uint8_t key[SEAL_KEY];

	memset(out, 0, sizeof(*out));
	seal_random(key, sizeof(key));
	OK(secret_copy(
	    how->key ? secret_view(how->key) : key, SEAL_KEY, &out->key));
	seal_random(out->entry.b, sizeof(out->entry.b));
	if (how->entry)
		out->entry = *how->entry;
	at.entry = out->entry;
	OK(event_encode(e, &payload));
	OK(seal_envelope(&at, &readers, how->public, out->key, &payload, &env));
	seal_event_id(at.chain, &at.sender, &at.entry, &out->id);
	new_tx(how->from, &at.entry, &env, out);
}

void
wait_final(const struct tx_id *id)
{
	int64_t until = clock_boot_ms() + PATIENCE_MS;

	for (;;) {
		CLEANUP(ledger_tx_free) struct ledger_tx *tx = NULL;

		if (ledger_node_tx(place.node, id, &tx) == ERR_OK &&
		    tx->height > 0)
			return;
		ck_assert_int_lt(clock_boot_ms(), until);
		clock_sleep_ms(10);
	}
}
