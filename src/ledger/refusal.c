/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a node's refusal of a broadcast means and what becomes of the
 * transaction.  By number first; texts differ between versions and only tell
 * apart what one number stands for.
 */
#include "ledger/ledger_internal.h"

#define ANY (-1)

struct rule {
	int64_t number;   /* of the error object; ANY */
	long status;      /* HTTP; ANY */
	const char *text; /* the message holds it, in any case; NULL: any */
	bool ours;        /* and the id of the transaction */
	struct ledger_refusal what;
};

#define TX_REMEDY                                                              \
	"check 'tx_version' and the network in the configuration; the "        \
	"program and the node's version may not fit"
#define FEE_REMEDY                                                             \
	"check 'fee' in the configuration and send the account what fees "     \
	"cost"
#define TOKEN_REMEDY "check the node's token or key file in the configuration"

/* The first that fits. */
static const struct rule rules[] = {
	{ 199, ANY, "alreadyinprocessing", true, { LEDGER_IT_HAS, NULL } },
	{ 199, ANY, "already", true, { LEDGER_IT_HAS, NULL } },
	{ 112, ANY, "already", true, { LEDGER_IT_HAS, NULL } },
	{ 400, ANY, "already", true, { LEDGER_IT_HAS, NULL } },
	{ 199, ANY, "already", false, { LEDGER_RETRY, NULL } },
	{ 303, ANY, NULL, false,
	    { LEDGER_RENEW,
		"if it goes on, set the clock of this machine or the node" } },

	{ 112, ANY, "'banned'", false,
	    { LEDGER_RETRY,
		"the network's operator has banned this account; ask them" } },
	{ 112, ANY, "permission", false,
	    { LEDGER_RETRY,
		"ask the network's operator for the role 'sender' for this "
		"account" } },
	{ 112, ANY, "balance", false, { LEDGER_UNPAID, FEE_REMEDY } },
	{ 112, ANY, "fee", false, { LEDGER_UNPAID, FEE_REMEDY } },
	{ 112, ANY, "activated", false, { LEDGER_STUCK, TX_REMEDY } },
	{ 112, ANY, "proof", false, { LEDGER_STUCK, TX_REMEDY } },
	{ 112, ANY, "signature", false, { LEDGER_STUCK, TX_REMEDY } },
	{ 112, ANY, NULL, false, { LEDGER_RETRY, NULL } },
	{ 199, ANY, "fee", false, { LEDGER_UNPAID, FEE_REMEDY } },
	{ 199, ANY, NULL, false, { LEDGER_STUCK, TX_REMEDY } },

	{ 1, 400, NULL, false, { LEDGER_STUCK, TX_REMEDY } },
	{ 10, ANY, NULL, false, { LEDGER_STUCK, TX_REMEDY } },
	{ 101, ANY, NULL, false, { LEDGER_STUCK, TX_REMEDY } },
	{ 102, ANY, NULL, false, { LEDGER_STUCK, TX_REMEDY } },
	{ 108, ANY, NULL, false, { LEDGER_STUCK, TX_REMEDY } },
	{ 312, ANY, NULL, false, { LEDGER_STUCK, TX_REMEDY } },
	{ 306, ANY, NULL, false, { LEDGER_RETRY, NULL } }, /* scripts of the */
	{ 307, ANY, NULL, false, { LEDGER_RETRY, NULL } }, /* account */

	{ 2, ANY, NULL, false,
	    { LEDGER_SETUP, "check 'api_key_file' in the configuration" } },
	{ 618, ANY, NULL, false, { LEDGER_SETUP, TOKEN_REMEDY } },
	{ 619, ANY, NULL, false, { LEDGER_SETUP, TOKEN_REMEDY } },
	{ 620, ANY, NULL, false, { LEDGER_SETUP, TOKEN_REMEDY } },
	{ 621, ANY, NULL, false, { LEDGER_SETUP, TOKEN_REMEDY } },
	{ 622, ANY, NULL, false, { LEDGER_SETUP, TOKEN_REMEDY } },
	{ 636, ANY, NULL, false, { LEDGER_SETUP, TOKEN_REMEDY } },
	{ 638, ANY, NULL, false,
	    { LEDGER_SETUP,
		"the node only watches; configure another of the network" } },
	{ 703, ANY, NULL, false,
	    { LEDGER_SETUP, "the node's chain is frozen; ask its operator" } },
	{ 640, ANY, NULL, false, { LEDGER_LATER, NULL } },
	{ 642, ANY, NULL, false, { LEDGER_LATER, NULL } },

	/* no number that we know, or none at all */
	{ ANY, 401, NULL, false, { LEDGER_SETUP, TOKEN_REMEDY } },
	{ ANY, 403, NULL, false, { LEDGER_SETUP, TOKEN_REMEDY } },
	{ ANY, 404, NULL, false, { LEDGER_SETUP, "check the node's address" } },
	{ ANY, 429, NULL, false, { LEDGER_LATER, NULL } },
	/* gowaves says no more, whatever it is; often that it has it */
	{ ANY, 500, "error", false,
	    { LEDGER_UNSAID,
		"the node does not say why; is the account empty? 'consent "
		"status' shows its balance" } },
	{ ANY, 500, NULL, false, { LEDGER_LATER, NULL } },
	{ ANY, 502, NULL, false, { LEDGER_LATER, NULL } },
	{ ANY, 503, NULL, false, { LEDGER_LATER, NULL } },
	{ ANY, 504, NULL, false, { LEDGER_LATER, NULL } },
	{ ANY, ANY, NULL, false, { LEDGER_RETRY, NULL } },
};

static bool
fits(const struct rule *r, const struct ledger_told *told, const char *id)
{
	return (r->number == ANY || r->number == told->number) &&
	    (r->status == ANY || r->status == told->status) &&
	    (r->text == NULL || strcasestr(told->message, r->text)) &&
	    (!r->ours || strstr(told->message, id));
}

const struct ledger_refusal *
ledger_refusal(const struct ledger_told *told, const char *id)
{
	const struct rule *r = rules;

	while (!fits(r, told, id))
		r++;
	return &r->what;
}
