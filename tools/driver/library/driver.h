/* A CUDA driver without a device, for tests of host code: its memory is the host's, and its kernels are the emulated
 * ones that a registry folder holds. Types and entry points follow NVIDIA's documented driver interface.
 *
 * Settings are environment variables, read once (settings.c); every entry point begins with ENTER, which counts the
 * call and returns an error that a test asked for. All state is under one lock: a call is atomic, and so is a launch.
 */
#ifndef HEVESY_DRIVER_H
#define HEVESY_DRIVER_H

#define _GNU_SOURCE
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))
#define MOST_DEVICES 8

typedef int CUresult;
typedef int CUdevice;
typedef uint64_t CUdeviceptr;

enum {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NOT_INITIALIZED = 3,
    INVALID_DEVICE = 101,
    INVALID_IMAGE = 200,
    INVALID_CONTEXT = 201,
    NO_BINARY_FOR_GPU = 209,
    INVALID_PTX = 218,
    NOT_FOUND = 500,
    LAUNCH_OUT_OF_RESOURCES = 701,
    LAUNCH_FAILED = 719,
    NOT_SUPPORTED = 801
};

/* Properties of every device, those of one generation of data-centre GPUs where no setting says otherwise. */
enum {
    WARP = 32,
    MOST_THREADS_PER_BLOCK = 1024,
    MOST_THREADS_PER_MULTIPROCESSOR = 2048,
    MOST_BLOCKS_PER_MULTIPROCESSOR = 32,
    REGISTERS = 65536,
    SHARED_PER_BLOCK = 49152,
    SHARED_PER_MULTIPROCESSOR = 233472
};

typedef struct {
    int devices;
    int multiprocessors;
    int major, minor;     /* compute capability */
    int version;          /* what cuDriverGetVersion says: 13000 is CUDA 13.0 */
    uint64_t memory;      /* bytes of a device */
    uint64_t others;      /* bytes that another process takes as soon as the free memory has been asked for */
    int64_t latency_us;   /* how long a launch takes at least */
    const char *kernels;  /* folder of the registry */
} Settings;

extern Settings settings;
extern pthread_mutex_t the_lock;

typedef struct Call {
    const char *name;
    long count;
    struct Call *next;
} Call;

typedef struct {
    int device;
    int retained;    /* how often the primary context was retained and not yet released */
    CUresult broken; /* error of a kernel: every later call of the context returns it */
} Context;

extern Context contexts[MOST_DEVICES];

/* Counts a call; the error that a test has ordered for it, or that comes of calling before cuInit. */
CUresult enter(Call *call, int before_init);
/* The thread's current context, NULL if there is none. */
Context *current_context(void);
/* Number of ranges of a device's memory, and a new array of them in the form that an emulated kernel takes. */
typedef struct {
    uint64_t base, size;
    int writable;
    int align;
    const char *name;
} Range;
int ranges_of(int device, Range **ranges);
/* Whether bytes from an address on lie in one allocation of any device. */
int inside_memory(CUdeviceptr address, size_t bytes);
void free_memory_of(int device);
void initialize(void);
void complain(const char *format, ...);

#define ENTER_(name, before_init)                            \
    static Call this_call = {#name, 0, NULL};                \
    CUresult ordered = enter(&this_call, before_init);       \
    if (ordered != SUCCESS)                                  \
        return ordered

#define ENTER(name) ENTER_(name, 0)

/* For entry points that need a current context that works. */
#define ENTER_CONTEXT(name)                                  \
    ENTER(name);                                             \
    Context *context = current_context();                    \
    if (context == NULL || context->retained == 0)           \
        return INVALID_CONTEXT;                              \
    if (context->broken != SUCCESS)                          \
        return context->broken

#define LOCK() pthread_mutex_lock(&the_lock)
#define UNLOCK() pthread_mutex_unlock(&the_lock)

#endif
