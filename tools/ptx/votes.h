/* Instructions of a whole warp. The hardware waits for all lanes that the member mask names; of lanes that have ended,
 * or that the block of threads does not have, it may wait for ever. Here the lanes must be together already, be all
 * that live, and be what the mask names: then the answer is the same on every device. */
#ifndef VOTES_H
#define VOTES_H

#include "warp.h"

static void check_members(const Warp *W, uint32_t mask, const uint32_t *members, int n) {
  if (mask != W->live)
    fail(W, -1, n, "executed by lanes %08x while lanes %08x live: the warp is divergent", mask, W->live);
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    int l = __builtin_ctz(rest);
    if (members[l] & ~W->live)
      fail(W, l, n, "the member mask %08x names lanes that have ended or never were, %08x", members[l],
           members[l] & ~W->live);
    if (members[l] != mask)
      fail(W, l, n, "the member mask %08x is not the set of live lanes, %08x", members[l], W->live);
  }
}

/* Lanes whose value is not 0. */
static inline uint32_t ballot(uint32_t mask, const uint32_t *value) {
  uint32_t yes = 0;
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    int l = __builtin_ctz(rest);
    if (value[l]) yes |= 1u << l;
  }
  return yes;
}

enum { SHUFFLE_UP, SHUFFLE_DOWN, SHUFFLE_BFLY, SHUFFLE_IDX };

/* The lane whose value lane `l` gets; `inside` says whether it is in the segment (else the lane keeps its own). */
static inline int shuffled_from(int mode, int l, uint32_t b, uint32_t c, int *inside) {
  int segment = (c >> 8) & 31;
  int clamp = c & 31;
  int last = (l & segment) | (clamp & ~segment);
  int first = l & segment;
  int from = l;
  int step = b & 31;
  if (mode == SHUFFLE_UP) {
    from = l - step;
    *inside = from >= last;
  } else if (mode == SHUFFLE_DOWN) {
    from = l + step;
    *inside = from <= last;
  } else if (mode == SHUFFLE_BFLY) {
    from = l ^ step;
    *inside = from <= last;
  } else {
    from = first | (step & ~segment);
    *inside = from <= last;
  }
  return *inside ? from : l;
}

#endif
