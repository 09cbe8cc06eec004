/*
 * The memory of LMDB comes from crates/store/src/kv/lmdb/arena.rs, which says why.
 *
 * This folder stands before those of the system when C is compiled here (.cargo/config.toml), so that the
 * sources of LMDB, which stay as they are, meet this file first. MDB_IDL_LOGN is what LMDB's build script
 * defines; for all other C code nothing changes. An address sanitizer sees more in memory of its own, so a
 * build with one leaves LMDB there.
 */
#pragma GCC system_header
#include_next <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KRES_LMDB_SANITIZED
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define KRES_LMDB_SANITIZED
#endif

#if defined(MDB_IDL_LOGN) && !defined(KRES_LMDB_MEMORY) && !defined(KRES_LMDB_SANITIZED)
#define KRES_LMDB_MEMORY

extern void *kres_lmdb_malloc(size_t bytes);
extern void *kres_lmdb_calloc(size_t count, size_t bytes);
extern void *kres_lmdb_realloc(void *piece, size_t bytes);
extern void kres_lmdb_free(void *piece);

#define malloc(bytes) kres_lmdb_malloc(bytes)
#define calloc(count, bytes) kres_lmdb_calloc(count, bytes)
#define realloc(piece, bytes) kres_lmdb_realloc(piece, bytes)
#define free(piece) kres_lmdb_free(piece)
#endif
