/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rms/rms_internal.h"

enum { VERSION = 1, CUSTODY_RMS = 1 };

enum err
rms_record_make(const struct secret *set_key, const struct pubkey *patient,
    const struct pubkey *patient_rms, struct rms_record *out)
{
	const uint8_t *key = secret_view(set_key);
	enum err e;

	if (secret_len(set_key) != SEAL_KEY)
		return ERR_INVAL;
	out->custody = CUSTODY_RMS;
	if ((e = seal_box(patient, key, SEAL_KEY, out->patient)))
		return e;
	return seal_box(patient_rms, key, SEAL_KEY, out->rms);
}

void
rms_record_write(const struct rms_record *r, uint8_t out[static RMS_RECORD])
{
	out[0] = VERSION;
	out[1] = r->custody;
	memcpy(out + 2, r->patient, SEAL_BOX_KEY);
	memcpy(out + 2 + SEAL_BOX_KEY, r->rms, SEAL_BOX_KEY);
}

enum err
rms_record_read(const void *p, size_t n, struct rms_record *out)
{
	struct rms_record r;
	struct rd rd;
	uint8_t version;
	enum err e;

	rd_init(&rd, p, n);
	version = rd_u8(&rd);
	if (n > 0 && version != VERSION)
		return err_say(ERR_UNSUPPORTED,
		    "a key record of version %u; update this program", version);
	r.custody = rd_u8(&rd);
	rd_copy(&rd, r.patient, sizeof(r.patient));
	rd_copy(&rd, r.rms, sizeof(r.rms));
	if ((e = rd_end(&rd)))
		return err_say(
		    e, "a key record of %zu bytes, not %d", n, RMS_RECORD);
	if (r.custody != CUSTODY_RMS)
		return err_say(ERR_UNSUPPORTED,
		    "a key record of custody %u; update this program",
		    r.custody);
	*out = r;
	return ERR_OK;
}
