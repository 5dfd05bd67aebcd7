/* Device memory: the host's, every allocation known, so that copies are checked and what was not freed is seen. */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

#define POISON 0xAB /* new memory holds this, not zeros */
#define ALIGNMENT 512

typedef struct {
    CUdeviceptr base;
    size_t size;
    int device;
} Allocation;

static Allocation *allocations;
static int count, room;
static uint64_t used[MOST_DEVICES], peak;
static int asked_for_free_memory;

EXPORT uint64_t hevesy_driver_bytes(void) {
    uint64_t total = 0;
    for (int i = 0; i < MOST_DEVICES; i++)
        total += used[i];
    return total;
}

EXPORT uint64_t hevesy_driver_peak_bytes(void) {
    return peak;
}

static uint64_t free_bytes(int device) {
    uint64_t taken = used[device] + (asked_for_free_memory ? settings.others : 0);
    return taken < settings.memory ? settings.memory - taken : 0;
}

static const Allocation *allocation_of(CUdeviceptr address) {
    for (int i = 0; i < count; i++)
        if (address >= allocations[i].base && address < allocations[i].base + allocations[i].size)
            return &allocations[i];
    return NULL;
}

int inside_memory(CUdeviceptr address, size_t bytes) {
    const Allocation *found = allocation_of(address);
    return bytes == 0 || (found != NULL && address + bytes <= found->base + found->size);
}

int ranges_of(int device, Range **ranges) {
    int n = 0;
    *ranges = calloc((size_t)count + 1, sizeof **ranges);
    for (int i = 0; i < count; i++)
        if (allocations[i].device == device)
            (*ranges)[n++] = (Range){allocations[i].base, allocations[i].size, 1, 1, "device memory"};
    return n;
}

static void release(int i) {
    used[allocations[i].device] -= allocations[i].size;
    free((void *)allocations[i].base);
    allocations[i] = allocations[--count];
}

void free_memory_of(int device) {
    for (int i = count - 1; i >= 0; i--)
        if (allocations[i].device == device)
            release(i);
}

static CUresult allocate(CUdeviceptr *address, size_t bytes, int device) {
    if (bytes > free_bytes(device))
        return OUT_OF_MEMORY;
    void *memory = aligned_alloc(ALIGNMENT, (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    if (memory == NULL)
        return OUT_OF_MEMORY;
    memset(memory, POISON, bytes);
    if (count == room) {
        room = room == 0 ? 256 : 2 * room;
        allocations = realloc(allocations, (size_t)room * sizeof *allocations);
    }
    allocations[count++] = (Allocation){(CUdeviceptr)memory, bytes, device};
    used[device] += bytes;
    uint64_t total = hevesy_driver_bytes();
    peak = total > peak ? total : peak;
    *address = (CUdeviceptr)memory;
    return SUCCESS;
}

EXPORT CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t bytes) {
    ENTER_CONTEXT(cuMemAlloc);
    if (bytes == 0)
        return INVALID_VALUE;
    LOCK();
    CUresult result = allocate(address, bytes, context->device);
    UNLOCK();
    return result;
}

EXPORT CUresult cuMemFree_v2(CUdeviceptr address) {
    ENTER(cuMemFree);
    CUresult result = INVALID_VALUE;
    LOCK();
    for (int i = 0; i < count && result != SUCCESS; i++)
        if (allocations[i].base == address) {
            release(i);
            result = SUCCESS;
        }
    UNLOCK();
    return result;
}

EXPORT CUresult cuMemAllocAsync(CUdeviceptr *address, size_t bytes, void *stream) {
    (void)stream;
    return cuMemAlloc_v2(address, bytes);
}

EXPORT CUresult cuMemFreeAsync(CUdeviceptr address, void *stream) {
    (void)stream;
    return cuMemFree_v2(address);
}

EXPORT CUresult cuMemGetInfo_v2(size_t *available, size_t *total) {
    ENTER_CONTEXT(cuMemGetInfo);
    LOCK();
    *available = free_bytes(context->device);
    *total = settings.memory;
    asked_for_free_memory = 1;
    UNLOCK();
    return SUCCESS;
}

/* Pinned memory of the host, which is any memory here. */
EXPORT CUresult cuMemHostAlloc(void **address, size_t bytes, unsigned flags) {
    ENTER_CONTEXT(cuMemHostAlloc);
    (void)flags;
    *address = malloc(bytes);
    return *address != NULL ? SUCCESS : OUT_OF_MEMORY;
}

EXPORT CUresult cuMemFreeHost(void *address) {
    ENTER(cuMemFreeHost);
    free(address);
    return SUCCESS;
}

EXPORT CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t bytes) {
    ENTER_CONTEXT(cuMemcpyHtoD);
    if (!inside_memory(to, bytes))
        return INVALID_VALUE;
    memcpy((void *)to, from, bytes);
    return SUCCESS;
}

EXPORT CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t bytes) {
    ENTER_CONTEXT(cuMemcpyDtoH);
    if (!inside_memory(from, bytes))
        return INVALID_VALUE;
    memcpy(to, (const void *)from, bytes);
    return SUCCESS;
}

EXPORT CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
    ENTER_CONTEXT(cuMemcpyDtoD);
    if (!inside_memory(to, bytes) || !inside_memory(from, bytes))
        return INVALID_VALUE;
    memmove((void *)to, (const void *)from, bytes);
    return SUCCESS;
}

EXPORT CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, void *stream) {
    (void)stream;
    return cuMemcpyHtoD_v2(to, from, bytes);
}

EXPORT CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, void *stream) {
    (void)stream;
    return cuMemcpyDtoH_v2(to, from, bytes);
}

EXPORT CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, void *stream) {
    (void)stream;
    return cuMemcpyDtoD_v2(to, from, bytes);
}

EXPORT CUresult cuMemsetD8_v2(CUdeviceptr to, unsigned char value, size_t bytes) {
    ENTER_CONTEXT(cuMemsetD8);
    if (!inside_memory(to, bytes))
        return INVALID_VALUE;
    memset((void *)to, value, bytes);
    return SUCCESS;
}

EXPORT CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t bytes, void *stream) {
    (void)stream;
    return cuMemsetD8_v2(to, value, bytes);
}

enum { POINTER_CONTEXT = 1, POINTER_MEMORY_TYPE = 2, POINTER_DEVICE_POINTER = 3, POINTER_DEVICE = 9 };
enum { DEVICE_MEMORY = 2 };

EXPORT CUresult cuPointerGetAttribute(void *value, int attribute, CUdeviceptr address) {
    ENTER(cuPointerGetAttribute);
    const Allocation *found = allocation_of(address);
    if (found == NULL)
        return INVALID_VALUE;
    switch (attribute) {
    case POINTER_CONTEXT:
        *(Context **)value = &contexts[found->device];
        return SUCCESS;
    case POINTER_MEMORY_TYPE:
        *(unsigned *)value = DEVICE_MEMORY;
        return SUCCESS;
    case POINTER_DEVICE_POINTER:
        *(CUdeviceptr *)value = address;
        return SUCCESS;
    case POINTER_DEVICE:
        *(int *)value = found->device;
        return SUCCESS;
    default:
        return INVALID_VALUE;
    }
}

EXPORT CUresult cuPointerGetAttributes(unsigned n, int *attributes, void **values, CUdeviceptr address) {
    for (unsigned i = 0; i < n; i++)
        cuPointerGetAttribute(values[i], attributes[i], address);
    return SUCCESS;
}

EXPORT CUresult cuMemGetAddressRange_v2(CUdeviceptr *base, size_t *size, CUdeviceptr address) {
    ENTER(cuMemGetAddressRange);
    const Allocation *found = allocation_of(address);
    if (found == NULL)
        return INVALID_VALUE;
    *base = found->base;
    *size = found->size;
    return SUCCESS;
}
