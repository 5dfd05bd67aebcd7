/* Memory of a launch: every access is checked for its buffer, its alignment and whether it may write.
 *
 * Global and generic addresses are those of this process. Local and shared addresses count from the lane's and the
 * block's own memory, so that an address of one space that gets into another is caught. */
#ifndef MEMORY_H
#define MEMORY_H

#include "warp.h"

typedef struct {
  uint64_t base;
  uint64_t size;
  int writable;
  int element; /* bytes, for reports */
  const char *name;
} Range;

static Range *ranges;
static int n_ranges;
/* the buffer that an instruction was in last: most often it is there again */
static int last_range[N_PTX + 1];

#define LOCAL(W, l) ((W)->local + (size_t)(l) * LOCAL_STRIDE)

static inline int holds(const Range *range, uint64_t address, int size) {
  return address >= range->base && address + size <= range->base + range->size;
}

__attribute__((noreturn, cold, noinline))
static void bad_address(const Warp *W, int l, int n, const char *what, uint64_t address, int size) {
  const Range *near = NULL;
  uint64_t nearest = UINT64_MAX;
  for (int i = 0; i < n_ranges; i++) {
    const Range *range = &ranges[i];
    uint64_t last = range->base + range->size;
    uint64_t distance = address < range->base ? range->base - address : address >= last ? address - last : 0;
    if (distance < nearest) {
      nearest = distance;
      near = range;
    }
  }
  if (near == NULL) fail(W, l, n, "%s of %d bytes at 0x%llx", what, size, (unsigned long long)address);
  fail(W, l, n, "%s of %d bytes at byte %lld of %s, which has %llu", what, size, (long long)(address - near->base),
       near->name ? near->name : "a buffer", (unsigned long long)near->size);
}

/* A host pointer to a checked global address. */
static inline char *global_at(const Warp *W, int l, int n, uint64_t address, int size, int writes) {
  const Range *range = &ranges[last_range[n]];
  if (n_ranges == 0) bad_address(W, l, n, "access outside all buffers", address, size);
  if (!holds(range, address, size)) {
    int i = 0;
    while (i < n_ranges && !holds(&ranges[i], address, size)) i++;
    if (i == n_ranges) bad_address(W, l, n, "access outside all buffers", address, size);
    last_range[n] = i;
    range = &ranges[i];
  }
  if (address % size) bad_address(W, l, n, "misaligned access", address, size);
  if (writes && !range->writable) bad_address(W, l, n, "write to a buffer that is only read", address, size);
  return (char *)(uintptr_t)address;
}

/* A host pointer to a checked address in a lane's or a block's own memory. */
static inline char *own_at(const Warp *W, int l, int n, char *base, int bytes, uint64_t address, int size) {
  if (address >= (uint64_t)bytes || address + size > (uint64_t)bytes)
    fail(W, l, n, "access of %d bytes at byte %lld of %d", size, (long long)address, bytes);
  if (address % size) fail(W, l, n, "misaligned access of %d bytes at byte %lld", size, (long long)address);
  return base + address;
}

static inline char *local_at(const Warp *W, int l, int n, uint64_t address, int size, int writes) {
  (void)writes;
  return own_at(W, l, n, LOCAL(W, l), LOCAL_BYTES, address, size);
}

static inline char *shared_at(const Warp *W, int l, int n, uint64_t address, int size, int writes) {
  (void)writes;
  return own_at(W, l, n, W->shared, SHARED_BYTES, address, size);
}

/* A generic address is that of one of the three. */
static inline char *generic_at(const Warp *W, int l, int n, uint64_t address, int size, int writes) {
  uint64_t in_local = address - (uint64_t)(uintptr_t)LOCAL(W, l);
  uint64_t in_shared = address - (uint64_t)(uintptr_t)W->shared;
  if (in_local < (uint64_t)LOCAL_BYTES) return local_at(W, l, n, in_local, size, writes);
  if (in_shared < (uint64_t)SHARED_BYTES) return shared_at(W, l, n, in_shared, size, writes);
  return global_at(W, l, n, address, size, writes);
}

#endif
