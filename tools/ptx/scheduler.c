/* Runs the warps of a launch, one block of instructions at a time. Included at the end of the translated kernel.
 *
 * A warp keeps a stack of entries. Lanes that part at a branch get an entry each, above one that waits where they meet;
 * the top entry goes on. Lanes that leave the main loop wait in entries below those that are still in it. Lanes that
 * call a function get an entry that ends with it, above one that waits behind the call. */

#if defined(__SSE__)
#include <xmmintrin.h>
static void flush_denormals(void) { _mm_setcsr(_mm_getcsr() | 0x8040); }
static unsigned float_mode(void) { return _mm_getcsr(); }
static void set_float_mode(unsigned mode) { _mm_setcsr(mode); }
#elif defined(__aarch64__)
static unsigned float_mode(void) {
  uint64_t mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
  return (unsigned)mode;
}
static void set_float_mode(unsigned mode) { __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)mode)); }
static void flush_denormals(void) { set_float_mode(float_mode() | 1u << 24); }
#else
#error "no way to flush denormals is known for this processor"
#endif

/* Blocks of instructions that a launch may take: more, and it does not end. */
int64_t STEP_LIMIT = 4000000000;
/* Where given, the launch stops when this number, which the kernel counts up, has reached STOP_AT. */
int64_t *TICKETS = NULL;
int64_t STOP_AT = 0;

/* Blocks of instructions that some lane has executed since the host set this to 0. */
char EXECUTED[N_BLOCKS + 1];

static void push(Warp *W, int block, int meet, uint32_t mask) {
  if (W->top + 1 >= DEEPEST) fail(W, -1, -1, "more than %d entries of divergent lanes", DEEPEST);
  W->stack[++W->top] = (Entry){block, meet, mask};
}

static void remove_lanes(Warp *W, int from, uint32_t mask) {
  for (int i = from; i <= W->top; i++) W->stack[i].mask &= ~mask;
}

/* Lanes that stand where lanes further down wait, past the meeting place of their own entry: they wait there too. */
static int joins_outer_entry(Warp *W) {
  const Entry *e = &W->stack[W->top];
  for (int i = W->top - 1; i > 0; i--) {
    if (W->stack[i].meet == e->block) {
      remove_lanes(W, i, e->mask);
      return 1;
    }
  }
  return 0;
}

/* Bring the entry to the top whose lanes go on next; whether there is one. */
static int settle(Warp *W) {
  for (;;) {
    Entry *e = &W->stack[W->top];
    if (e->mask == 0 || e->block == e->meet) {
      if (W->top == 0) return 0;
      if (W->top == W->loop_frame) W->loop_frame = -1;
      W->top--;
    } else if (!joins_outer_entry(W)) {
      return 1;
    }
  }
}

/* From here on, lanes that leave the main loop wait below. */
static void enter_main_loop(Warp *W) {
  uint32_t mask = W->stack[W->top].mask;
  W->loop_base = W->top;
  W->stack[W->top].block = LOOP_JOIN;
  push(W, LOOP_HEAD, LOOP_JOIN, mask);
  W->loop_frame = W->top;
}

/* Move lanes out of the main loop, to wait at block `to` for the rest. */
static void leave_main_loop(Warp *W, uint32_t mask, int to) {
  remove_lanes(W, W->loop_frame, mask);
  if (to == LOOP_JOIN) return;
  for (int i = W->loop_base + 1; i < W->loop_frame; i++) {
    if (W->stack[i].block == to) {
      W->stack[i].mask |= mask;
      return;
    }
  }
  push(W, 0, 0, 0);
  memmove(&W->stack[W->loop_frame + 1], &W->stack[W->loop_frame], (W->top - W->loop_frame) * sizeof(Entry));
  W->stack[W->loop_frame++] = (Entry){to, LOOP_JOIN, mask};
}

/* Lanes of the top entry part at the end of block `b`. */
static void part(Warp *W, int b, const Step *step) {
  uint32_t mask = W->stack[W->top].mask;
  uint32_t taken = step->taken;
  uint32_t fallen = mask & ~taken;
  if (W->loop_frame >= 0 && IN_LOOP[b]) {
    if (taken && !IN_LOOP[step->target]) {
      leave_main_loop(W, taken, step->target);
      taken = 0;
    }
    if (fallen && !IN_LOOP[step->fall]) {
      leave_main_loop(W, fallen, step->fall);
      fallen = 0;
    }
  }
  Entry *e = &W->stack[W->top];
  if (!taken && !fallen) return;
  if (!fallen) {
    e->block = step->target;
  } else if (!taken) {
    e->block = step->fall;
  } else {
    int meet = NEAR_JOIN[b];
    e->block = JOIN[b];
    if (meet != JOIN[b]) push(W, meet, JOIN[b], mask);
    push(W, step->fall, meet, fallen);
    push(W, step->target, meet, taken);
  }
}

static void end_lanes(Warp *W, uint32_t mask) {
  remove_lanes(W, 0, mask);
  W->live &= ~mask;
}

/* Let a warp execute a block of instructions; whether it could. */
static int step_warp(Warp *W) {
  if (W->done || W->waiting) return 0;
  if (!settle(W)) {
    W->done = 1;
    return 0;
  }
  if (W->stack[W->top].block == LOOP_HEAD && W->loop_frame < 0) enter_main_loop(W);
  Entry *e = &W->stack[W->top];
  int b = e->block;
  Step step;
  EXECUTED[b] = 1;
  BLOCKS[b](W, e->mask, &step);
  switch (step.kind) {
    case GOES_ON:
    case JUMPS:
      e->block = step.target;
      break;
    case BRANCHES:
      part(W, b, &step);
      break;
    case CALLS:
      e->block = step.fall;
      push(W, step.target, RETURN_AT[step.target], e->mask);
      break;
    case ENDS:
      e->block = step.target;
      end_lanes(W, step.taken);
      break;
    default:
      if (e->mask != W->live)
        fail(W, -1, LAST_OF_BLOCK[b], "barrier reached by lanes %08x while lanes %08x live", e->mask, W->live);
      e->block = step.target;
      W->waiting = 1;
  }
  return 1;
}

static Warp *warps;
static char **shared_memory;
static int n_warps, n_blocks_of_threads;

static void *poisoned(size_t size) {
  void *memory = aligned_alloc(64, (size + 63) / 64 * 64 + 64);
  memset(memory, POISON, size);
  return memory;
}

static void set_up(char *params, int blocks, int threads) {
  int per_block = (threads + WARP_LANES - 1) / WARP_LANES;
  n_warps = blocks * per_block;
  n_blocks_of_threads = blocks;
  warps = calloc(n_warps, sizeof(Warp));
  shared_memory = calloc(blocks, sizeof(char *));
  for (int i = 0; i < n_warps; i++) {
    Warp *W = &warps[i];
    W->ctaid = i / per_block;
    W->tid0 = i % per_block * WARP_LANES;
    if (W->tid0 == 0) shared_memory[W->ctaid] = poisoned(SHARED_BYTES);
    W->params = params;
    W->shared = shared_memory[W->ctaid];
    W->local = poisoned((size_t)LOCAL_STRIDE * WARP_LANES);
    W->lanes = poisoned(sizeof(Lane) * WARP_LANES);
    W->ntid = threads;
    W->nctaid = blocks;
    W->number = i;
    int n = threads - W->tid0;
    W->live = n >= WARP_LANES ? UINT32_MAX : (1u << n) - 1;
    W->loop_frame = -1;
    W->stack[0] = (Entry){0, N_BLOCKS, W->live};
  }
}

static void tear_down(void) {
  for (int i = 0; i < n_warps; i++) {
    free(warps[i].local);
    free(warps[i].lanes);
  }
  for (int i = 0; i < n_blocks_of_threads; i++) free(shared_memory[i]);
  free(shared_memory);
  free(warps);
}

/* Let the blocks of threads go on whose warps have all come to the barrier; whether there was one. */
static int release_barriers(void) {
  int per_block = n_warps / n_blocks_of_threads, released = 0;
  for (int first = 0; first < n_warps; first += per_block) {
    int waiting = 0, running = 0;
    for (int i = first; i < first + per_block; i++) {
      waiting += warps[i].waiting;
      running += !warps[i].waiting && !warps[i].done;
    }
    if (waiting && !running) {
      for (int i = first; i < first + per_block; i++) warps[i].waiting = 0;
      released = 1;
    }
  }
  return released;
}

static int64_t steps;

static int64_t take_step(Warp *W) {
  if (!step_warp(W)) return 0;
  if (++steps > STEP_LIMIT) fail(W, -1, -1, "no end after %lld blocks of instructions", (long long)STEP_LIMIT);
  return 1;
}

/* Orders: 0 each warp a step in turn; 1 each to its end or to a barrier; 2 at random. */
static void run_warps(int order, uint32_t seed) {
  uint32_t state = seed;
  for (;;) {
    int64_t before = steps;
    if (TICKETS && *TICKETS >= STOP_AT) return;
    for (int i = 0; i < n_warps; i++) {
      if (order == 2) {
        state = state * 1664525u + 1013904223u;
        take_step(&warps[(state >> 8) % (uint32_t)n_warps]);
      } else {
        while (take_step(&warps[i]) && order == 1) continue;
      }
    }
    if (order == 2 && steps == before)
      for (int i = 0; i < n_warps; i++) take_step(&warps[i]);
    if (!release_barriers() && steps == before) return;
  }
}

/* Launch the kernel: 0 when every warp has ended, -1 when something was wrong (see `fault`). */
int run(char *params, int blocks, int threads, Range *buffers, int n_buffers, int order, unsigned seed,
        int random_errors) {
  unsigned mode = float_mode();
  ranges = buffers;
  n_ranges = n_buffers;
  memset(last_range, 0, sizeof last_range);
  jitter = (uint32_t)random_errors;
  nan_count = 0;
  steps = 0;
  fault_text[0] = 0;
  set_up(params, blocks, threads);
  flush_denormals();
  if (setjmp(launch_ends) == 0) run_warps(order, seed);
  set_float_mode(mode);
  tear_down();
  return fault_text[0] ? -1 : 0;
}
