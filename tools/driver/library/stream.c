/* Streams and events. Every call has done its work when it returns, so that there is nothing to wait for. */
#include "driver.h"

typedef void *Handle;

#define A_STREAM ((Handle)0x1000)
#define AN_EVENT ((Handle)0x2000)

EXPORT CUresult cuStreamCreate(Handle *stream, unsigned flags) {
    ENTER_CONTEXT(cuStreamCreate);
    (void)flags;
    *stream = A_STREAM;
    return SUCCESS;
}

EXPORT CUresult cuStreamCreateWithPriority(Handle *stream, unsigned flags, int priority) {
    ENTER_CONTEXT(cuStreamCreateWithPriority);
    (void)flags, (void)priority;
    *stream = A_STREAM;
    return SUCCESS;
}

EXPORT CUresult cuStreamDestroy_v2(Handle stream) {
    ENTER(cuStreamDestroy);
    (void)stream;
    return SUCCESS;
}

EXPORT CUresult cuStreamSynchronize(Handle stream) {
    ENTER_CONTEXT(cuStreamSynchronize);
    (void)stream;
    return SUCCESS;
}

EXPORT CUresult cuStreamQuery(Handle stream) {
    ENTER_CONTEXT(cuStreamQuery);
    (void)stream;
    return SUCCESS;
}

EXPORT CUresult cuStreamGetFlags(Handle stream, unsigned *flags) {
    ENTER(cuStreamGetFlags);
    (void)stream;
    *flags = 0;
    return SUCCESS;
}

EXPORT CUresult cuStreamGetPriority(Handle stream, int *priority) {
    ENTER(cuStreamGetPriority);
    (void)stream;
    *priority = 0;
    return SUCCESS;
}

EXPORT CUresult cuStreamGetCtx(Handle stream, Context **of) {
    ENTER_CONTEXT(cuStreamGetCtx);
    (void)stream;
    *of = context;
    return SUCCESS;
}

EXPORT CUresult cuStreamWaitEvent(Handle stream, Handle event, unsigned flags) {
    ENTER_CONTEXT(cuStreamWaitEvent);
    (void)stream, (void)event, (void)flags;
    return SUCCESS;
}

EXPORT CUresult cuStreamIsCapturing(Handle stream, int *status) {
    ENTER(cuStreamIsCapturing);
    (void)stream;
    *status = 0;
    return SUCCESS;
}

EXPORT CUresult cuEventCreate(Handle *event, unsigned flags) {
    ENTER_CONTEXT(cuEventCreate);
    (void)flags;
    *event = AN_EVENT;
    return SUCCESS;
}

EXPORT CUresult cuEventDestroy_v2(Handle event) {
    ENTER(cuEventDestroy);
    (void)event;
    return SUCCESS;
}

EXPORT CUresult cuEventRecord(Handle event, Handle stream) {
    ENTER_CONTEXT(cuEventRecord);
    (void)event, (void)stream;
    return SUCCESS;
}

EXPORT CUresult cuEventSynchronize(Handle event) {
    ENTER_CONTEXT(cuEventSynchronize);
    (void)event;
    return SUCCESS;
}

EXPORT CUresult cuEventQuery(Handle event) {
    ENTER_CONTEXT(cuEventQuery);
    (void)event;
    return SUCCESS;
}

EXPORT CUresult cuEventElapsedTime_v2(float *milliseconds, Handle start, Handle stop) {
    ENTER_CONTEXT(cuEventElapsedTime);
    (void)start, (void)stop;
    *milliseconds = 1.0f;
    return SUCCESS;
}

EXPORT CUresult cuEventElapsedTime(float *milliseconds, Handle start, Handle stop) {
    return cuEventElapsedTime_v2(milliseconds, start, stop);
}
