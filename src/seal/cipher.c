/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "seal/seal_internal.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>

#define SPARES 16 /* idle contexts kept per document */
#define NONCE  12

struct seal_cipher {
	struct secret *key;
	bool sealing;
	/* Contexts that hold the expanded key; whoever swaps one out has it
	 * alone, so that readers need no lock and a chunk no key schedule. */
	_Atomic(EVP_CIPHER_CTX *) spare[SPARES];
};

static pthread_mutex_t fetching = PTHREAD_MUTEX_INITIALIZER;
static EVP_CIPHER *aes_256_gcm; /* for the life of the process */

enum err
seal_init(void)
{
	EVP_CIPHER *got;

	(void)pthread_mutex_lock(&fetching);
	/* without its context libcrypto crashes where it should fail */
	if (aes_256_gcm == NULL && OSSL_LIB_CTX_get0_global_default())
		aes_256_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	got = aes_256_gcm;
	(void)pthread_mutex_unlock(&fetching);
	if (got)
		return ERR_OK;
	return err_say(ERR_UNSUPPORTED,
	    "libcrypto gives no AES-256-GCM; is there memory, and its "
	    "configuration right?");
}

enum err
seal_cipher_new(
    const uint8_t key[static 32], bool sealing, struct seal_cipher **out)
{
	CLEANUP(seal_cipher_free)
	struct seal_cipher *c = calloc(1, sizeof(*c));
	enum err e = seal_init();

	if (e)
		return e;
	if (c == NULL)
		return ERR_NOMEM;
	c->sealing = sealing;
	e = secret_copy(key, SEAL_KEY, &c->key);
	if (e == ERR_OK)
		*out = TAKE(c);
	return e;
}

void
seal_cipher_free(struct seal_cipher *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < SPARES; i++)
		EVP_CIPHER_CTX_free(atomic_load(&c->spare[i])); /* wipes */
	secret_free(c->key);
	free(c);
}

static EVP_CIPHER_CTX *
fresh(const struct seal_cipher *c)
{
	EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();

	if (x &&
	    EVP_CipherInit_ex(x, aes_256_gcm, NULL, secret_view(c->key), NULL,
		c->sealing) != 1) {
		EVP_CIPHER_CTX_free(x);
		x = NULL;
	}
	return x;
}

static EVP_CIPHER_CTX *
borrow(struct seal_cipher *c)
{
	for (size_t i = 0; i < SPARES; i++) {
		EVP_CIPHER_CTX *x;

		if (atomic_load_explicit(&c->spare[i], memory_order_relaxed) ==
		    NULL)
			continue;
		x = atomic_exchange(&c->spare[i], NULL);
		if (x)
			return x;
	}
	return fresh(c);
}

static void
give_back(struct seal_cipher *c, EVP_CIPHER_CTX *x)
{
	for (size_t i = 0; i < SPARES; i++) {
		EVP_CIPHER_CTX *none = NULL;

		if (atomic_compare_exchange_strong(&c->spare[i], &none, x))
			return;
	}
	EVP_CIPHER_CTX_free(x);
}

/* Nonce, associated data and bytes; the tag is the caller's. */
static bool
crypt_chunk(EVP_CIPHER_CTX *x, const struct seal_chunk *k)
{
	uint8_t nonce[NONCE] = { 0 };
	int n;

	for (unsigned i = 0; i < 8; i++)
		nonce[NONCE - 1 - i] = (uint8_t)(k->number >> (8 * i));
	if (EVP_CipherInit_ex(x, NULL, NULL, NULL, nonce, -1) != 1 ||
	    EVP_CipherUpdate(x, NULL, &n, k->ad, SEAL_AD) != 1)
		return false;
	return k->n == 0 ||
	    (EVP_CipherUpdate(x, k->out, &n, k->in, (int)k->n) == 1 &&
		(size_t)n == k->n);
}

enum err
seal_cipher_seal(struct seal_cipher *c, const struct seal_chunk *k)
{
	EVP_CIPHER_CTX *x = borrow(c);
	int n;
	bool done;

	if (x == NULL)
		return ERR_NOMEM;
	done = crypt_chunk(x, k) &&
	    EVP_CipherFinal_ex(x, k->out + k->n, &n) == 1 &&
	    EVP_CIPHER_CTX_ctrl(
		x, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG, k->out + k->n) == 1;
	give_back(c, x);
	return done ? ERR_OK : ERR_NOMEM;
}

enum err
seal_cipher_open(struct seal_cipher *c, const struct seal_chunk *k)
{
	EVP_CIPHER_CTX *x = borrow(c);
	uint8_t tag[SEAL_TAG], rest[SEAL_TAG];
	int n;
	bool done;

	if (x == NULL)
		return ERR_NOMEM;
	memcpy(tag, k->in + k->n, SEAL_TAG); /* in and out may be one */
	done = crypt_chunk(x, k) &&
	    EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG, tag) == 1 &&
	    EVP_CipherFinal_ex(x, rest, &n) == 1;
	give_back(c, x);
	if (!done)
		sodium_memzero(k->out, k->n);
	return done ? ERR_OK : ERR_FORGED;
}
