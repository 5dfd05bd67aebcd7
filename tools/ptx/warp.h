/* A warp of 32 lanes that execute translated PTX in lock step, and what is reported when they must not go on. */
#ifndef WARP_H
#define WARP_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WARP_LANES 32
#define DEEPEST 512

/* Lanes that execute the same block next, and the block where they wait for the others. */
typedef struct {
  int block;
  int meet;
  uint32_t mask;
} Entry;

typedef struct {
  char *params;
  char *shared;  /* of the block of threads */
  char *local;   /* of all lanes, one after the other */
  void *lanes;   /* registers that live longer than a block of instructions */
  int tid0;      /* number of lane 0 in the block of threads */
  int ntid;
  int ctaid;
  int nctaid;
  int number;    /* of all warps of the launch */
  uint32_t live; /* lanes that have not ended */
  int waiting;   /* at a barrier */
  int done;
  int top;
  int loop_base;  /* entry of the lanes that have left the main loop; below those that are still in it */
  int loop_frame; /* first entry of those; -1 outside */
  Entry stack[DEEPEST];
} Warp;

/* How a block of instructions ended. */
enum { GOES_ON, JUMPS, BRANCHES, CALLS, ENDS, WAITS };

typedef struct {
  int kind;
  int target;
  int fall;
  uint32_t taken; /* lanes that jump, or end */
} Step;

/* The byte that memory and registers hold before they are written. */
int POISON = 0xAA;

static jmp_buf launch_ends;
static char fault_text[1000];

/* What was wrong, empty when nothing. */
const char *fault(void) { return fault_text; }

/* Number of conversions of a NaN to an integer since the launch began. */
static long nan_count = 0;

long nan_conversions(void) { return nan_count; }

/* End the launch with a report: the instruction (of the translator's table), the lane, what was wrong. */
__attribute__((noreturn, cold, noinline, format(printf, 4, 5)))
static void fail(const Warp *W, int lane, int number, const char *format, ...) {
  char what[400];
  va_list values;
  va_start(values, format);
  vsnprintf(what, sizeof what, format, values);
  va_end(values);
  char where[80] = "";
  if (W && lane >= 0)
    snprintf(where, sizeof where, " (block %d, thread %d)", W->ctaid, W->tid0 + lane);
  else if (W)
    snprintf(where, sizeof where, " (block %d, threads from %d on)", W->ctaid, W->tid0);
  snprintf(fault_text, sizeof fault_text, "%s%s%s%s", number >= 0 ? INSTRUCTIONS[number] : "", number >= 0 ? ": " : "",
           what, where);
  longjmp(launch_ends, 1);
}

#endif
