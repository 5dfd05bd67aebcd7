/* Devices, their attributes, and contexts: the primary one of every device, on a stack of each thread. */
#include "driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEEPEST 32

Context contexts[MOST_DEVICES];
static __thread Context *stack[DEEPEST];
static __thread int depth;

Context *current_context(void) {
    return depth > 0 ? stack[depth - 1] : NULL;
}

static int is_context(const Context *context) {
    return context >= contexts && context < contexts + settings.devices;
}

EXPORT CUresult cuInit(unsigned flags) {
    ENTER_(cuInit, 1);
    (void)flags;
    initialize();
    return SUCCESS;
}

EXPORT CUresult cuDriverGetVersion(int *version) {
    ENTER_(cuDriverGetVersion, 1);
    *version = settings.version;
    return SUCCESS;
}

EXPORT CUresult cuDeviceGetCount(int *count) {
    ENTER(cuDeviceGetCount);
    *count = settings.devices;
    return SUCCESS;
}

EXPORT CUresult cuDeviceGet(CUdevice *device, int number) {
    ENTER(cuDeviceGet);
    if (number < 0 || number >= settings.devices)
        return INVALID_DEVICE;
    *device = number;
    return SUCCESS;
}

EXPORT CUresult cuDeviceGetName(char *name, int length, CUdevice device) {
    ENTER(cuDeviceGetName);
    (void)device;
    snprintf(name, (size_t)length, "Emulated GPU");
    return SUCCESS;
}

EXPORT CUresult cuDeviceGetUuid_v2(void *uuid, CUdevice device) {
    ENTER(cuDeviceGetUuid);
    memset(uuid, 16 + device, 16);
    return SUCCESS;
}

EXPORT CUresult cuDeviceGetUuid(void *uuid, CUdevice device) {
    return cuDeviceGetUuid_v2(uuid, device);
}

EXPORT CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device) {
    ENTER(cuDeviceTotalMem);
    (void)device;
    *bytes = settings.memory;
    return SUCCESS;
}

/* Numbers of the attributes that host code asks for, as in NVIDIA's enumeration; every other one is 0. */
EXPORT CUresult cuDeviceGetAttribute(int *value, int attribute, CUdevice device) {
    ENTER(cuDeviceGetAttribute);
    if (device < 0 || device >= settings.devices)
        return INVALID_DEVICE;
    switch (attribute) {
    case 1: case 2: case 3: /* threads of a block; blockDim.x, .y */
        *value = MOST_THREADS_PER_BLOCK;
        break;
    case 4: /* blockDim.z */
        *value = 64;
        break;
    case 5: /* gridDim.x */
        *value = 2147483647;
        break;
    case 6: case 7: /* gridDim.y, .z */
        *value = 65535;
        break;
    case 8:
        *value = SHARED_PER_BLOCK;
        break;
    case 9: /* constant memory */
        *value = 65536;
        break;
    case 10:
        *value = WARP;
        break;
    case 12: case 82: /* registers of a block, of a multiprocessor */
        *value = REGISTERS;
        break;
    case 13: /* clock [kHz] */
        *value = 1000000;
        break;
    case 16:
        *value = settings.multiprocessors;
        break;
    case 19: case 31: case 41: case 95: /* maps host memory, concurrent kernels, one address space, cooperation */
        *value = 1;
        break;
    case 33: /* PCI bus */
        *value = 1 + device;
        break;
    case 39:
        *value = MOST_THREADS_PER_MULTIPROCESSOR;
        break;
    case 75:
        *value = settings.major;
        break;
    case 76:
        *value = settings.minor;
        break;
    case 81:
        *value = SHARED_PER_MULTIPROCESSOR;
        break;
    case 97: /* shared memory of a block that asks for more */
        *value = SHARED_PER_MULTIPROCESSOR - 1024;
        break;
    case 106:
        *value = MOST_BLOCKS_PER_MULTIPROCESSOR;
        break;
    default:
        *value = 0;
    }
    return SUCCESS;
}

EXPORT CUresult cuDeviceCanAccessPeer(int *can, CUdevice device, CUdevice peer) {
    ENTER(cuDeviceCanAccessPeer);
    (void)device, (void)peer;
    *can = 0;
    return SUCCESS;
}

EXPORT CUresult cuDevicePrimaryCtxRetain(Context **context, CUdevice device) {
    ENTER(cuDevicePrimaryCtxRetain);
    if (device < 0 || device >= settings.devices)
        return INVALID_DEVICE;
    LOCK();
    contexts[device].retained++;
    UNLOCK();
    *context = &contexts[device];
    return SUCCESS;
}

EXPORT CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
    ENTER(cuDevicePrimaryCtxRelease);
    LOCK();
    int held = contexts[device].retained > 0;
    if (held && --contexts[device].retained == 0)
        free_memory_of(device);
    UNLOCK();
    return held ? SUCCESS : INVALID_CONTEXT;
}

EXPORT CUresult cuDevicePrimaryCtxReset_v2(CUdevice device) {
    ENTER(cuDevicePrimaryCtxReset);
    LOCK();
    free_memory_of(device);
    contexts[device].broken = SUCCESS;
    UNLOCK();
    return SUCCESS;
}

EXPORT CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned *flags, int *active) {
    ENTER(cuDevicePrimaryCtxGetState);
    *flags = 0;
    *active = contexts[device].retained > 0;
    return SUCCESS;
}

EXPORT CUresult cuCtxGetCurrent(Context **context) {
    ENTER(cuCtxGetCurrent);
    *context = current_context();
    return SUCCESS;
}

/* What the CUDA runtime calls: it replaces the top of the thread's stack. */
EXPORT CUresult cuCtxSetCurrent(Context *context) {
    ENTER(cuCtxSetCurrent);
    if (context == NULL) {
        depth -= depth > 0;
        return SUCCESS;
    }
    if (!is_context(context))
        return INVALID_CONTEXT;
    depth += depth == 0;
    stack[depth - 1] = context;
    return SUCCESS;
}

EXPORT CUresult cuCtxPushCurrent_v2(Context *context) {
    ENTER(cuCtxPushCurrent);
    if (!is_context(context))
        return INVALID_CONTEXT;
    if (depth == DEEPEST) {
        complain("a thread has pushed %d contexts and popped none: they leak", DEEPEST);
        abort();
    }
    stack[depth++] = context;
    return SUCCESS;
}

EXPORT CUresult cuCtxPopCurrent_v2(Context **context) {
    ENTER(cuCtxPopCurrent);
    if (depth == 0)
        return INVALID_CONTEXT;
    depth--;
    if (context != NULL)
        *context = stack[depth];
    return SUCCESS;
}

/* For tests in the same process: contexts on the stack of the calling thread. */
EXPORT int hevesy_driver_depth(void) {
    return depth;
}

EXPORT CUresult cuCtxGetDevice(CUdevice *device) {
    ENTER(cuCtxGetDevice);
    if (current_context() == NULL)
        return INVALID_CONTEXT;
    *device = current_context()->device;
    return SUCCESS;
}

EXPORT CUresult cuCtxGetId(Context *of, uint64_t *id) {
    ENTER(cuCtxGetId);
    const Context *asked = of != NULL ? of : current_context();
    if (asked == NULL)
        return INVALID_CONTEXT;
    *id = 1 + (uint64_t)asked->device;
    return SUCCESS;
}

EXPORT CUresult cuCtxSynchronize(void) {
    ENTER_CONTEXT(cuCtxSynchronize);
    return SUCCESS;
}

EXPORT CUresult cuCtxGetStreamPriorityRange(int *least, int *greatest) {
    ENTER_CONTEXT(cuCtxGetStreamPriorityRange);
    *least = 0;
    *greatest = -5;
    return SUCCESS;
}
