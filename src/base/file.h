/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * base/file: whole files, bounded and durable.  Paths are the caller's; every
 * error detail names the path.  Any thread.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/err.h"

/**
 * file_read(path, max, out):
 * Append the content of ${path} to ${out}.
 * Errors: NOTFOUND, UNAUTH, TOOBIG (over ${max} bytes), IO, NOMEM.
 */
enum err file_read(const char *path, size_t max, struct buf *out) must_check;

/**
 * file_write(path, bytes, len, mode):
 * Replace ${path} by ${len} ${bytes} so that after a crash it holds the old
 * or the new content whole: temporary file, fsync, rename, fsync of the
 * directory.
 * Errors: NOSPACE, UNAUTH, IO.
 */
enum err file_write(
    const char *path, const void *bytes, size_t len, mode_t mode) must_check;

/**
 * file_create(path, bytes, len, mode):
 * As file_write(), but refuse with EXISTS if ${path} is there.
 */
enum err file_create(
    const char *path, const void *bytes, size_t len, mode_t mode) must_check;

/**
 * file_mkdirs(path):
 * Make the directory ${path} and its parents, mode 0700 where new.
 */
enum err file_mkdirs(const char *path) must_check;

/**
 * file_sync_dir(path):
 * fsync the directory ${path}.
 */
enum err file_sync_dir(const char *path) must_check;

/**
 * file_join(dir, name):
 * Return "dir/name" (or ${name} alone if it is absolute), to be freed; NULL
 * without memory.
 */
char *file_join(const char *dir, const char *name) must_check;

/**
 * file_pread(fd, buf, n, off):
 * Read exactly ${n} bytes at ${off}.
 * Errors: CORRUPT (the file ends before), IO.
 */
enum err file_pread(int fd, void *buf, size_t n, off_t off) must_check;

/**
 * file_pwrite(fd, buf, n, off):
 * Write exactly ${n} bytes at ${off}.
 * Errors: NOSPACE, IO.
 */
enum err file_pwrite(int fd, const void *buf, size_t n, off_t off) must_check;

/**
 * file_lock(path, out_fd):
 * Create ${path} if need be and hold an exclusive lock on it until ${out_fd}
 * is closed.
 * Errors: BUSY (another process holds it), UNAUTH, IO.
 */
enum err file_lock(const char *path, int *out_fd) must_check;

#endif
