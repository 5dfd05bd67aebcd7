/* PTX arithmetic where C differs: shifts, conversions, divisions, minima, and the approximate functions of the hardware.
 *
 * Denormals are flushed by the processor (scheduler.c sets the mode); what C does by bits flushes them here. */
#ifndef ARITHMETIC_H
#define ARITHMETIC_H

#include "warp.h"

#include <float.h>

static inline float as_float(uint32_t bits) {
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

static inline uint32_t as_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return bits;
}

/* A constant that the C compiler does not compute with: it would keep denormals. */
static inline uint32_t opaque(uint32_t bits) {
  __asm__("" : "+r"(bits));
  return bits;
}

static inline float flush(float x) { return fabsf(x) < FLT_MIN ? copysignf(0.0f, x) : x; }

/* A shift by more than the width gives zeros, or the sign. */
static inline uint16_t shl_b16(uint16_t a, uint32_t n) { return n > 15 ? 0 : (uint16_t)(a << n); }
static inline uint32_t shl_b32(uint32_t a, uint32_t n) { return n > 31 ? 0 : a << n; }
static inline uint64_t shl_b64(uint64_t a, uint32_t n) { return n > 63 ? 0 : a << n; }
static inline uint16_t shr_u16(uint16_t a, uint32_t n) { return n > 15 ? 0 : (uint16_t)(a >> n); }
static inline uint32_t shr_u32(uint32_t a, uint32_t n) { return n > 31 ? 0 : a >> n; }
static inline uint64_t shr_u64(uint64_t a, uint32_t n) { return n > 63 ? 0 : a >> n; }
static inline int16_t shr_s16(int16_t a, uint32_t n) { return (int16_t)(a >> (n > 15 ? 15 : n)); }
static inline int32_t shr_s32(int32_t a, uint32_t n) { return a >> (n > 31 ? 31 : n); }
static inline int64_t shr_s64(int64_t a, uint32_t n) { return a >> (n > 63 ? 63 : n); }

/* Funnel shifts: 32 bits out of 64. */
static inline uint32_t shf_l_wrap(uint32_t low, uint32_t high, uint32_t n) {
  return (uint32_t)((((uint64_t)high << 32 | low) << (n & 31)) >> 32);
}
static inline uint32_t shf_r_wrap(uint32_t low, uint32_t high, uint32_t n) {
  return (uint32_t)(((uint64_t)high << 32 | low) >> (n & 31));
}
static inline uint32_t shf_l_clamp(uint32_t low, uint32_t high, uint32_t n) {
  return n > 31 ? low : shf_l_wrap(low, high, n);
}
static inline uint32_t shf_r_clamp(uint32_t low, uint32_t high, uint32_t n) {
  return n > 31 ? high : shf_r_wrap(low, high, n);
}

/* Bit fields; the signed one repeats its highest bit. */
static inline uint32_t bit_field(uint32_t a, uint32_t start, uint32_t length, uint32_t sign) {
  uint32_t out = 0;
  for (uint32_t i = 0; i < 32; i++) {
    uint32_t bit = i < length && start + i < 32 ? a >> (start + i) & 1 : sign;
    out |= bit << i;
  }
  return out;
}
static inline uint32_t bfe_u32(uint32_t a, uint32_t start, uint32_t length) {
  return bit_field(a, start & 255, length & 255, 0);
}
static inline int32_t bfe_s32(int32_t a, uint32_t start, uint32_t length) {
  start &= 255;
  length &= 255;
  uint32_t last = start + length > 32 ? 31 : start + length - 1;
  return (int32_t)bit_field((uint32_t)a, start, length, length ? (uint32_t)a >> last & 1 : 0);
}
static inline uint32_t brev_b32(uint32_t x) {
  uint32_t out = 0;
  for (int i = 0; i < 32; i++) out |= ((x >> i) & 1u) << (31 - i);
  return out;
}
static inline uint32_t clz_b32(uint32_t x) { return x ? (uint32_t)__builtin_clz(x) : 32; }
static inline uint32_t clz_b64(uint64_t x) { return x ? (uint32_t)__builtin_clzll(x) : 64; }

/* Four bytes picked from eight; a selector's high bit spreads the sign of its byte. */
static inline uint32_t prmt_b32(uint32_t a, uint32_t b, uint32_t selectors) {
  uint64_t bytes = (uint64_t)b << 32 | a;
  uint32_t out = 0;
  for (int i = 0; i < 4; i++) {
    uint32_t selector = (selectors >> (4 * i)) & 15;
    uint32_t byte = (uint32_t)(bytes >> (8 * (selector & 7))) & 255;
    if (selector & 8) byte = byte & 128 ? 255 : 0;
    out |= byte << (8 * i);
  }
  return out;
}

/* Any function of three bits, by its truth table. */
static inline uint32_t lop3_b32(uint32_t a, uint32_t b, uint32_t c, uint32_t table) {
  uint32_t out = 0;
  for (int i = 0; i < 8; i++)
    if (table >> i & 1) out |= (i & 4 ? a : ~a) & (i & 2 ? b : ~b) & (i & 1 ? c : ~c);
  return out;
}

/* Integer division: by zero is a fault, the quotient that does not fit wraps around. */
#define DIVISIONS(type, c_type)                                                                                        \
  static inline c_type div_##type(const Warp *W, int l, int n, c_type a, c_type b) {                                   \
    if (b == 0) fail(W, l, n, "division by zero");                                                                     \
    return (c_type)(b + 1) == 0 && (c_type)-1 < 0 ? (c_type)(0 - a) : (c_type)(a / b);                                 \
  }                                                                                                                    \
  static inline c_type rem_##type(const Warp *W, int l, int n, c_type a, c_type b) {                                   \
    if (b == 0) fail(W, l, n, "division by zero");                                                                     \
    return (c_type)(b + 1) == 0 && (c_type)-1 < 0 ? 0 : (c_type)(a % b);                                               \
  }
DIVISIONS(u16, uint16_t)
DIVISIONS(s16, int16_t)
DIVISIONS(u32, uint32_t)
DIVISIONS(s32, int32_t)
DIVISIONS(u64, uint64_t)
DIVISIONS(s64, int64_t)

/* Conversions to integers saturate; a NaN gives 0 in 32 bits and the highest bit in 64, and is counted. */
static inline int32_t cvt_s32(float x) {
  if (isnan(x)) return nan_count++, 0;
  return x >= 0x1p31f ? INT32_MAX : x <= -0x1p31f ? INT32_MIN : (int32_t)x;
}
static inline uint32_t cvt_u32(float x) {
  if (isnan(x)) return nan_count++, 0u;
  return x >= 0x1p32f ? UINT32_MAX : x <= 0.0f ? 0u : (uint32_t)x;
}
static inline int64_t cvt_s64(float x) {
  if (isnan(x)) return nan_count++, INT64_MIN;
  return x >= 0x1p63f ? INT64_MAX : x <= -0x1p63f ? INT64_MIN : (int64_t)x;
}
static inline uint64_t cvt_u64(float x) {
  if (isnan(x)) return nan_count++, (uint64_t)INT64_MIN;
  return x >= 0x1p64f ? UINT64_MAX : x <= 0.0f ? 0u : (uint64_t)x;
}

/* The lesser and the greater: a number before a NaN, -0 before +0; of two NaN the canonical one. */
static inline float min_f32(float a, float b) {
  a = flush(a);
  b = flush(b);
  if (isnan(a) && isnan(b)) return as_float(0x7FFFFFFFu);
  if (isnan(a) || isnan(b)) return isnan(a) ? b : a;
  return a < b || (a == b && signbit(a)) ? a : b;
}
static inline float max_f32(float a, float b) {
  a = flush(a);
  b = flush(b);
  if (isnan(a) && isnan(b)) return as_float(0x7FFFFFFFu);
  if (isnan(a) || isnan(b)) return isnan(a) ? b : a;
  return a > b || (a == b && !signbit(a)) ? a : b;
}

/* The approximate functions: exact here, or, where `jitter` is not 0, off by a share of the error that the PTX ISA
 * documents ("Floating Point Instructions"). The share is a random number that the operands and `jitter` determine,
 * as the same operands give the same result on a device. */
static uint32_t jitter = 0;

#define ERROR_DIV 0x1p-22f        /* relative: 2 units in the last place */
#define ERROR_RCP 0x1p-23f        /* relative: 1 unit */
#define ERROR_SQRT 0x1p-23f       /* relative */
#define ERROR_RSQRT 0x1.126p-23f  /* relative: 2^-22.9 */
#define ERROR_EX2 0x1p-22f        /* relative: 2 units */
#define ERROR_LG2 0x1p-22f        /* absolute from 0.5 to 2, else relative */
#define ERROR_SIN 0x1.6ap-21f     /* absolute, to 2 pi: 2^-20.5 */
#define ERROR_SIN_FAR 0x1.3b2p-15f/* absolute, beyond: 2^-14.7 */

/* Between -1 and 1. */
static inline float share(uint32_t function, float a, float b) {
  uint32_t x = as_bits(a) ^ (as_bits(b) * 0x9E3779B1u) ^ (function * 0x85EBCA77u) ^ (jitter * 0xC2B2AE3Du);
  x = (x ^ (x >> 16)) * 0x7FEB352Du;
  x = (x ^ (x >> 15)) * 0x846CA68Bu;
  x ^= x >> 16;
  return (float)(int32_t)x * 0x1p-31f;
}
static inline float relative(float exact, float error, uint32_t function, float a, float b) {
  return jitter ? exact * (1.0f + error * share(function, a, b)) : exact;
}
static inline float absolute(float exact, float error, uint32_t function, float a) {
  return jitter ? exact + error * share(function, a, 0.0f) : exact;
}

static inline float div_approx(float a, float b) {
  float size = fabsf(b);
  if (size > 0x1p126f && size < INFINITY) return isinf(a) ? NAN : 0.0f * a * b; /* documented: 0 for such divisors */
  return relative(a / b, ERROR_DIV, 1, a, b);
}
static inline float rcp_approx(float a) { return relative(1.0f / a, ERROR_RCP, 2, a, 0.0f); }
static inline float sqrt_approx(float a) { return relative(sqrtf(a), ERROR_SQRT, 3, a, 0.0f); }
static inline float rsqrt_approx(float a) { return relative(1.0f / sqrtf(a), ERROR_RSQRT, 4, a, 0.0f); }
static inline float ex2_approx(float a) { return relative(exp2f(a), ERROR_EX2, 5, a, 0.0f); }
static inline float lg2_approx(float a) {
  float exact = log2f(flush(a));
  return a > 0.5f && a < 2.0f ? absolute(exact, ERROR_LG2, 6, a) : relative(exact, ERROR_LG2, 6, a, 0.0f);
}
static inline float sin_approx(float a) {
  return absolute(sinf(a), fabsf(a) <= 6.2831855f ? ERROR_SIN : ERROR_SIN_FAR, 7, a);
}
static inline float cos_approx(float a) {
  return absolute(cosf(a), fabsf(a) <= 6.2831855f ? ERROR_SIN : ERROR_SIN_FAR, 8, a);
}

#endif
