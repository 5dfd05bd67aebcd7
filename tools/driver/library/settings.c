/* Settings, counts of calls, ordered errors, and the report at the end of a process. */
#include "driver.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Settings settings;
pthread_mutex_t the_lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static Call *calls;
static int ready;
static int initialized;
static FILE *trace;

/* An error that a test orders: the calls of this name from the `from`-th on return it. */
#define MOST_FAULTS 16
typedef struct {
    char call[64];
    CUresult code;
    long from;
} Fault;
static Fault faults[MOST_FAULTS];
static int n_faults;

void complain(const char *format, ...) {
    va_list values;
    va_start(values, format);
    fprintf(stderr, "emulated CUDA driver: ");
    vfprintf(stderr, format, values);
    fprintf(stderr, "\n");
    va_end(values);
}

static int64_t number(const char *name, int64_t usual) {
    const char *text = getenv(name);
    return text != NULL && *text != '\0' ? atoll(text) : usual;
}

/* "cuInit=100,cuMemAlloc=2@5": an error for every cuInit, another for cuMemAlloc from its fifth call on. */
static void read_faults(void) {
    const char *text = getenv("HEVESY_DRIVER_FAULTS");
    if (text == NULL)
        return;
    char *copy = strdup(text), *rest = NULL;
    for (char *item = strtok_r(copy, ",", &rest); item != NULL; item = strtok_r(NULL, ",", &rest)) {
        Fault *fault = &faults[n_faults];
        fault->from = 1;
        if (n_faults == MOST_FAULTS || sscanf(item, "%63[^=]=%d@%ld", fault->call, &fault->code, &fault->from) < 2) {
            complain("HEVESY_DRIVER_FAULTS: not understood: %s", item);
            abort();
        }
        n_faults++;
    }
    free(copy);
}

/* As a driver does: of its devices those that CUDA_VISIBLE_DEVICES lists, up to the first that it does not have. */
static int visible(int devices) {
    const char *text = getenv("CUDA_VISIBLE_DEVICES");
    if (text == NULL)
        return devices;
    int shown = 0;
    for (char *end; *text != '\0'; text = *end == ',' ? end + 1 : end) {
        long device = strtol(text, &end, 10);
        if (end == text || (*end != ',' && *end != '\0') || device < 0 || device >= devices)
            break;
        shown++;
    }
    return shown;
}

__attribute__((constructor)) static void read_settings(void) {
    if (ready)
        return;
    ready = 1;
    settings.devices = (int)number("HEVESY_DRIVER_DEVICES", 1);
    if (settings.devices > MOST_DEVICES)
        settings.devices = MOST_DEVICES;
    settings.devices = visible(settings.devices);
    settings.multiprocessors = (int)number("HEVESY_DRIVER_MULTIPROCESSORS", 2);
    settings.version = (int)number("HEVESY_DRIVER_VERSION", 13000);
    settings.memory = (uint64_t)number("HEVESY_DRIVER_MEMORY", (int64_t)80 << 30);
    settings.others = (uint64_t)number("HEVESY_DRIVER_OTHERS", 0);
    settings.latency_us = number("HEVESY_DRIVER_LATENCY_US", 0);
    settings.kernels = getenv("HEVESY_DRIVER_KERNELS");
    settings.major = 9;
    settings.minor = 0;
    const char *capability = getenv("HEVESY_DRIVER_CAPABILITY");
    if (capability != NULL)
        sscanf(capability, "%d.%d", &settings.major, &settings.minor);
    const char *file = getenv("HEVESY_DRIVER_TRACE");
    if (file != NULL)
        trace = fopen(file, "a");
    read_faults();
}

void initialize(void) {
    initialized = 1;
    for (int i = 0; i < MOST_DEVICES; i++)
        contexts[i].device = i;
}

CUresult enter(Call *call, int before_init) {
    LOCK();
    if (call->count == 0) {
        call->next = calls;
        calls = call;
    }
    call->count++;
    if (trace != NULL) {
        fprintf(trace, "%s\n", call->name);
        fflush(trace);
    }
    CUresult result = initialized || before_init ? SUCCESS : NOT_INITIALIZED;
    for (int i = 0; i < n_faults; i++)
        if (strcmp(faults[i].call, call->name) == 0 && call->count >= faults[i].from)
            result = faults[i].code;
    UNLOCK();
    return result;
}

/* For tests in the same process: how often an entry point was called. */
EXPORT long hevesy_driver_calls(const char *name) {
    for (Call *call = calls; call != NULL; call = call->next)
        if (strcmp(call->name, name) == 0)
            return call->count;
    return 0;
}

EXPORT uint64_t hevesy_driver_bytes(void);
EXPORT uint64_t hevesy_driver_peak_bytes(void);

/* One JSON object for each process, in a file named after it. */
__attribute__((destructor)) static void report(void) {
    const char *folder = getenv("HEVESY_DRIVER_REPORTS");
    if (folder == NULL || calls == NULL)
        return;
    char path[4096];
    snprintf(path, sizeof path, "%s/%ld.json", folder, (long)getpid());
    FILE *file = fopen(path, "w");
    if (file == NULL)
        return;
    fprintf(file, "{\"bytes\": %llu, \"peak_bytes\": %llu, \"calls\": {", (unsigned long long)hevesy_driver_bytes(),
            (unsigned long long)hevesy_driver_peak_bytes());
    for (Call *call = calls; call != NULL; call = call->next)
        fprintf(file, "%s\"%s\": %ld", call == calls ? "" : ", ", call->name, call->count);
    fprintf(file, "}}\n");
    fclose(file);
}

typedef struct {
    CUresult code;
    const char *name, *text;
} Error;

static const Error ERRORS[] = {
    {SUCCESS, "CUDA_SUCCESS", "no error"},
    {INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {100, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {NO_BINARY_FOR_GPU, "CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"},
    {INVALID_PTX, "CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"},
    {222, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION", "the provided PTX was compiled with an unsupported toolchain"},
    {NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {700, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {LAUNCH_OUT_OF_RESOURCES, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"},
    {LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {NOT_SUPPORTED, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "system has unsupported display driver / cuda driver combination"},
    {999, "CUDA_ERROR_UNKNOWN", "unknown error"},
};

static const Error *error_of(CUresult code) {
    for (size_t i = 0; i < sizeof ERRORS / sizeof ERRORS[0]; i++)
        if (ERRORS[i].code == code)
            return &ERRORS[i];
    return NULL;
}

EXPORT CUresult cuGetErrorName(CUresult code, const char **text) {
    const Error *error = error_of(code);
    *text = error != NULL ? error->name : NULL;
    return error != NULL ? SUCCESS : INVALID_VALUE;
}

EXPORT CUresult cuGetErrorString(CUresult code, const char **text) {
    const Error *error = error_of(code);
    *text = error != NULL ? error->text : NULL;
    return error != NULL ? SUCCESS : INVALID_VALUE;
}

EXPORT CUresult cuGetExportTable(const void **table, const void *id) {
    (void)table, (void)id;
    return INVALID_VALUE;
}

/* The newest version of a name that this library has; what it lacks is "not found", as in an older driver. */
EXPORT CUresult cuGetProcAddress_v2(const char *name, void **function, int version, uint64_t flags, int *status) {
    (void)version, (void)flags;
    static void *self;
    if (self == NULL) {
        Dl_info where;
        dladdr((void *)cuGetProcAddress_v2, &where);
        self = dlopen(where.dli_fname, RTLD_NOW);
    }
    char newer[256];
    snprintf(newer, sizeof newer, "%s_v2", name);
    *function = dlsym(self, newer);
    if (*function == NULL)
        *function = dlsym(self, name);
    if (status != NULL)
        *status = *function != NULL ? 0 : 1;
    return *function != NULL ? SUCCESS : NOT_FOUND;
}

EXPORT CUresult cuGetProcAddress(const char *name, void **function, int version, uint64_t flags) {
    return cuGetProcAddress_v2(name, function, version, flags, NULL);
}
