/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Key files and seed phrases.  Argon2id is replaced (--wrap): its time would
 * be all that is tested.
 */
#include <unistd.h>

#include "base/file.h"
#include "fuzz.h"

int __wrap_crypto_pwhash_argon2id(unsigned char *out, unsigned long long outlen,
    const char *passwd, unsigned long long passwdlen, const unsigned char *salt,
    unsigned long long opslimit, size_t memlimit, int alg);

int
__wrap_crypto_pwhash_argon2id(unsigned char *out, unsigned long long outlen,
    const char *passwd, unsigned long long passwdlen, const unsigned char *salt,
    unsigned long long opslimit, size_t memlimit, int alg)
{
	(void)alg;
	MUST(opslimit >= 1 && opslimit <= 16);
	MUST(memlimit >= 8192 && memlimit <= 1 << 30);
	return crypto_generichash(out, outlen, (const uint8_t *)passwd,
	    passwdlen, salt, crypto_pwhash_argon2id_SALTBYTES);
}

static enum err
ask(void *ctx, const char *path, struct secret **out)
{
	int *times = ctx;

	(void)path;
	MUST((*times)++ == 0);
	return secret_copy("passphrase", 10, out);
}

/* What was loaded can be saved and loaded again. */
static void
save_again(const struct seal_identity *id)
{
	CLEANUP(seal_identity_free) struct seal_identity *again = NULL;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/again.key", fuzz_dir());
	(void)unlink(path);
	MUST(seal_identity_save(id, path, NULL) == ERR_OK);
	MUST(seal_identity_save(id, path, NULL) == ERR_EXISTS);
	MUST(seal_identity_load(path, NULL, NULL, &again) == ERR_OK);
	MUST(ID_EQ(seal_identity_key(id), seal_identity_key(again)));
}

static void
try_file(const uint8_t *p, size_t n)
{
	CLEANUP(seal_identity_free) struct seal_identity *id = NULL;
	CLEANUP(seal_identity_free) struct seal_identity *clear = NULL;
	const char *path = fuzz_file(p, n);
	int times = 0;
	enum err e = seal_identity_load(path, ask, &times, &id);

	MUST(e == ERR_OK || e == ERR_FORMAT || e == ERR_UNSUPPORTED ||
	    e == ERR_NOKEY);
	MUST((e == ERR_OK) == (id != NULL));
	if (e == ERR_OK)
		save_again(id);
	if (seal_identity_load(path, NULL, NULL, &clear) == ERR_OK)
		MUST(id && times == 0);
}

static void
try_phrase(const uint8_t *p, size_t n)
{
	CLEANUP(seal_identity_free) struct seal_identity *a = NULL, *b = NULL;
	char *s = fuzz_text(p, n);
	uint8_t address[26];

	enum err e = seal_identity_from_seed(s, &a);

	MUST(e == ERR_OK || e == ERR_INVAL);
	MUST(seal_identity_from_seed(s, &b) == e);
	free(s);
	if (e)
		return;
	MUST(ID_EQ(seal_identity_key(a), seal_identity_key(b)));
	MUST(seal_key_check(seal_identity_key(a)) == ERR_OK);
	seal_address(seal_identity_key(a), 'V', address);
	MUST(address[0] == 1 && address[1] == 'V');
}

/* Any 32 bytes as a public key: good ones can be sealed to. */
static void
try_public(const uint8_t *p, size_t n)
{
	uint8_t box[SEAL_BOX_KEY], key[SEAL_KEY] = { 1 };
	struct pubkey k;
	enum err e;

	if (n < sizeof(k.b))
		return;
	memcpy(k.b, p, sizeof(k.b));
	e = seal_key_check(&k);
	MUST(e == ERR_OK || e == ERR_FORGED);
	MUST(seal_box(&k, key, sizeof(key), box) == e);
}

void
fuzz_seeds(const struct fuzz_taker *to)
{
	for (int i = 0; i < 2; i++) {
		CLEANUP(secret_free) struct secret *passphrase = NULL;
		CLEANUP_BUF struct buf b = { 0 };
		char path[128];
		int times = 0;

		(void)snprintf(
		    path, sizeof(path), "%s/seed-%d.key", fuzz_dir(), i);
		(void)unlink(path);
		MUST(ask(&times, path, &passphrase) == ERR_OK);
		MUST(seal_identity_save(fuzz_identity(1), path,
			 i ? passphrase : NULL) == ERR_OK);
		MUST(file_read(path, 4096, &b) == ERR_OK);
		fuzz_seed(to, b.p, b.len);
	}
	fuzz_seed_text(to,
	    "manage manual recall harvest series desert melt "
	    "police rose hollow moral pledge kitten position "
	    "add");
	fuzz_seed(to, fuzz_pubkey(1)->b, 32);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	try_file(p, n);
	try_phrase(p, n);
	try_public(p, n);
	return 0;
}
