/* Makes the nth call of a function fail (LD_PRELOAD):
 *
 *     LA_FAIL="read:3:EIO" LD_PRELOAD=inject.so lastack ...
 *
 * read    of an input (any descriptor above 2), or its pread and mmap alike
 * write   to an output or a temporary file (any descriptor above 2)
 * stdout  a write to standard output
 * fsync, rename
 * malloc  malloc, calloc and realloc together, counted from the start of main()
 *
 * From the nth call on every call fails, so that nothing succeeds by trying again; with a '+' after
 * the number only that one fails. "count" in the place of the number writes how many calls there
 * were to the file that LA_FAIL_COUNT names. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static const char *wanted; /* NULL: not armed */
static size_t wanted_length;
static long from_call;
static bool only_once;
static int failure;
static long calls;
static bool counting;

static int number_of(const char *name) {
    if (strcmp(name, "EIO") == 0)
        return EIO;
    if (strcmp(name, "ENOSPC") == 0)
        return ENOSPC;
    if (strcmp(name, "EPIPE") == 0)
        return EPIPE;
    if (strcmp(name, "ENOMEM") == 0)
        return ENOMEM; /* glibc's pthread_create() insists on it */
    return name[0] == 'E' ? EINVAL : ENOMEM;
}

/* Run before main(), so that what the loader allocates is not counted. */
__attribute__((constructor)) static void arm(void) {
    const char *text = getenv("LA_FAIL");
    if (!text)
        return;
    const char *number = strchr(text, ':');
    const char *name = number ? strchr(number + 1, ':') : NULL;
    if (!name)
        return;
    wanted_length = (size_t)(number - text);
    counting = strncmp(number + 1, "count", 5) == 0;
    from_call = counting ? 0 : strtol(number + 1, NULL, 10);
    only_once = name[-1] == '+';
    failure = number_of(name + 1);
    wanted = text;
}

__attribute__((destructor)) static void tell(void) {
    const char *path = getenv("LA_FAIL_COUNT");
    wanted = NULL;
    if (!counting || !path)
        return;
    FILE *file = fopen(path, "w");
    if (file) {
        fprintf(file, "%ld\n", calls);
        fclose(file);
    }
}

static bool fails(const char *name) {
    if (!wanted || strlen(name) != wanted_length || strncmp(name, wanted, wanted_length) != 0)
        return false;
    long call = __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
    if (counting || (only_once ? call != from_call : call < from_call))
        return false;
    errno = failure;
    return true;
}

/* The next definition of a function, looked up anew each time: this is a test. */
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t read(int fd, void *buf, size_t count) {
    return fd > 2 && fails("read") ? -1 : NEXT(read)(fd, buf, count);
}

ssize_t pread(int fd, void *buf, size_t count, off_t offset) {
    return fails("read") ? -1 : NEXT(pread)(fd, buf, count, offset);
}

ssize_t pread64(int fd, void *buf, size_t count, off64_t offset) {
    return fails("read") ? -1 : NEXT(pread64)(fd, buf, count, offset);
}

ssize_t write(int fd, const void *buf, size_t count) {
    if (fd == 1 ? fails("stdout") : fd > 2 && fails("write"))
        return -1;
    return NEXT(write)(fd, buf, count);
}

int fsync(int fd) {
    return fails("fsync") ? -1 : NEXT(fsync)(fd);
}

int rename(const char *from, const char *to) {
    return fails("rename") ? -1 : NEXT(rename)(from, to);
}

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

void *malloc(size_t size) {
    return fails("malloc") ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    return fails("malloc") ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
    return fails("malloc") ? NULL : __libc_realloc(old, size);
}
