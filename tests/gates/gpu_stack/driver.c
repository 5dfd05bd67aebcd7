/* A CUDA driver that cannot be used: cuInit gives the code in FAULT_DRIVER, or crashes, or never returns. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int cuInit(unsigned int flags)
{
    const char *fault = getenv("FAULT_DRIVER");
    (void)flags;
    if (fault == NULL)
        return 0;
    if (strcmp(fault, "crash") == 0)
        abort();
    while (strcmp(fault, "hang") == 0)
        sleep(1);
    return atoi(fault);
}

int cuDriverGetVersion(int *version)
{
    *version = 13000;
    return 0;
}

/* Every other function is missing. */
int cuGetProcAddress_v2(const char *name, void **function, int version, unsigned long long flags, int *status)
{
    (void)version;
    (void)flags;
    *function = NULL;
    if (strcmp(name, "cuInit") == 0)
        *function = (void *)cuInit;
    if (strcmp(name, "cuDriverGetVersion") == 0)
        *function = (void *)cuDriverGetVersion;
    if (strcmp(name, "cuGetProcAddress") == 0)
        *function = (void *)cuGetProcAddress_v2;
    if (status != NULL)
        *status = *function == NULL;
    return *function == NULL ? 500 : 0;
}
