/* What the blocks of code that warps run would cost one multiprocessor: included by the code that translate.py makes,
   behind the tables that timing.py writes, when it is compiled with -DSTATISTICS. Needs N_BLOCKS and N_PTX (numbers of
   blocks and of instructions), and at its hooks a warp W, a lane l and the mask of the lanes that run the block.

   One launch stands for one multiprocessor. Counted are executions and lanes of every block, sectors and lines of every
   access to memory, misses of a first-level cache and of an instruction cache, and the time that every warp would take
   alone: instructions are issued in order, each when the registers it reads are ready. Nothing here changes what the
   program computes. */

enum { LANES_OF_WARP = 32, MOST_WARPS = 64, SCHEDULERS = 4 };
enum { SECTOR_BYTES = 32, LINE_BYTES = 128, SECTORS_OF_LINE = 4, BANKS = 32, MOST_PIECES = 128 };
enum { MOST_SETS = 128, WAYS = 16, INSTRUCTION_BYTES = 16, FETCH_LINES = 128 };

/* The multiprocessor, set by counts.py: sets of the first-level cache (16 lines of 128 bytes each), lines whose tags it
   compares in a cycle, cycles from a load to its value in the first and in the second level, and cycles that a warp
   waits for a line of instructions that its scheduler's cache (16 KiB) lacks. */
int CACHE_SETS = 124, TAGS_A_CYCLE = 4, LEVEL_1 = 38, LEVEL_2 = 265;
double FETCH_WAIT = 0;

/* The decays that are counted, set by counts.py: from the RECORD_FROM-th to the RECORD_TO-th assigned one, by the
   counter whose address stands TICKETS_OFFSET bytes into the parameters. -1: all that is executed. */
int64_t TICKETS_OFFSET = -1, RECORD_FROM = 0, RECORD_TO = 0;

/* Read by counts.py, by block, by instruction or by warp. A pass is a cycle of the first-level cache. */
uint64_t EXECUTIONS[N_BLOCKS], LANES_AT_WORK[N_BLOCKS];
uint64_t ACCESS_EXECUTIONS[N_PTX + 1], ACCESS_LANES[N_PTX + 1], ACCESS_LINES[N_PTX + 1];
uint64_t ACCESS_PASSES[N_PTX + 1], ACCESS_SECTORS[N_PTX + 1], ACCESS_MISSES[N_PTX + 1];
double CYCLES[MOST_WARPS];
int64_t FETCHES, FETCH_MISSES, RECORDED_DECAYS;

static uint64_t address_of[N_PTX + 1][LANES_OF_WARP];
static uint32_t lanes_of[N_PTX + 1];
static double load_wait[N_PTX + 1];
static double ready_at[MOST_WARPS][N_REGISTERS + 1];
static int recording; /* 0 not yet, 1 now, 2 no more */

static void record_access(int instruction, int lane, uint64_t address)
{
    address_of[instruction][lane] = address;
    lanes_of[instruction] |= 1u << lane;
}

/* ------------------------------------------------------------------------------------------- caches */

typedef struct {
    uint64_t line, used;
    unsigned sectors;
} CacheLine;

static CacheLine cache[MOST_SETS][WAYS];
static uint64_t cache_clock;

/* Whether the first-level cache holds a sector; it does afterwards. */
static int cache_holds(uint64_t sector)
{
    uint64_t line = sector / SECTORS_OF_LINE;
    unsigned bit = 1u << (sector % SECTORS_OF_LINE);
    CacheLine *set = cache[(line ^ (line >> 7) ^ (line >> 15)) % CACHE_SETS];
    CacheLine *oldest = set;
    cache_clock++;
    for (int way = 0; way < WAYS; way++) {
        if (set[way].used && set[way].line == line) {
            int held = (set[way].sectors & bit) != 0;
            set[way].used = cache_clock;
            set[way].sectors |= bit;
            return held;
        }
        if (set[way].used < oldest->used) {
            oldest = set + way;
        }
    }
    *oldest = (CacheLine){line, cache_clock, bit};
    return 0;
}

static int fetch_line[SCHEDULERS][FETCH_LINES];
static uint64_t fetch_used[SCHEDULERS][FETCH_LINES];
static uint64_t fetch_clock;

/* One line of instructions through the smallest instruction cache of a scheduler (least recently used leaves). */
static int fetch_holds(int scheduler, int line)
{
    int oldest = 0;
    fetch_clock++;
    for (int i = 0; i < FETCH_LINES; i++) {
        if (fetch_used[scheduler][i] && fetch_line[scheduler][i] == line) {
            fetch_used[scheduler][i] = fetch_clock;
            return 1;
        }
        if (fetch_used[scheduler][i] < fetch_used[scheduler][oldest]) {
            oldest = i;
        }
    }
    fetch_line[scheduler][oldest] = line;
    fetch_used[scheduler][oldest] = fetch_clock;
    return 0;
}

/* Slots before each block: where its code would stand if machine code kept the order of the PTX. */
static int code_start[N_BLOCKS + 1];

static void measure_code(void)
{
    for (int block = 0; block < N_BLOCKS; block++) {
        int slots = 0;
        for (int i = TIMINGS_OF[block]; i < TIMINGS_OF[block + 1]; i++) {
            slots += TIMINGS[i].slots;
        }
        code_start[block + 1] = code_start[block] + slots;
    }
}

static void fetch(int warp, int block)
{
    const int slots_of_line = LINE_BYTES / INSTRUCTION_BYTES;
    if (code_start[N_BLOCKS] == 0) {
        measure_code();
    }
    if (code_start[block + 1] == code_start[block]) {
        return;
    }
    for (int line = code_start[block] / slots_of_line; line <= (code_start[block + 1] - 1) / slots_of_line; line++) {
        FETCHES++;
        if (!fetch_holds(warp % SCHEDULERS, line)) {
            FETCH_MISSES++;
            CYCLES[warp] += FETCH_WAIT;
        }
    }
}

/* ------------------------------------------------------------------------------------------- memory */

static int insert(uint64_t *values, int count, uint64_t value)
{
    for (int i = 0; i < count; i++) {
        if (values[i] == value) {
            return count;
        }
    }
    values[count] = value;
    return count + 1;
}

/* The most different words that lanes want from one bank of the cache. */
static int bank_conflicts(const uint64_t *words, int n_words)
{
    int of_bank[BANKS] = {0}, most = 0;
    for (int i = 0; i < n_words; i++) {
        int count = ++of_bank[words[i] % BANKS];
        most = count > most ? count : most;
    }
    return most;
}

/* Sectors, lines and passes of one access of a warp. Local memory is interleaved: the same four bytes of 32 lanes lie
   side by side. Atomic additions are done in the second level. */
static void count_access(int warp, const Access *access)
{
    int n = access->number;
    int n_words = 0, n_sectors = 0, n_lines = 0, missed = 0;
    uint64_t words[LANES_OF_WARP * 4], sectors[MOST_PIECES], lines[MOST_PIECES];
    if (!lanes_of[n]) {
        return;
    }
    for (int lane = 0; lane < LANES_OF_WARP; lane++) {
        for (int part = 0; part < (access->bytes + 3) / 4 && lanes_of[n] >> lane & 1; part++) {
            uint64_t at = address_of[n][lane] + 4 * part;
            if (access->local) {
                at = (1ull << 56) + ((uint64_t)warp << 24) + at / 4 * LINE_BYTES + 4 * lane;
            }
            n_words = insert(words, n_words, at / 4);
            n_sectors = insert(sectors, n_sectors, at / SECTOR_BYTES);
            n_lines = insert(lines, n_lines, at / LINE_BYTES);
        }
    }
    int by_tags = (n_lines + TAGS_A_CYCLE - 1) / TAGS_A_CYCLE;
    int by_banks = bank_conflicts(words, n_words);
    int passes = by_tags > by_banks ? by_tags : by_banks;
    for (int i = 0; i < n_sectors && !access->atomic; i++) {
        missed += !cache_holds(sectors[i]);
    }
    ACCESS_EXECUTIONS[n]++;
    ACCESS_LANES[n] += __builtin_popcount(lanes_of[n]);
    ACCESS_SECTORS[n] += n_sectors;
    ACCESS_LINES[n] += n_lines;
    ACCESS_PASSES[n] += passes;
    ACCESS_MISSES[n] += missed;
    load_wait[n] = (missed ? LEVEL_2 : LEVEL_1) + passes - 1;
    lanes_of[n] = 0;
}

/* ------------------------------------------------------------------------------------------- time of a warp alone */

static void issue(int warp, const Timing *timing)
{
    double *ready = ready_at[warp];
    double start = CYCLES[warp];
    for (int i = 0; i < timing->n_read; i++) {
        if (ready[timing->read[i]] > start) {
            start = ready[timing->read[i]];
        }
    }
    double done = start + timing->latency + (timing->wait == WAIT_MEMORY ? load_wait[timing->number] : 0);
    if (timing->slots) {
        CYCLES[warp] = start + timing->slots;
    }
    if (timing->wait == WAIT_BRANCH) {
        CYCLES[warp] = done;
    }
    for (int i = 0; i < timing->n_written; i++) {
        ready[timing->written[i]] = done;
    }
}

/* ------------------------------------------------------------------------------------------- entry */

static void forget(void)
{
    memset(EXECUTIONS, 0, sizeof EXECUTIONS);
    memset(LANES_AT_WORK, 0, sizeof LANES_AT_WORK);
    memset(ACCESS_EXECUTIONS, 0, sizeof ACCESS_EXECUTIONS);
    memset(ACCESS_LANES, 0, sizeof ACCESS_LANES);
    memset(ACCESS_LINES, 0, sizeof ACCESS_LINES);
    memset(ACCESS_PASSES, 0, sizeof ACCESS_PASSES);
    memset(ACCESS_SECTORS, 0, sizeof ACCESS_SECTORS);
    memset(ACCESS_MISSES, 0, sizeof ACCESS_MISSES);
    memset(CYCLES, 0, sizeof CYCLES);
    memset(ready_at, 0, sizeof ready_at);
    FETCHES = 0;
    FETCH_MISSES = 0;
    RECORDED_DECAYS = 0;
}

/* Called by counts.py before a launch: nothing is counted yet, and all caches are empty. */
void begin_statistics(void)
{
    forget();
    memset(cache, 0, sizeof cache);
    memset(fetch_used, 0, sizeof fetch_used);
    recording = 0;
}

/* Whether what is run now counts. Caches are warm when counting begins; what was counted before is forgotten. */
static int counting(const char *parameters)
{
    if (TICKETS_OFFSET < 0) {
        return 1;
    }
    int64_t assigned = **(int64_t *const *)(parameters + TICKETS_OFFSET);
    if (recording == 0 && assigned >= RECORD_FROM) {
        forget();
        recording = 1;
        RECORDED_DECAYS = -assigned;
    }
    if (recording == 1 && assigned >= RECORD_TO) {
        recording = 2;
        RECORDED_DECAYS += assigned;
    }
    return recording < 2;
}

/* A warp has run a block with the lanes of a mask. */
static void record_block(int warp, int block, uint32_t mask, const char *parameters)
{
    if (warp >= MOST_WARPS || !counting(parameters)) {
        return;
    }
    EXECUTIONS[block]++;
    LANES_AT_WORK[block] += __builtin_popcount(mask);
    fetch(warp, block);
    for (int i = ACCESSES_OF[block]; i < ACCESSES_OF[block + 1]; i++) {
        count_access(warp, ACCESSES + i);
    }
    for (int i = TIMINGS_OF[block]; i < TIMINGS_OF[block + 1]; i++) {
        issue(warp, TIMINGS + i);
    }
}

#define REC(n, address) record_access(n, l, address)
#define BEGIN_BLOCK(i)
#define END_BLOCK(i) record_block(W->number, i, mask, W->params)
