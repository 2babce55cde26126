/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What backup tools see: immutable ciphertext, no grant, no key, no inquiry. */
#include "gate/gate_internal.h"

#include "base/js.h"
#include "base/text.h"

static const struct blob_id *
blob_at(const struct gate_set *set, uint32_t index)
{
	return index == 0 ? &set->event->u.set.manifest :
			    &set->manifest->doc[index - 1].blob;
}

/* Only the manifest's is not known from the manifest. */
static uint64_t
length_at(const struct gate_set *set, uint32_t index)
{
	return index == 0 ? 0 :
			    seal_doc_size(set->manifest->doc[index - 1].size);
}

enum err
gate_cipher_sets(struct gate *g,
    bool (*fn)(void *ctx, const struct gate_set *set), void *ctx)
{
	struct gate_set_full **known;
	size_t n;

	pthread_mutex_lock(&g->sets_lock);
	n = g->nsets;
	known = calloc(n + 1, sizeof(struct gate_set_full *));
	for (size_t i = 0; known && i < n; i++) {
		known[i] = g->set[i];
		(void)gate_set_ref(&known[i]->pub);
	}
	pthread_mutex_unlock(&g->sets_lock);
	if (known == NULL)
		return ERR_NOMEM;
	for (size_t i = 0, more = 1; i < n; i++) {
		more = more && fn(ctx, &known[i]->pub);
		gate_set_free(&known[i]->pub);
	}
	free(known);
	return ERR_OK;
}

enum err
gate_cipher_index(struct gate *g, const struct gate_set *set, struct buf *out)
{
	struct rms_record record;
	uint8_t bytes[RMS_RECORD];
	CLEANUP_BUF struct buf text = { 0 };
	CLEANUP_JS json_t *ids = json_array();
	CLEANUP_JS json_t *j = NULL;
	enum err e = rms_get_record(home_rms(g->home), &set->id, &record);

	if (e != ERR_OK)
		return e;
	rms_record_write(&record, bytes);
	text64(bytes, sizeof(bytes), &text);
	for (uint32_t i = 0; i <= set->manifest->n; i++)
		(void)json_array_append_new(ids, JS_58_NEW(blob_at(set, i)));
	j = json_pack("{s:o,s:o,s:o,s:o,s:I,s:o,s:O,s:s}", "set",
	    JS_58_NEW(&set->id), "transaction", JS_58_NEW(&set->tx), "entry",
	    JS_58_NEW(&set->entry), "sender", JS_58_NEW(&set->sender), "count",
	    (json_int_t)set->manifest->n, "root", js_58_new(set->root, 32),
	    "blobs", ids, "record", buf_text(&text));
	if (j == NULL)
		return ERR_NOMEM;
	js_print(j, out);
	buf_str(out, "\n");
	return out->err;
}

enum err
gate_cipher_size(
    struct gate *g, const struct gate_set *set, uint32_t index, uint64_t *out)
{
	CLEANUP(blobs_put) struct blob *x = NULL;
	enum err e = ERR_OK;

	if (index > set->manifest->n)
		return ERR_NOTFOUND;
	if (index > 0) {
		*out = seal_doc_size(set->manifest->doc[index - 1].size);
		return ERR_OK;
	}
	e = gate_blob(g, blob_at(set, index), length_at(set, index), &x);
	if (e == ERR_OK)
		*out = blobs_length(x);
	return e;
}

enum err
gate_cipher_read(struct gate *g, const struct gate_set *set, uint32_t index,
    uint64_t off, void *p, size_t n, size_t *out_n)
{
	CLEANUP(blobs_put) struct blob *x = NULL;
	enum err e = ERR_NOTFOUND;

	*out_n = 0;
	if (index <= set->manifest->n)
		e = gate_blob(
		    g, blob_at(set, index), length_at(set, index), &x);
	if (e != ERR_OK || off >= blobs_length(x))
		return e;
	if (n > blobs_length(x) - off)
		n = (size_t)(blobs_length(x) - off);
	e = gate_blob_range(g, blob_at(set, index), x, off, n);
	if (e == ERR_OK)
		e = blobs_read(x, off, p, n);
	if (e == ERR_OK)
		*out_n = n;
	return e;
}
