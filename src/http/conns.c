/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who keeps us waiting.  libmicrohttpd closes a silent connection, but one
 * that sends or takes a byte now and then it keeps for ever.  So each
 * connection has a clock of its own, which runs while we wait for a request or
 * for an answer to be taken, not while we make the answer; bytes that passed
 * set it back by what the slowest line is taken to need.  Who is behind by
 * more than the idle time is cut off, and when the table is nearly full those
 * who are behind most make room, long before their time.
 *
 * The socket is only shut down: closing it is libmicrohttpd's.
 */
#include <sys/socket.h>

#include "base/clock.h"
#include "http/http_internal.h"

#define BYTES_PER_MS 16 /* of the slowest line */
#define CROWDED(max) ((max) - (max) / 8)
#define GRACE_MS     500 /* who has just come may not have been heard yet */
#define SAY_MS       60000

/* How many milliseconds it is behind. */
static int64_t
behind(const struct http_conn *c, int64_t now)
{
	if (c->since == 0)
		return 0;
	return now - c->since - (int64_t)(c->moved / BYTES_PER_MS);
}

/* Cut off who is behind by more than ${ms}. */
static void
cut_locked(struct http_listener *l, int64_t now, int64_t ms)
{
	for (struct http_conn *c = l->conns; c; c = c->next) {
		if (c->cut || behind(c, now) <= ms)
			continue;
		c->cut = true;
		(void)shutdown(c->fd, SHUT_RDWR);
		l->dying++;
		l->cut++;
	}
}

static int64_t
most_behind_locked(const struct http_listener *l, int64_t now)
{
	int64_t most = 0;

	for (const struct http_conn *c = l->conns; c; c = c->next)
		if (!c->cut && behind(c, now) > most)
			most = behind(c, now);
	return most;
}

/* Who is behind half as much as the slowest one, or more: each look makes
 * much room. */
static void
make_room_locked(struct http_listener *l, int64_t now)
{
	int64_t half = most_behind_locked(l, now) / 2;

	if (l->nconns - l->dying >= CROWDED(l->opts.max_connections))
		cut_locked(l, now, half > GRACE_MS ? half : GRACE_MS);
}

unsigned
http_conns_tick_locked(struct http_listener *l)
{
	int64_t now = clock_boot_ms();
	unsigned cut;

	cut_locked(l, now, (int64_t)l->opts.idle_s * 1000);
	make_room_locked(l, now);
	if (l->cut == 0 || now < l->say_at)
		return 0;
	cut = l->cut;
	l->cut = 0;
	l->say_at = now + SAY_MS;
	return cut;
}

static struct http_conn *
conn_new(struct MHD_Connection *conn)
{
	const union MHD_ConnectionInfo *i = MHD_get_connection_info(
	    conn, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct http_conn *c = i ? calloc(1, sizeof(*c)) : NULL;

	if (c) {
		c->fd = i->connect_fd;
		c->since = clock_boot_ms();
	}
	return c;
}

static void
link_locked(struct http_listener *l, struct http_conn *c)
{
	c->next = l->conns;
	if (c->next)
		c->next->prev = c;
	l->conns = c;
	l->nconns++;
}

static void
unlink_locked(struct http_listener *l, struct http_conn *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		l->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	l->nconns--;
	l->dying -= c->cut;
}

void
http_conns_notify(void *cls, struct MHD_Connection *conn, void **ctx,
    enum MHD_ConnectionNotificationCode what)
{
	struct http_listener *l = cls;
	struct http_conn *c = *ctx;

	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		*ctx = c = conn_new(conn);
	if (c == NULL)
		return;
	(void)pthread_mutex_lock(&l->lock);
	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		make_room_locked(l, clock_boot_ms());
		link_locked(l, c);
	} else {
		unlink_locked(l, c);
	}
	(void)pthread_mutex_unlock(&l->lock);
	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		http_exchange_drop(c->exchange);
		free(c);
	}
}

void
http_conn_waits(struct http_exchange *x, uint64_t moved)
{
	if (x->place == NULL)
		return;
	(void)pthread_mutex_lock(&x->l->lock);
	x->place->since = clock_boot_ms();
	x->place->moved = moved;
	(void)pthread_mutex_unlock(&x->l->lock);
}

void
http_conn_moves(struct http_exchange *x, uint64_t n)
{
	if (x->place == NULL)
		return;
	(void)pthread_mutex_lock(&x->l->lock);
	x->place->moved += n;
	(void)pthread_mutex_unlock(&x->l->lock);
}

void
http_conn_rests(struct http_exchange *x)
{
	if (x->place == NULL)
		return;
	(void)pthread_mutex_lock(&x->l->lock);
	x->place->since = 0;
	(void)pthread_mutex_unlock(&x->l->lock);
}
