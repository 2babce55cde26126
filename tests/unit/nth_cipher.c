/* SPDX-License-Identifier: GPL-3.0-or-later */
/* As nth.c, for what only seal calls: libcrypto's AES, and Argon2id. */
#include "nth_cipher.h"

#include <openssl/evp.h>

bool nth_quick_stretch;

#define WRAP(ret, name, which, bad, params, args)                              \
	ret __real_##name params;                                              \
	ret __wrap_##name params;                                              \
	ret __wrap_##name params                                               \
	{                                                                      \
		return nth_fails(which) ? (bad) : __real_##name args;          \
	}

WRAP(EVP_CIPHER *, EVP_CIPHER_fetch, NTH_CIPHER, NULL,
    (OSSL_LIB_CTX * c, const char *name, const char *how), (c, name, how))
WRAP(EVP_CIPHER_CTX *, EVP_CIPHER_CTX_new, NTH_CIPHER, NULL, (void), ())
WRAP(int, EVP_CipherInit_ex, NTH_CIPHER, 0,
    (EVP_CIPHER_CTX * x, const EVP_CIPHER *t, ENGINE *e, const uint8_t *key,
	const uint8_t *iv, int enc),
    (x, t, e, key, iv, enc))
WRAP(int, EVP_CipherUpdate, NTH_CIPHER, 0,
    (EVP_CIPHER_CTX * x, uint8_t *out, int *outl, const uint8_t *in, int n),
    (x, out, outl, in, n))
WRAP(int, EVP_CipherFinal_ex, NTH_CIPHER, 0,
    (EVP_CIPHER_CTX * x, uint8_t *out, int *outl), (x, out, outl))
WRAP(int, EVP_CIPHER_CTX_ctrl, NTH_CIPHER, 0,
    (EVP_CIPHER_CTX * x, int type, int arg, void *p), (x, type, arg, p))

int __real_crypto_pwhash_argon2id(unsigned char *out, unsigned long long n,
    const char *phrase, unsigned long long len, const unsigned char *salt,
    unsigned long long ops, size_t memory, int alg);
int __wrap_crypto_pwhash_argon2id(unsigned char *out, unsigned long long n,
    const char *phrase, unsigned long long len, const unsigned char *salt,
    unsigned long long ops, size_t memory, int alg);

int
__wrap_crypto_pwhash_argon2id(unsigned char *out, unsigned long long n,
    const char *phrase, unsigned long long len, const unsigned char *salt,
    unsigned long long ops, size_t memory, int alg)
{
	if (nth_fails(NTH_MEMORY))
		return -1;
	if (nth_quick_stretch)
		return crypto_generichash(out, n, (const uint8_t *)phrase, len,
		    salt, crypto_pwhash_argon2id_SALTBYTES);
	return __real_crypto_pwhash_argon2id(
	    out, n, phrase, len, salt, ops, memory, alg);
}
