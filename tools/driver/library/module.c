/* Code: an image of machine code stands for the emulated kernel that was made from the same PTX.
 *
 * The registry is a folder; a file named after the hash of an image has one line for each of its kernels:
 * name, target of the PTX, shared library, registers. An image without such a file is refused.
 */
#include "driver.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct {
    char *name;
    void *library; /* the emulated kernel */
    int registers;
} Kernel;

typedef struct Image {
    char hash[20];
    Kernel *kernels;
    int count;
    struct Image *next;
} Image;

static Image *images;

/* Bytes of a 64-bit ELF file in memory: its tables or sections, whichever end last. */
static size_t elf_bytes(const unsigned char *image) {
    uint64_t sections, segments, end;
    uint16_t section_bytes, section_count, segment_bytes, segment_count;
    memcpy(&segments, image + 0x20, 8);
    memcpy(&sections, image + 0x28, 8);
    memcpy(&segment_bytes, image + 0x36, 2);
    memcpy(&segment_count, image + 0x38, 2);
    memcpy(&section_bytes, image + 0x3A, 2);
    memcpy(&section_count, image + 0x3C, 2);
    end = sections + (uint64_t)section_bytes * section_count;
    if (segments + (uint64_t)segment_bytes * segment_count > end)
        end = segments + (uint64_t)segment_bytes * segment_count;
    return end;
}

/* Name of an image in the registry (FNV-1a); an error if it is not machine code. */
EXPORT CUresult hevesy_driver_image(const void *code, char *hash, size_t *bytes) {
    const unsigned char *image = code;
    if (memcmp(image, "\177ELF\2", 5) != 0)
        return INVALID_IMAGE;
    uint64_t value = 0xcbf29ce484222325ull;
    *bytes = elf_bytes(image);
    for (size_t i = 0; i < *bytes; i++)
        value = (value ^ image[i]) * 0x100000001b3ull;
    sprintf(hash, "%016llx", (unsigned long long)value);
    return SUCCESS;
}

/* "sm_90a" runs on compute capability 9.0 alone, "sm_90" on every later minor version as well. */
static int runs_here(const char *target) {
    int number = 0;
    char exact = '\0';
    if (sscanf(target, "sm_%d%c", &number, &exact) < 1 || number / 10 != settings.major)
        return 0;
    return exact != '\0' ? number % 10 == settings.minor : number % 10 <= settings.minor;
}

static CUresult read_kernels(Image *image, FILE *file) {
    char *line = NULL;
    size_t size = 0;
    CUresult result = SUCCESS;
    while (result == SUCCESS && getline(&line, &size, file) > 0) {
        char *rest = NULL;
        char *name = strtok_r(line, "\t\n", &rest), *target = strtok_r(NULL, "\t\n", &rest);
        char *path = strtok_r(NULL, "\t\n", &rest), *registers = strtok_r(NULL, "\t\n", &rest);
        if (registers == NULL)
            result = INVALID_IMAGE;
        else if (!runs_here(target))
            result = NO_BINARY_FOR_GPU;
        else {
            void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
            if (library == NULL) {
                complain("%s", dlerror());
                result = INVALID_IMAGE;
            }
            image->kernels = realloc(image->kernels, (size_t)(image->count + 1) * sizeof *image->kernels);
            image->kernels[image->count++] = (Kernel){strdup(name), library, atoi(registers)};
        }
    }
    free(line);
    return result;
}

static CUresult load(Image **loaded, const void *code) {
    char hash[20], path[4096];
    size_t bytes;
    if (hevesy_driver_image(code, hash, &bytes) != SUCCESS) {
        complain("an image that is not machine code: this driver compiles no PTX");
        return INVALID_PTX;
    }
    for (Image *image = images; image != NULL; image = image->next)
        if (strcmp(image->hash, hash) == 0) {
            *loaded = image;
            return SUCCESS;
        }
    snprintf(path, sizeof path, "%s/%s.kernels", settings.kernels != NULL ? settings.kernels : ".", hash);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        complain("unknown image of %zu bytes: there is no %s", bytes, path);
        return INVALID_IMAGE;
    }
    Image *image = calloc(1, sizeof *image);
    strcpy(image->hash, hash);
    CUresult result = read_kernels(image, file);
    fclose(file);
    if (result == SUCCESS) {
        image->next = images;
        images = image;
        *loaded = image;
    }
    return result;
}

EXPORT CUresult cuLibraryLoadData(Image **library, const void *code, void *options, void *values, unsigned n,
                                  void *library_options, void *library_values, unsigned m) {
    ENTER(cuLibraryLoadData);
    (void)options, (void)values, (void)n, (void)library_options, (void)library_values, (void)m;
    LOCK();
    CUresult result = load(library, code);
    UNLOCK();
    return result;
}

EXPORT CUresult cuModuleLoadData(Image **module, const void *code) {
    ENTER_CONTEXT(cuModuleLoadData);
    LOCK();
    CUresult result = load(module, code);
    UNLOCK();
    return result;
}

EXPORT CUresult cuModuleLoadDataEx(Image **module, const void *code, unsigned n, void *options, void *values) {
    (void)n, (void)options, (void)values;
    return cuModuleLoadData(module, code);
}

EXPORT CUresult cuLibraryUnload(Image *library) {
    ENTER(cuLibraryUnload);
    (void)library;
    return SUCCESS;
}

EXPORT CUresult cuModuleUnload(Image *module) {
    ENTER(cuModuleUnload);
    (void)module;
    return SUCCESS;
}

EXPORT CUresult cuLibraryGetModule(Image **module, Image *library) {
    ENTER_CONTEXT(cuLibraryGetModule);
    *module = library;
    return SUCCESS;
}

static CUresult find(Kernel **kernel, const Image *image, const char *name) {
    for (int i = 0; i < image->count; i++)
        if (strcmp(image->kernels[i].name, name) == 0) {
            *kernel = &image->kernels[i];
            return SUCCESS;
        }
    complain("image %s has no kernel %s", image->hash, name);
    return NOT_FOUND;
}

EXPORT CUresult cuLibraryGetKernel(Kernel **kernel, Image *library, const char *name) {
    ENTER(cuLibraryGetKernel);
    return find(kernel, library, name);
}

EXPORT CUresult cuModuleGetFunction(Kernel **kernel, Image *module, const char *name) {
    ENTER_CONTEXT(cuModuleGetFunction);
    return find(kernel, module, name);
}

EXPORT CUresult cuKernelGetFunction(Kernel **function, Kernel *kernel) {
    ENTER_CONTEXT(cuKernelGetFunction);
    *function = kernel;
    return SUCCESS;
}

EXPORT CUresult cuKernelGetName(const char **name, const Kernel *kernel) {
    ENTER(cuKernelGetName);
    *name = kernel->name;
    return SUCCESS;
}

EXPORT CUresult cuLibraryGetGlobal(CUdeviceptr *address, size_t *size, Image *library, const char *name) {
    ENTER(cuLibraryGetGlobal);
    (void)address, (void)size, (void)library, (void)name;
    return NOT_FOUND;
}

/* A number that the emulated kernel exports. */
static int exported(const Kernel *kernel, const char *name) {
    return *(const int *)dlsym(kernel->library, name);
}

/* Registers are handed out to a warp in portions of 256. */
static int warps_by_registers(const Kernel *kernel) {
    return REGISTERS / ((kernel->registers * WARP + 255) / 256 * 256);
}

static CUresult attribute_of(int *value, int attribute, const Kernel *kernel) {
    int threads = warps_by_registers(kernel) / 4 * 4 * WARP; /* a block's warps are spread over four schedulers */
    switch (attribute) {
    case 0:
        *value = threads < MOST_THREADS_PER_BLOCK ? threads : MOST_THREADS_PER_BLOCK;
        return SUCCESS;
    case 1:
        *value = exported(kernel, "SHARED_SIZE");
        return SUCCESS;
    case 3:
        *value = exported(kernel, "LOCAL_SIZE");
        return SUCCESS;
    case 4:
        *value = kernel->registers;
        return SUCCESS;
    case 5: case 6: /* versions of the PTX and of the machine code */
        *value = 10 * settings.major + settings.minor;
        return SUCCESS;
    default:
        *value = 0;
        return SUCCESS;
    }
}

EXPORT CUresult cuFuncGetAttribute(int *value, int attribute, Kernel *kernel) {
    ENTER(cuFuncGetAttribute);
    return attribute_of(value, attribute, kernel);
}

EXPORT CUresult cuKernelGetAttribute(int *value, int attribute, Kernel *kernel, CUdevice device) {
    ENTER(cuKernelGetAttribute);
    (void)device;
    return attribute_of(value, attribute, kernel);
}

EXPORT CUresult cuFuncSetAttribute(Kernel *kernel, int attribute, int value) {
    ENTER(cuFuncSetAttribute);
    (void)kernel, (void)attribute, (void)value;
    return SUCCESS;
}

EXPORT CUresult cuKernelSetAttribute(int attribute, int value, Kernel *kernel, CUdevice device) {
    ENTER(cuKernelSetAttribute);
    (void)kernel, (void)attribute, (void)value, (void)device;
    return SUCCESS;
}

EXPORT CUresult cuKernelGetParamInfo(Kernel *kernel, size_t number, size_t *offset, size_t *size) {
    ENTER(cuKernelGetParamInfo);
    if (number >= (size_t)exported(kernel, "N_PARAMS"))
        return INVALID_VALUE;
    *offset = (size_t)((const int *)dlsym(kernel->library, "PARAM_OFF"))[number];
    if (size != NULL)
        *size = (size_t)((const int *)dlsym(kernel->library, "PARAM_SIZE"))[number];
    return SUCCESS;
}

EXPORT CUresult cuFuncGetParamInfo(Kernel *kernel, size_t number, size_t *offset, size_t *size) {
    return cuKernelGetParamInfo(kernel, number, offset, size);
}

EXPORT CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, Kernel *kernel, int threads, size_t shared) {
    ENTER_CONTEXT(cuOccupancyMaxActiveBlocksPerMultiprocessor);
    int warps = (threads + WARP - 1) / WARP;
    size_t bytes = shared + (size_t)exported(kernel, "SHARED_SIZE") + 1024; /* the driver takes 1 KB of each block */
    int limits[] = {warps_by_registers(kernel) / warps, MOST_THREADS_PER_MULTIPROCESSOR / (warps * WARP),
                    (int)(SHARED_PER_MULTIPROCESSOR / bytes), MOST_BLOCKS_PER_MULTIPROCESSOR};
    *blocks = limits[0];
    for (int i = 1; i < 4; i++)
        *blocks = limits[i] < *blocks ? limits[i] : *blocks;
    return SUCCESS;
}

EXPORT CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks, Kernel *kernel, int threads,
                                                                     size_t shared, unsigned flags) {
    (void)flags;
    return cuOccupancyMaxActiveBlocksPerMultiprocessor(blocks, kernel, threads, shared);
}

typedef int Run(char *parameters, int blocks, int threads, Range *ranges, int n, int order, unsigned seed, int jitter);
typedef const char *Fault(void);

/* Error of a kernel that was launched: a test orders it under the name "kernel". */
static CUresult ordered_for_kernel(void) {
    ENTER(kernel);
    return SUCCESS;
}

/* Copies the parameters, each from its own address, to their places, and runs the emulated kernel to its end. */
static CUresult run(const Kernel *kernel, int device, int blocks, int threads, void **values) {
    const int *offsets = dlsym(kernel->library, "PARAM_OFF"), *sizes = dlsym(kernel->library, "PARAM_SIZE");
    char *parameters = calloc(1, (size_t)exported(kernel, "PARAM_BYTES") + 16);
    for (int i = 0; i < exported(kernel, "N_PARAMS"); i++)
        memcpy(parameters + offsets[i], values[i], (size_t)sizes[i]);
    Range *ranges;
    int n = ranges_of(device, &ranges);
    int failed = ((Run *)dlsym(kernel->library, "run"))(parameters, blocks, threads, ranges, n, 0, 1, 0);
    if (failed)
        complain("%s", ((Fault *)dlsym(kernel->library, "fault"))());
    free(ranges);
    free(parameters);
    return failed ? LAUNCH_FAILED : SUCCESS;
}

typedef struct {
    unsigned grid[3], block[3], shared;
    void *stream, *attributes;
    unsigned n_attributes;
} Configuration;

EXPORT CUresult cuLaunchKernelEx(const Configuration *shape, Kernel *kernel, void **values, void **extra) {
    ENTER_CONTEXT(cuLaunchKernel);
    unsigned threads = shape->block[0];
    if (shape->grid[0] == 0 || threads == 0 || threads > MOST_THREADS_PER_BLOCK)
        return INVALID_VALUE;
    if (extra != NULL || shape->grid[1] * shape->grid[2] * shape->block[1] * shape->block[2] != 1) {
        complain("launches in one dimension with an array of parameters are emulated, no other");
        return NOT_SUPPORTED;
    }
    if ((threads + WARP - 1) / WARP > (unsigned)warps_by_registers(kernel))
        return LAUNCH_OUT_OF_RESOURCES;
    if (settings.latency_us > 0) {
        struct timespec pause = {settings.latency_us / 1000000, settings.latency_us % 1000000 * 1000};
        nanosleep(&pause, NULL);
    }
    /* as on a device, the launch itself succeeds: the next call of the context says what the kernel did */
    LOCK();
    context->broken = ordered_for_kernel();
    if (context->broken == SUCCESS)
        context->broken = run(kernel, context->device, (int)shape->grid[0], (int)threads, values);
    UNLOCK();
    return SUCCESS;
}

EXPORT CUresult cuLaunchKernel(Kernel *kernel, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                               unsigned bz, unsigned shared, void *stream, void **values, void **extra) {
    Configuration shape = {{gx, gy, gz}, {bx, by, bz}, shared, stream, NULL, 0};
    return cuLaunchKernelEx(&shape, kernel, values, extra);
}
