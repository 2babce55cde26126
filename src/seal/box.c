/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "seal/seal_internal.h"

enum err
seal_box(const struct pubkey *to, const void *in, size_t n, uint8_t *out)
{
	enum err e = seal_key_check(to);

	if (e != ERR_OK)
		return e;
	return crypto_box_seal(out, in, n, to->b) == 0 ? ERR_OK : ERR_FORGED;
}

enum err
seal_box_open(
    const struct seal_identity *id, const uint8_t *in, size_t n, void *out)
{
	if (n < SEAL_BOX_EXTRA)
		return ERR_FORGED;
	return crypto_box_seal_open(
		   out, in, n, id->public.b, secret_view(id->private)) == 0 ?
	    ERR_OK :
	    ERR_FORGED;
}
