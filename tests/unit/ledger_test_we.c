/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Blocks as a Waves Enterprise node shows them, made with the official client:
 * tests/vectors/we_blocks.json, or the file that CONSENTFS_WE_BLOCKS names.
 */
#include "ledger/ledger_internal.h"
#include "ledger_test_sink.h"

#include <stdio.h>

static json_t *vectors, *blocks;
static struct pubkey keys[3];
static struct ledger_pins pins = { 'V', 3, keys };

/* What each holds, and whether all of it can be written. */
static const struct {
	size_t ntx;
	bool proved;
} blocks_are[] = {
	{ 0, false }, /* block 1: the chain pins it */
	{ 0, true },
	{ 3, true }, /* data, versions 1 to 3 */
	{ 1, true }, /* permits, nodes, transfers */
	{ 2, true }, /* a container */
	{ 1, true }, /* the other two kinds of consensus */
	{ 1, true },
	{ 1, true },  /* with votes */
	{ 0, true },  /* features */
	{ 1, false }, /* a call of a contract */
	{ 1, false }, /* too many features */
	{ 0, true },
};

static void
load(void)
{
	const char *path = getenv("CONSENTFS_WE_BLOCKS");
	const json_t *list;

	vectors = path ? json_load_file(path, 0, NULL) :
			 test_file("we_blocks.json");
	blocks = json_object_get(vectors, "blocks");
	list = json_object_get(vectors, "generators");
	ck_assert_uint_eq(json_array_size(list), ARRAY_LEN(keys));
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		OK(text58_read(json_string_value(json_array_get(list, i)),
		    keys[i].b, sizeof(keys[i].b)));
	pins.n = ARRAY_LEN(keys);
	follow_up();
}

static void
unload(void)
{
	follow_down();
	json_decref(vectors);
}

static enum err
read_we(const json_t *j, bool *out_proved)
{
	CLEANUP(ledger_block_free) struct ledger_block *b = NULL;
	enum err e = ledger_block_read_as(&ledger_enterprise, j, &pins, &b);

	*out_proved = e == ERR_OK && b->proved;
	return e;
}

static bool
is_proved(const json_t *j)
{
	bool proved;

	(void)read_we(j, &proved);
	return proved;
}

START_TEST(genuine)
{
	struct sig before;

	ck_assert_uint_eq(json_array_size(blocks), ARRAY_LEN(blocks_are));
	for (size_t i = 0; i < ARRAY_LEN(blocks_are); i++) {
		CLEANUP(ledger_block_free) struct ledger_block *b = NULL;

		OK(ledger_block_read_as(
		    &ledger_enterprise, json_array_get(blocks, i), &pins, &b));
		ck_assert_uint_eq(b->height, i + 1);
		ck_assert_uint_eq(b->ntx, blocks_are[i].ntx);
		ck_assert_int_eq(b->proved, blocks_are[i].proved);
		ck_assert(i == 0 || ID_EQ(&b->reference, &before));
		before = b->id;
	}
}
END_TEST

START_TEST(nobody_pinned)
{
	pins.n = 0;
	for (size_t i = 0; i < json_array_size(blocks); i++)
		ck_assert(is_proved(json_array_get(blocks, i)));
}
END_TEST

/* ---- every value that is signed, in every block ---- */

static void
change(json_t *v)
{
	const char *s = json_string_value(v);
	size_t n = json_string_length(v);
	char *t = NULL;

	if (json_is_integer(v)) {
		json_integer_set(v, json_integer_value(v) ^ 1);
		return;
	}
	if (n && !(s[n - 1] & 0x80)) /* not a part of a character */
		n--;
	ck_assert_int_ge(
	    asprintf(&t, "%.*s%c", (int)n, s, s[n] == '2' ? '3' : '2'), 0);
	ck_assert_int_eq(json_string_set(v, t), 0);
	free(t);
}

/* What a node adds, or can be computed from the rest. */
static bool
is_told(const char *name)
{
	static const char *const told[] = { "height", "blocksize", "fee",
		"transactionCount", "id", "sender", "author", "target" };

	for (size_t i = 0; i < ARRAY_LEN(told); i++)
		if (strcmp(told[i], name) == 0)
			return true;
	return false;
}

static unsigned changed, accepted;

static void
change_all(const json_t *block, json_t *v)
{
	const char *name;
	json_t *member;
	size_t i;

	json_object_foreach(v, name, member) if (json_is_object(member) ||
	    json_is_array(member)) change_all(block, member);
	else if (!is_told(name) && !json_is_null(member) &&
	    !json_is_boolean(member))
	{
		CLEANUP_JS json_t *old = json_deep_copy(member);

		change(member);
		changed++;
		accepted += is_proved(block);
		json_object_set(v, name, old);
	}
	json_array_foreach(
	    v, i, member) if (json_is_string(member) || json_is_integer(member))
	{
		CLEANUP_JS json_t *old = json_deep_copy(member);

		change(member);
		changed++;
		accepted += is_proved(block);
		json_array_set(v, i, old);
	}
	else change_all(block, member);
}

START_TEST(each_value)
{
	changed = accepted = 0;
	for (size_t i = 1; i < ARRAY_LEN(blocks_are); i++) {
		json_t *b = json_array_get(blocks, i);

		if (!blocks_are[i].proved)
			continue;
		change_all(b, b);
		ck_assert(is_proved(b));
	}
	printf("figure: Waves Enterprise blocks with a changed value taken for "
	       "signed: %u of %u\n",
	    accepted, changed);
	ck_assert_uint_eq(accepted, 0);
	ck_assert_uint_gt(changed, 250);
}
END_TEST

/* ---- lists ---- */

static unsigned
refused(const json_t *block, size_t i, int how)
{
	CLEANUP_JS json_t *j = json_deep_copy(block);
	json_t *list = json_object_get(j, "transactions");
	json_t *tx = json_array_get(list, i);
	bool proved;

	if (how != 0)
		json_array_append(list, tx);
	if (how != 1)
		json_array_remove(list, i);
	test_count_again(j);
	return read_we(j, &proved) == ERR_FORGED;
}

/* What a node withholds (0), repeats (1), moves to the end (2). */
START_TEST(lists)
{
	unsigned n = 0, all = 0;

	for (size_t k = 1; k < ARRAY_LEN(blocks_are); k++) {
		const json_t *b = json_array_get(blocks, k);
		size_t ntx = json_array_size(
		    json_object_get(b, "transactions"));

		if (!blocks_are[k].proved)
			continue;
		for (size_t i = 0; i < ntx; i++)
			for (int how = 0; how < 3; how++) {
				if (how == 2 && i == ntx - 1)
					continue;
				n += refused(b, i, how);
				all++;
			}
	}
	ck_assert_uint_eq(n, all);
	ck_assert_uint_gt(all, 30);
}
END_TEST

START_TEST(votes)
{
	CLEANUP_JS json_t *less = json_deep_copy(json_array_get(blocks, 7));
	CLEANUP_JS json_t *swapped = json_deep_copy(less);
	json_t *list = json_object_get(
	    json_object_get(less, "cft-consensus"), "votes");
	bool proved;

	ck_assert_uint_eq(json_array_size(list), 2);
	json_array_remove(list, 1);
	FAILS(ERR_FORGED, read_we(less, &proved));
	list = json_object_get(
	    json_object_get(swapped, "cft-consensus"), "votes");
	json_array_append(list, json_array_get(list, 0));
	json_array_remove(list, 0);
	FAILS(ERR_FORGED, read_we(swapped, &proved));
}
END_TEST

/* Generators and voters must be named. */
START_TEST(strangers)
{
	bool proved;

	pins.n = 2; /* not the third, who made block 9 and votes in block 8 */
	for (size_t i = 0; i < ARRAY_LEN(blocks_are); i++) {
		enum err e = read_we(json_array_get(blocks, i), &proved);

		ck_assert_int_eq(e, i == 7 || i == 8 ? ERR_FORGED : ERR_OK);
		ck_assert(
		    e == ERR_OK || strstr(err_detail(e), "does not name"));
	}
}
END_TEST

START_TEST(not_known)
{
	static const char *const consensus[] = { "poa-consensus", "features",
		"transactions", "generator", "signature" };
	CLEANUP_JS json_t *other = json_deep_copy(json_array_get(blocks, 2));
	bool proved;

	for (size_t i = 0; i < ARRAY_LEN(consensus); i++) {
		CLEANUP_JS json_t *j = json_deep_copy(other);

		json_object_del(j, consensus[i]);
		FAILS(ERR_FORMAT, read_we(j, &proved));
	}
	json_object_set_new(other, "version", json_integer(2));
	FAILS(ERR_UNSUPPORTED, read_we(other, &proved));
	json_object_set_new(other, "version", json_integer(1));
	FAILS(ERR_UNSUPPORTED, read_we(other, &proved));
	json_object_set_new(other, "height", json_integer(1));
	FAILS(ERR_FORGED, read_we(other, &proved));
	json_object_set_new(other, "generatorPublicKey", JS_58_NEW(&keys[1]));
	FAILS(ERR_FORGED, read_we(other, &proved));
}
END_TEST

/* A data transaction in disguise is not among what was signed. */
START_TEST(disguised)
{
	CLEANUP_JS json_t *j = json_deep_copy(json_array_get(blocks, 2));
	json_t *tx = json_array_get(json_object_get(j, "transactions"), 0);
	static const int types[] = { 4, 102, 111, 120, 104, 0, 13 };
	bool proved;

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		json_object_set_new(tx, "type", json_integer(types[i]));
		(void)read_we(j, &proved);
		ck_assert(!proved);
	}
}
END_TEST

/* ---- what a follower makes of it ---- */

static void
follow_we(size_t height)
{
	struct ledger_node_opts o = { 0 };
	struct ledger_node *n = NULL;
	char names[200], url[64];
	struct sig first;
	struct text58 t[3];

	json_decref(f->blocks);
	f->blocks = json_array();
	for (size_t i = 0; i < height; i++)
		json_array_append(f->blocks, json_array_get(blocks, i));
	OK(text58_read(
	    test_text(json_array_get(blocks, 0), "signature"), first.b, 64));
	ledger_chain_of('V', &first, &o.chain);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", f->port);
	(void)snprintf(names, sizeof(names), "%s,%s,%s",
	    text58(keys[0].b, 32, &t[0]), text58(keys[1].b, 32, &t[1]),
	    text58(keys[2].b, 32, &t[2]));
	o.url = url;
	o.generators = names;
	OK(ledger_node_new(&o, &n));
	follow_node(1, n);
}

/* Blocks that nobody can check make nothing fresh, and wait for one above. */
START_TEST(freshness)
{
	follow_we(11);
	OK(ledger_follow_step(follower));
	ck_assert_uint_eq(sink.height, 9);
	ck_assert_uint_eq(sink.pending, 2); /* what narrows counts */
	ck_assert_uint_eq(head().height, 9);
	ck_assert_ptr_nonnull(strstr(head().why, "cannot be checked"));

	json_array_append(f->blocks, json_array_get(blocks, 11));
	OK(ledger_follow_step(follower));
	ck_assert_uint_eq(sink.height, 12);
	ck_assert_uint_eq(head().height, 12);
	ck_assert_str_eq(head().why, "");
}
END_TEST

static json_t *
made_up(const json_t *on, uint64_t height)
{
	json_t *b = json_deep_copy(json_array_get(blocks, 9));
	struct sig id;

	memset(id.b, (int)height, sizeof(id.b));
	id.b[1] = (uint8_t)(height >> 8);
	json_object_set(b, "reference", json_object_get(on, "signature"));
	json_object_set_new(b, "signature", JS_58_NEW(&id));
	json_object_set_new(b, "height", json_integer((json_int_t)height));
	return b;
}

/* Whoever makes blocks up leads nobody to where no honest node is. */
START_TEST(blocks_made_up)
{
	follow_we(9);
	for (size_t h = 10; h < 400; h++)
		json_array_append_new(
		    f->blocks, made_up(json_array_get(f->blocks, h - 2), h));
	OK(ledger_follow_step(follower));
	ck_assert_uint_eq(sink.height, 9);
	ck_assert_uint_eq(head().height, 9);

	while (json_array_size(f->blocks) > 9)
		json_array_remove(f->blocks, json_array_size(f->blocks) - 1);
	for (size_t i = 9; i < 12; i++)
		json_array_append(f->blocks, json_array_get(blocks, i));
	OK(ledger_follow_step(follower));
	ck_assert_uint_eq(sink.height, 12);
	ck_assert_uint_eq(head().height, 12);
}
END_TEST

START_TEST(freshness_of_held)
{
	follow_we(11);
	follow_node(5, TAKE(node));
	OK(ledger_follow_step(follower));
	ck_assert_uint_eq(head().height, 9);
	ck_assert_ptr_nonnull(strstr(head().why, "cannot be checked"));
}
END_TEST

TCase *
we_blocks_tests(void)
{
	TCase *t = tcase_create("we_blocks");

	tcase_add_checked_fixture(t, load, unload);
	tcase_add_test(t, genuine);
	tcase_add_test(t, nobody_pinned);
	tcase_add_test(t, each_value);
	tcase_add_test(t, lists);
	tcase_add_test(t, votes);
	tcase_add_test(t, strangers);
	tcase_add_test(t, not_known);
	tcase_add_test(t, disguised);
	tcase_add_test(t, freshness);
	tcase_add_test(t, blocks_made_up);
	tcase_add_test(t, freshness_of_held);
	return t;
}
