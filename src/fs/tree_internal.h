/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fs: the tree of names; see fs_internal.h for what it is. */
#ifndef FS_TREE_INTERNAL_H
#define FS_TREE_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ids.h"
#include "event/event.h"

struct fs_set;

enum fs_kind {
	FS_DIR,     /* of a top or a set, nothing special */
	FS_PATIENT, /* number: in the catalogue */
	FS_CONSENT, /* .consent; number: the patient's */
	FS_TEXT,    /* in .consent; number: enum gate_text */
	FS_SET,     /* where a top ends and a set begins */
	FS_DOC,     /* number: of the document */
	FS_INDEX,   /* set.json */
	FS_BLOB,    /* number: 0 the manifest */
};

struct fs_node {
	const char *name; /* borrowed from what the tree's owner keeps */
	uint64_t ino;     /* of a set: the number it would like to have */
	uint32_t parent, first, count; /* children: first..first+count-1 */
	uint32_t number;
	enum fs_kind kind;
	struct fs_set *set; /* FS_SET in a top: kept by the top */
};

/* Zero-initialise. */
struct fs_tree {
	struct fs_node *node; /* [0] is the root */
	uint32_t n, cap;
	enum err err; /* sticky */
};

/**
 * fs_tree_add(t, parent, proto):
 * Add a copy of ${proto} as a child of ${parent} and return its index.  The
 * children of one node are added one after another.  The first node added is
 * the root.
 * Sticky errors: NOMEM, TOOBIG.
 */
uint32_t fs_tree_add(
    struct fs_tree *t, uint32_t parent, const struct fs_node *proto);

/**
 * fs_tree_sort(t, dir):
 * Put the children of ${dir}, which are the last nodes, in order.  Of equal
 * names one is kept; the others are behind the new end.
 */
void fs_tree_sort(struct fs_tree *t, uint32_t dir);

/**
 * fs_tree_find(t, dir, name, out):
 * Find a child of ${dir}.
 */
bool fs_tree_find(
    const struct fs_tree *t, uint32_t dir, const char *name, uint32_t *out);

/**
 * fs_tree_documents(t, m):
 * Add all documents of ${m} with their directories below the root; names are
 * borrowed from ${m}.
 * Errors: FORMAT (a path is no path), NOMEM, TOOBIG.
 */
enum err fs_tree_documents(
    struct fs_tree *t, const struct event_manifest *m) must_check;

/**
 * fs_tree_free(t):
 * Free the nodes.
 */
void fs_tree_free(struct fs_tree *t);

/* What an inode number stands for. */
struct fs_what {
	bool ciphertext;
	enum fs_kind kind;
	const struct pubkey *patient; /* NULL: none */
	const struct event_id *set;   /* NULL: none */
	uint64_t parent;              /* number of the directory, or 0 */
	uint32_t number;
	const char *name; /* or NULL */
};

/**
 * fs_number(what):
 * Return the inode number that ${what} has on every mount: 63 bits, never 0
 * or 1.
 */
uint64_t fs_number(const struct fs_what *what);

#endif
