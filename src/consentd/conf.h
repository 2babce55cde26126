/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * consentd/conf: the configuration of the server (consentd.conf) and the
 * trust roots that it hands to clients (client.conf), both in its directory.
 */
#ifndef CONSENTD_CONF_H
#define CONSENTD_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/ids.h"
#include "ledger/ledger.h"

struct consentd_conf {
	char *node_listen, *chain_byte;
	int64_t block_interval, heartbeat;
	char *api_key_file;
	char *node_ca, *node_pin, *node_key_file, *node_token_file;
	int64_t fee_max;
	char *rms_listen, *url;
	int64_t lease, threads, max_connections, per_address, idle,
	    registrations;
	char *tls_cert, *tls_key;
	int64_t stale_open;
};

/**
 * consentd_conf_defaults(c):
 * Fill in the defaults.
 */
enum err consentd_conf_defaults(struct consentd_conf *c) must_check;

/**
 * consentd_conf_read(dir, c):
 * Defaults, then ${dir}/consentd.conf.
 * Errors: NOTFOUND (not made by init), CONFIG, INVAL (clients would not use
 * the RMS's url).
 */
enum err consentd_conf_read(
    const char *dir, struct consentd_conf *c) must_check;

/**
 * consentd_conf_set(field, text):
 * Replace a text of the configuration by a copy of ${text}.
 */
enum err consentd_conf_set(char **field, const char *text) must_check;

/**
 * consentd_conf_time(text, out_ms):
 * Read a block interval as the configuration writes it.
 * Errors: INVAL.
 */
enum err consentd_conf_time(const char *text, int64_t *out_ms) must_check;

/**
 * consentd_conf_print(c, to):
 * Print in the syntax of consentd.conf.
 */
void consentd_conf_print(const struct consentd_conf *c, FILE *to);

/**
 * consentd_conf_free(c):
 * Free the texts.
 */
void consentd_conf_free(struct consentd_conf *c);
#define CLEANUP_CONF __attribute__((cleanup(consentd_conf_free), unused))

/* An address to listen on. */
struct consentd_listen {
	char address[64];
	uint16_t port;
};

/**
 * consentd_listen_read(text, out):
 * Read "127.0.0.1:6860" or "[::1]:6860".
 * Errors: CONFIG.
 */
enum err consentd_listen_read(
    const char *text, struct consentd_listen *out) must_check;

/**
 * consentd_url_fix(url, port, out):
 * Store in ${out} (to be freed) ${url}, its port 0 replaced by ${port}.
 */
enum err consentd_url_fix(
    const char *url, uint16_t port, char **out) must_check;

/* client.conf */
struct consentd_roots {
	const struct ledger_dialect *dialect;
	char *node_url;
	struct chain chain;
	char *generator; /* keys, as written; NULL: none is pinned */
	int64_t final_depth, tx_version, fee;
	char *rms_url;
	struct pubkey rms;
};

/**
 * consentd_roots_read(dir, r), consentd_roots_write(dir, r):
 * ${dir}/client.conf.
 * Errors: NOTFOUND, CONFIG; those of file_write().
 */
enum err consentd_roots_read(
    const char *dir, struct consentd_roots *r) must_check;
/** consentd_roots_write(dir, r): see consentd_roots_read(). */
enum err consentd_roots_write(
    const char *dir, const struct consentd_roots *r) must_check;

/**
 * consentd_roots_free(r):
 * Free the texts.
 */
void consentd_roots_free(struct consentd_roots *r);
#define CLEANUP_ROOTS __attribute__((cleanup(consentd_roots_free), unused))

/**
 * consentd_node(c, r, out):
 * A client of the node of client.conf.
 * Errors: those of ledger_node_new().
 */
enum err consentd_node(const struct consentd_conf *c,
    const struct consentd_roots *r, struct ledger_node **out) must_check;

#endif
