/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "consentd/server_internal.h"

enum err
consentd_record_open(struct server *s, const struct rms_record *record,
    const struct registry_event *set, struct secret **out_key)
{
	CLEANUP(secret_free) struct secret *key = NULL;
	const struct seal_identity *pair;
	struct pubkey public;
	uint8_t handle[16], commitment[32];
	enum err e = consentd_keys_public(s->keys, &set->e->patient, &public);

	if (e)
		return e;
	seal_handle(&public, handle);
	e = consentd_keys_find(s->keys, handle, &pair);
	if (e == ERR_OK)
		e = secret_new(SEAL_KEY, &key);
	if (e == ERR_OK)
		e = seal_box_open(
		    pair, record->rms, sizeof(record->rms), secret_bytes(key));
	if (e)
		return e;
	seal_set_commitment(key, &set->id, commitment);
	if (sodium_memcmp(commitment, set->e->u.set.set_key_commitment,
		sizeof(commitment)) != 0)
		return err_say(ERR_FORGED,
		    "the key record holds another key than the set's event "
		    "commits to");
	*out_key = TAKE(key);
	return ERR_OK;
}
