/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What an RMS answers, as our client reads it.  The first byte chooses the
 * call, the rest are answers (answers.h).  Signatures of zeros are good
 * (wrap_verify.c).
 */
#include "answers.h"
#include "base/text.h"
#include "rms/rms.h"

#define TX_JSON "{\"id\":\"11111111111111111111111111111111\"}"

static const struct event_id set = { "set" };
static const struct inquiry_id inquiry = { "inquiry" };
static const struct blob_id blob = { "blob" };

static void
do_register(struct rms_client *c)
{
	struct rms_card card;

	if (rms_register(c, &card) == ERR_OK)
		MUST(ID_EQ(&card.rms, fuzz_pubkey(1)) &&
		    strlen(card.url) <= RMS_URL_MAX);
}

static void
do_event(struct rms_client *c)
{
	(void)!rms_event(c, TX_JSON);
}

static void
do_feed(struct rms_client *c)
{
	__attribute__((cleanup(rms_feed_free))) struct rms_feed f = { 0 };
	uint64_t last = 0;
	enum err e = rms_feed_get(c, 7, 100, &f);

	MUST(e == ERR_OK || (f.n == 0 && f.row == NULL));
	for (size_t i = 0; i < f.n; i++) {
		MUST(f.row[i].seq > last && f.row[i].seq <= f.next);
		last = f.row[i].seq;
		if (f.row[i].json)
			MUST(f.row[i].json[0] == '{');
	}
}

static void
do_sets(struct rms_client *c)
{
	CLEANUP(free) struct rms_set_ref *refs = NULL;
	size_t n = 0;
	enum err e = rms_sets(c, fuzz_pubkey(2), &refs, &n);

	MUST((e == ERR_OK) == (refs != NULL));
}

static void
do_release(struct rms_client *c)
{
	static const struct tx_id tx;
	struct rms_release r;

	if (rms_release_get(c, EVENT_ACCESS, &set, &inquiry, TX_JSON, &r))
		return;
	MUST(r.lease_ms >= 0 && r.lease_ms <= 86400000);
	MUST(ID_EQ(&r.receipt.tx, &tx) && ID_EQ(&r.receipt.set, &set));
	MUST(ID_EQ(&r.receipt.inquiry, &inquiry));
}

static void
do_record(struct rms_client *c)
{
	uint8_t bytes[RMS_RECORD];
	struct rms_record r = { 0 }, again;

	if (rms_get_record(c, &set, &r) != ERR_OK)
		return;
	rms_record_write(&r, bytes);
	MUST(rms_record_read(bytes, sizeof(bytes), &again) == ERR_OK);
	MUST(memcmp(&again, &r, sizeof(r)) == 0);
	(void)!rms_put_record(c, &set, &r);
}

static void
do_missing(struct rms_client *c)
{
	const struct blob_id ids[] = { blob, { "other" }, blob };
	bool missing[ARRAY_LEN(ids)];

	if (rms_blobs_missing(c, ids, ARRAY_LEN(ids), missing) == ERR_OK)
		MUST(missing[0] == missing[2]);
}

static void
do_spans(struct rms_client *c)
{
	uint8_t bitmap[2];

	(void)!rms_blob_spans(c, &blob, bitmap, 9);
}

/* Leaves of the empty blob are all that the fuzzer can find. */
static void
do_leaves(struct rms_client *c)
{
	CLEANUP_BUF struct buf leaves = { 0 };
	struct blob_id id;
	uint64_t length = 0;

	MUST(seal_blob_id_of("", 0, &id) == ERR_OK);
	if (rms_blob_leaves(c, &id, 1 << 30, &length, &leaves) == ERR_OK)
		MUST(length == 0 && leaves.len == 32);
	else
		MUST(leaves.len == 0);
}

static void
do_span(struct rms_client *c)
{
	CLEANUP_BUF struct buf span = { 0 };

	if (rms_blob_span(c, &blob, 3, &span) == ERR_OK)
		MUST(span.len <= SEAL_SPAN);
	(void)!rms_blob_put_span(c, &blob, 3, "x", 1);
	(void)!rms_blobs_pack(c, &span);
}

static void
seed(const struct fuzz_taker *to, char call, const char *json)
{
	CLEANUP_BUF struct buf b = { 0 };

	buf_fmt(&b, "%c2%s", call, json);
	fuzz_seed(to, b.p, b.len);
}

#define B16 "1111111111111111"
#define B32 B16 B16
#define B64 B32 B32
#define B107                                                                   \
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"   \
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static void
seed_register(const struct fuzz_taker *to)
{
	CLEANUP_BUF struct buf b = { 0 };

	buf_fmt(&b,
	    "r2{\"patientRms\":\"%s\",\"url\":\"https://rms.example\","
	    "\"signature\":\"" B64 "\"}\xff"
	    "2{}",
	    TEXT58(fuzz_pubkey(3)));
	fuzz_seed(to, b.p, b.len);
}

static void
seed_release(const struct fuzz_taker *to)
{
	CLEANUP_BUF struct buf b = { 0 };

	buf_fmt(&b,
	    "k2{\"key\":\"" B107 "=\",\"lease\":900,\"receipt\":{"
	    "\"transaction\":\"" B32 "\",\"entry\":\"" B16
	    "\",\"inquiry\":\"%s\",\"set\":\"%s\",\"institution\":\"" B16
	    "\",\"time\":5,\"signature\":\"" B64 "\"}}",
	    TEXT58(&inquiry), TEXT58(&set));
	fuzz_seed(to, b.p, b.len);
}

static void
seed_record(const struct fuzz_taker *to)
{
	uint8_t bytes[RMS_RECORD] = { 1, 1 };
	CLEANUP_BUF struct buf b = { 0 };

	buf_str(&b, "g2{\"record\":\"");
	text64(bytes, sizeof(bytes), &b);
	buf_str(&b,
	    "\"}\xff"
	    "2{}");
	fuzz_seed(to, b.p, b.len);
}

void
fuzz_seeds(const struct fuzz_taker *to)
{
	CLEANUP_BUF struct buf leaves = { 0 };
	uint8_t leaf[32];

	seed_register(to);
	seed_release(to);
	seed_record(to);
	seed(to, 'e', "{\"received\":5}");
	seed(to, 'f',
	    "{\"events\":[{\"seq\":8,\"transaction\":\"" B32
	    "\",\"entry\":\"" B16 "\",\"sender\":\"" B32 "\",\"key\":\"" B107
	    "=\",\"json\":{\"type\":12}}],\"next\":8}");
	seed(to, 's',
	    "{\"sets\":[{\"set\":\"" B16 "\",\"transaction\":\"" B32
	    "\",\"entry\":\"" B16 "\",\"sender\":\"" B32 "\"}]}");
	seed(to, 'm', "{\"missing\":[]}");
	seed(to, 'b', "ab");
	seed(to, 'p',
	    "span\xff"
	    "2\xff"
	    "2");
	fuzz_seed_text(to,
	    "eU{\"code\":20,\"detail\":\"x\",\"notBefore\":5}\xff"
	    "2{\"received\":5}");
	fuzz_seed_text(to, "eB{\"code\":6,\"detail\":\"a\\nb\"}");
	seal_leaf(0, NULL, 0, leaf);
	buf_str(&leaves, "l2");
	buf_u64(&leaves, 0);
	buf_put(&leaves, leaf, sizeof(leaf));
	fuzz_seed(to, leaves.p, leaves.len);
}

static struct rms_client *
client(void)
{
	static struct rms_client *c;
	struct rms_client_opts o = { .url = "https://rms.example",
		.chain = { "V" },
		.rms = *fuzz_pubkey(1),
		.id = fuzz_identity(2) };

	if (c == NULL)
		MUST(rms_client_new(&o, &c) == ERR_OK);
	return c;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct {
		char c;
		void (*run)(struct rms_client *);
	} calls[] = { { 'r', do_register }, { 'e', do_event }, { 'f', do_feed },
		{ 's', do_sets }, { 'k', do_release }, { 'g', do_record },
		{ 'm', do_missing }, { 'b', do_spans }, { 'l', do_leaves },
		{ 'p', do_span } };

	for (size_t i = 0; n > 0 && i < ARRAY_LEN(calls); i++) {
		if (p[0] != calls[i].c)
			continue;
		fuzz_answers(p + 1, n - 1);
		calls[i].run(client());
	}
	return 0;
}
