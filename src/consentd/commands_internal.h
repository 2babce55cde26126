/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * consentd/commands_internal: the verbs of the command line.  Each takes its
 * arguments with the verb in argv[0] and returns what becomes the exit status.
 */
#ifndef CONSENTD_COMMANDS_INTERNAL_H
#define CONSENTD_COMMANDS_INTERNAL_H

#include "base/bytes.h"
#include "base/err.h"

enum err consentd_init(int argc, char **argv) must_check;
enum err consentd_serve(int argc, char **argv) must_check;
enum err consentd_accredit(int argc, char **argv) must_check;
enum err consentd_status(int argc, char **argv) must_check;
enum err consentd_config(int argc, char **argv) must_check;
enum err consentd_chain(int argc, char **argv) must_check;
enum err consentd_receipts(int argc, char **argv) must_check;

/*
 * Read the arguments of a verb whose only option is --dir DIR.
 * Errors: INVAL.
 */
enum err consentd_only_dir(
    int argc, char **argv, const char **out_dir) must_check;

/*
 * Append what the server of ${dir} says of itself.
 * Errors: UNREACHABLE, TIMEOUT, those of the configuration.
 */
enum err consentd_health(const char *dir, struct buf *out) must_check;

#endif
