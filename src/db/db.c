/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/file.h"
#include "db/db_internal.h"

#define MAX_READERS 510
#define PAGE        4096
#define REOPEN_MS   500
#define META        "meta" /* our own table, beside those of callers */

enum err
db_err(const struct db *d, int rc, const char *what)
{
	static const struct {
		int rc;
		enum err e;
		const char *hint;
	} map[] = {
		{ MDB_MAP_FULL, ERR_NOSPACE,
		    "; this program lets it grow no further" },
		{ MDB_TXN_FULL, ERR_NOSPACE, "; change less at once" },
		{ MDB_READERS_FULL, ERR_BUSY, "; stop some programs" },
		{ MDB_MAP_RESIZED, ERR_CONFLICT,
		    "; another program uses a greater size limit, start again "
		    "with the same" },
		{ MDB_VERSION_MISMATCH, ERR_UNSUPPORTED,
		    "; use the program that wrote it" },
		{ MDB_INVALID, ERR_CORRUPT, "; restore it or rebuild it" },
		{ MDB_CORRUPTED, ERR_CORRUPT, "; restore it or rebuild it" },
		{ MDB_PAGE_NOTFOUND, ERR_CORRUPT,
		    "; restore it or rebuild it" },
		{ MDB_INCOMPATIBLE, ERR_CORRUPT, "; restore it or rebuild it" },
		{ MDB_PANIC, ERR_IO, "; a write failed, it is opened anew" },
		{ MDB_BAD_VALSIZE, ERR_INVAL, "" },
		{ MDB_DBS_FULL, ERR_INVAL, "" },
		{ MDB_BAD_DBI, ERR_INVAL, "" },
		{ MDB_BAD_TXN, ERR_INVAL, "" },
	};
	enum err e = rc > 0 ? err_from_errno(rc) : ERR_IO;
	const char *hint = "";

	for (size_t i = 0; i < ARRAY_LEN(map); i++)
		if (map[i].rc == rc) {
			e = map[i].e;
			hint = map[i].hint;
		}
	return err_say(e, "cannot %s database '%s': %s%s", what, d->dir,
	    mdb_strerror(rc), hint);
}

/* The first use: only an environment without any table may take our name. */
static enum err
write_format(struct db *d, MDB_txn *txn)
{
	CLEANUP_BUF struct buf v = { 0 };
	MDB_val key = { 6, (char[]){ "format" } }, val;
	MDB_dbi meta;
	int rc;

	buf_u32(&v, d->opts.version);
	buf_str(&v, d->opts.format);
	if (v.err)
		return v.err;
	val = (MDB_val){ v.len, v.p };
	rc = mdb_dbi_open(txn, META, MDB_CREATE, &meta);
	if (rc == 0)
		rc = mdb_put(txn, meta, &key, &val, 0);
	return rc ? db_err(d, rc, "prepare") : ERR_OK;
}

static enum err
read_format(struct db *d, MDB_txn *txn, MDB_dbi meta)
{
	const struct db_opts *opts = &d->opts;
	MDB_val key = { 6, (char[]){ "format" } }, val;
	size_t n = strlen(opts->format);
	uint32_t version;
	struct rd r;
	int rc = mdb_get(txn, meta, &key, &val);

	if (rc)
		return db_err(d, rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc,
		    "read the format of");
	rd_init(&r, val.mv_data, val.mv_size);
	version = rd_u32(&r);
	if (r.err)
		return db_err(d, MDB_CORRUPTED, "read the format of");
	if (version == opts->version && r.left == n &&
	    memcmp(r.p, opts->format, n) == 0)
		return ERR_OK;
	return err_say(ERR_UNSUPPORTED,
	    "database '%s' has format '%.*s' version %u, this program reads "
	    "'%s' version %u; use the program that wrote it",
	    d->dir, r.left > 64 ? 64 : (int)r.left, (const char *)r.p, version,
	    opts->format, opts->version);
}

static enum err
check_format_in(struct db *d, MDB_txn *txn)
{
	MDB_stat st;
	MDB_dbi dbi;
	int rc = mdb_dbi_open(txn, META, 0, &dbi);

	if (rc == 0)
		return read_format(d, txn, dbi);
	if (rc != MDB_NOTFOUND)
		return db_err(d, rc, "open");
	rc = mdb_dbi_open(txn, NULL, 0, &dbi);
	if (rc == 0)
		rc = mdb_stat(txn, dbi, &st);
	if (rc)
		return db_err(d, rc, "open");
	if (d->read_only)
		return db_err(d, MDB_CORRUPTED, "read the format of");
	if (st.ms_entries > 0)
		return err_say(ERR_UNSUPPORTED,
		    "database '%s' names no format, this program reads '%s' "
		    "version %u; move it away",
		    d->dir, d->opts.format, d->opts.version);
	return write_format(d, txn);
}

static enum err
check_format(struct db *d)
{
	MDB_txn *txn;
	enum err e;
	int rc = mdb_txn_begin(
	    d->env, NULL, d->read_only ? MDB_RDONLY : 0, &txn);

	if (rc)
		return db_err(d, rc, "open");
	e = check_format_in(d, txn);
	if (e) {
		mdb_txn_abort(txn);
		return e;
	}
	rc = mdb_txn_commit(txn);
	return rc ? db_err(d, rc, "prepare") : ERR_OK;
}

/*
 * LMDB reads pages through a map: beyond the end of a file that was cut short
 * the process would die of SIGBUS.  With blocks there it reads zeros, which
 * LMDB reports as damage.
 */
static enum err
cover_pages(struct db *d)
{
	MDB_envinfo info;
	MDB_stat st;
	struct stat file;
	off_t need;
	int fd, rc;

	if ((rc = mdb_env_info(d->env, &info)) != 0 ||
	    (rc = mdb_env_stat(d->env, &st)) != 0 ||
	    (rc = mdb_env_get_fd(d->env, &fd)) != 0)
		return db_err(d, rc, "open");
	need = (off_t)(info.me_last_pgno + 1) * (off_t)st.ms_psize;
	if (fstat(fd, &file) != 0)
		return db_err(d, errno, "open");
	if (file.st_size >= need)
		return ERR_OK;
	if (d->read_only)
		return db_err(d, MDB_CORRUPTED, "read all of");
	rc = posix_fallocate(fd, 0, need);
	return rc ? db_err(d, rc, "open") : ERR_OK;
}

static enum err
open_env(struct db *d)
{
	uint64_t size = (d->opts.max_bytes + PAGE - 1) / PAGE * PAGE;
	unsigned flags = MDB_NOTLS | (d->read_only ? MDB_RDONLY : 0);
	int dead, rc;

	if ((rc = mdb_env_create(&d->env)) != 0 ||
	    (rc = mdb_env_set_mapsize(d->env, size)) != 0 ||
	    (rc = mdb_env_set_maxdbs(d->env, DB_MAX_TABLES + 1)) != 0 ||
	    (rc = mdb_env_set_maxreaders(d->env, MAX_READERS)) != 0 ||
	    (rc = mdb_env_open(d->env, d->dir, flags, 0600)) != 0 ||
	    (rc = mdb_reader_check(d->env, &dead)) != 0)
		return db_err(d, rc, "open");
	d->readers_checked = clock_boot_ms();
	return cover_pages(d);
}

static enum err
open_any(const char *dir, const struct db_opts *opts, bool read_only,
    struct db **out)
{
	CLEANUP(db_close) struct db *d = NULL;
	const char *format;
	enum err e;

	if (opts->max_bytes == 0 || opts->max_bytes > SIZE_MAX / 2)
		return err_say(
		    ERR_INVAL, "database '%s' needs a size limit", dir);
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return ERR_NOMEM;
	(void)pthread_mutex_init(&d->lock, NULL);
	d->opts = *opts;
	d->read_only = read_only;
	d->opts.format = format = strdup(opts->format);
	d->dir = strdup(dir);
	if (format == NULL || d->dir == NULL)
		return ERR_NOMEM;
	if (!read_only && (e = file_mkdirs(dir)) != ERR_OK)
		return e;
	if ((e = open_env(d)) != ERR_OK || (e = check_format(d)) != ERR_OK)
		return e;
	if (!read_only && (e = file_sync_dir(dir)) != ERR_OK)
		return e;
	*out = TAKE(d);
	return ERR_OK;
}

enum err
db_open(const char *dir, const struct db_opts *opts, struct db **out)
{
	return open_any(dir, opts, false, out);
}

enum err
db_open_read(const char *dir, const struct db_opts *opts, struct db **out)
{
	return open_any(dir, opts, true, out);
}

void
db_close(struct db *d)
{
	if (d == NULL)
		return;
	if (d->env)
		mdb_env_close(d->env);
	for (unsigned i = 0; i < d->ntables; i++)
		free(d->table[i].name);
	(void)pthread_mutex_destroy(&d->lock);
	free((void *)(uintptr_t)d->opts.format);
	free(d->dir);
	free(d);
}

enum err
db_check(struct db *d)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return err_say(err_from_errno(errno),
		    "cannot open '/dev/null': %s", strerror(errno));
	rc = mdb_env_copyfd2(d->env, fd, MDB_CP_COMPACT);
	(void)close(fd);
	return rc ? db_err(d, rc, "check the pages of") : ERR_OK;
}

static int
open_table(struct db *d, const char *name, MDB_dbi *out)
{
	bool look = d->read_only;
	MDB_txn *txn;
	int rc = mdb_txn_begin(d->env, NULL, look ? MDB_RDONLY : 0, &txn);

	if (rc)
		return rc;
	rc = mdb_dbi_open(txn, name, look ? 0 : MDB_CREATE, out);
	if (rc == 0)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return rc;
}

enum err
db_table(struct db *d, const char *name, struct db_table *out)
{
	unsigned i = d->ntables;
	int rc;

	if (name[0] == '\0' || strcmp(name, META) == 0)
		return err_say(ERR_INVAL, "a table cannot be named '%s'", name);
	for (out->index = 0; out->index < d->ntables; out->index++)
		if (strcmp(d->table[out->index].name, name) == 0)
			return ERR_OK;
	if (i == DB_MAX_TABLES)
		return db_err(d, MDB_DBS_FULL, "open a table of");
	rc = open_table(d, name, &d->table[i].dbi);
	if (rc)
		return db_err(d, rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc,
		    "open a table of");
	d->table[i].name = strdup(name);
	if (d->table[i].name == NULL)
		return ERR_NOMEM;
	out->index = d->ntables++;
	return ERR_OK;
}

/*
 * After a failed write of its own head LMDB refuses everything; what is on the
 * disk is whole, before or after that transaction.  Opened anew it is checked
 * and goes on.
 */
static int
open_anew_locked(struct db *d)
{
	int64_t now = clock_boot_ms();
	int rc = 0;

	if (d->users > 0 || now - d->reopened < REOPEN_MS)
		return MDB_PANIC;
	d->reopened = now;
	mdb_env_close(d->env);
	d->env = NULL;
	if (open_env(d) != ERR_OK || check_format(d) != ERR_OK)
		return MDB_PANIC;
	for (unsigned i = 0; i < d->ntables && rc == 0; i++)
		rc = open_table(d, d->table[i].name, &d->table[i].dbi);
	return rc ? MDB_PANIC : 0;
}

/* A killed process leaves its reader slot behind, which pins old pages. */
static int
begin_mdb(struct db *d, unsigned flags, MDB_txn **out)
{
	int dead, rc;

	if (d->env == NULL)
		return MDB_PANIC;
	rc = mdb_txn_begin(d->env, NULL, flags, out);
	if (rc == MDB_READERS_FULL && mdb_reader_check(d->env, &dead) == 0 &&
	    dead > 0)
		rc = mdb_txn_begin(d->env, NULL, flags, out);
	return rc;
}

static int
try_to_enter(struct db *d, unsigned flags, MDB_txn **out)
{
	int rc;

	(void)pthread_mutex_lock(&d->lock);
	d->users++;
	(void)pthread_mutex_unlock(&d->lock);
	rc = begin_mdb(d, flags, out); /* may wait for another writer */
	if (rc)
		db_leave(d);
	return rc;
}

int
db_enter(struct db *d, unsigned flags, MDB_txn **out)
{
	int rc = try_to_enter(d, flags, out);

	if (rc != MDB_PANIC)
		return rc;
	(void)pthread_mutex_lock(&d->lock);
	rc = open_anew_locked(d);
	(void)pthread_mutex_unlock(&d->lock);
	return rc ? rc : try_to_enter(d, flags, out);
}

void
db_leave(struct db *d)
{
	(void)pthread_mutex_lock(&d->lock);
	d->users--;
	(void)pthread_mutex_unlock(&d->lock);
}
