/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * For targets whose input is signed: linked with --wrap, a signature that
 * begins with zeros is good, every other is checked as always.
 */
#include "fuzz.h"

enum err __real_seal_verify_raw(const struct pubkey *key, const void *msg,
    size_t len, const struct sig *sig);
enum err __real_seal_verify(const struct pubkey *key, enum seal_use use,
    const struct chain *chain, const struct buf *msg, const struct sig *sig);
enum err __wrap_seal_verify_raw(const struct pubkey *key, const void *msg,
    size_t len, const struct sig *sig);
enum err __wrap_seal_verify(const struct pubkey *key, enum seal_use use,
    const struct chain *chain, const struct buf *msg, const struct sig *sig);

enum err
__wrap_seal_verify_raw(const struct pubkey *key, const void *msg, size_t len,
    const struct sig *sig)
{
	if (fuzz_sig_is_good(sig))
		return ERR_OK;
	return __real_seal_verify_raw(key, msg, len, sig);
}

enum err
__wrap_seal_verify(const struct pubkey *key, enum seal_use use,
    const struct chain *chain, const struct buf *msg, const struct sig *sig)
{
	if (fuzz_sig_is_good(sig))
		return ERR_OK;
	return __real_seal_verify(key, use, chain, msg, sig);
}
