/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whole histories in one process, in virtual time: a patient and a
 * representative decide, a clinic asks and reads, nodes re-organise, split and
 * lose what they had, programs crash.  Node client, follower, outbox, registry
 * and policy are the real ones; below them http_do() and the clock are ours.
 */
#ifndef SIM_H
#define SIM_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/policy_model_test.h"
#include "ledger/ledger.h"
#include "registry/registry.h"

/* Print the seed and end: a broken rule, or an error that may not be. */
void sim_fail(const char *fmt, ...)
    __attribute__((format(printf, 1, 2), noreturn));
#define OK(call)                                                               \
	do {                                                                   \
		enum err ok_err = (call);                                      \
		if (ok_err != ERR_OK)                                          \
			sim_fail("%s: %s", #call, err_detail(ok_err));         \
	} while (0)

/* ---- net.c: clock, nodes, what is between them and us ---- */

#define NET_DEPTH     3 /* blocks are final after; nodes keep to it */
#define NET_EVERY_MS  15000
#define NET_MINOR_MS  40000 /* a split part makes blocks for so long */
#define NET_EXPIRY_MS 7200000

enum { MAIN, OTHER, NODES, ANY = NODES }; /* the clinic's node is OTHER */

struct net_tx {
	struct tx_id id;
	char *json;
	int64_t stamp;
	int64_t seen; /* first on any node */
	/* it has been there, or on ANY, all the time; 0: it is not */
	int64_t since[NODES + 1];
	bool in_pool[NODES];
	int64_t known_until; /* AlreadyInProcessing until then */
	uint32_t deeds;      /* bits: which it carries */
};

struct net {
	int64_t now;       /* ms; wall clock and boot clock */
	bool faults;       /* calls may fail */
	bool split, minor; /* two parts; OTHER makes blocks of its own */
	int64_t split_at, mined[NODES];
	int64_t minor_at; /* its newest block */
	bool deep;        /* OTHER may fork below what is final */
	uint64_t highest; /* that a chain ever was */
	uint64_t calls, reorgs, deepest;
};

extern struct net net;
extern struct chain net_chain;

void net_begin(void);
void net_end(void);
/* Time goes on; blocks are made. */
void net_advance(int64_t ms);
void net_split(bool minor);
void net_heal(void);
/* Replace the newest ${n} blocks; ${lose}: their transactions are forgotten. */
void net_reorg(unsigned n, bool lose);
/* The nodes were started again: pools are empty. */
void net_lose_pools(void);
/* When a node first had deed ${d}, 0: never; since when it is on a node, or on
 * ANY, all the time, 0: it is not; where a node's chain has it. */
int64_t net_seen(size_t d);
int64_t net_since(unsigned where, size_t d);
struct net_where {
	uint64_t order;
	int64_t time;     /* of the block */
	int64_t final_at; /* net.now of the block that made it final, 0: none */
};
bool net_place(unsigned node, size_t d, struct net_where *out);
uint64_t net_height(void);
struct ledger_node *net_client(unsigned node);

/* ---- actors.c ---- */

enum who { RMS, PATIENT, PATIENT_RMS, REP, HOST, READING, WHOS };
enum { WALLET_PATIENT, WALLET_REP, WALLETS };

#define EVENTS 20
#define ITEMS  40

/* What somebody has decided, and what the ledger is to show of it. */
struct deed {
	struct ev ev; /* kind, signer, content; its place is found later */
	struct text58 name; /* of its entry */
	struct secret *key;
};

extern struct deed deed[EVENTS];
extern size_t ndeeds;
/* Bits of the deeds that a transaction carries. */
uint32_t deeds_in(const char *json);
extern struct institution_id clinic;
extern size_t nitems;

void actors_init(const char *dir);
void actors_begin(void);
void actors_end(void);
const struct pubkey *key_of(enum who who);

/* Decide; kept in the wallet's outbox. */
void act_decide(enum who who, enum event_effect effect, int64_t until,
    const struct deed *delegation, bool blind);
void act_delegate(void);
/* What rested on it ends too: all that its mark can say. */
void act_end(const struct deed *delegation);
/* The clinic notes an access. */
void act_read(void);

/* Each does what it does from time to time. */
void act_wallet(unsigned which);
void act_rms(void);
void act_clinic(void);
/* The RMS tells the clinic what it holds. */
void act_feed(void);
void act_drain(bool crash);
/* Everything is closed and opened again. */
void act_crash_clinic(void);
void act_crash_wallet(unsigned which);
void act_crash_rms(void);
/* What an operator does after a fork below what is final. */
void act_reinstall_clinic(void);

bool clinic_permits(int64_t bound, enum policy_why *out_why);
bool clinic_forked(void);
/* Whether it holds deed ${d}, so that it counts: final, or it narrows. */
bool clinic_has(size_t d);
uint64_t waiting(void);
/* Each item must be on the ledger once. */
void check_items(void);

#endif
