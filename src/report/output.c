#define _XOPEN_SOURCE 700 /* realpath */
#include "report/output.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER_SIZE = 1 << 16, TEMPORARIES_MAX = 8 };

struct la_output {
    int fd;
    bool is_stdout;
    int failure;     /* errno of the first failure, 0: none */
    char *path;      /* as the user named it; owned */
    char *target;    /* where the file goes; NULL: written directly; owned */
    char *temporary; /* the file until then; NULL: none, or moved; owned */
    size_t used;
    char buffer[BUFFER_SIZE];
};

/* Read by la_output_abandon_all() from a signal handler, so a slot is filled last and cleared
 * first. */
static char *volatile temporaries[TEMPORARIES_MAX];

static void remember(char *temporary) {
    for (size_t i = 0; i < TEMPORARIES_MAX; i++) {
        if (!temporaries[i]) {
            temporaries[i] = temporary;
            return;
        }
    }
}

static void forget(const char *temporary) {
    for (size_t i = 0; i < TEMPORARIES_MAX; i++) {
        if (temporaries[i] == temporary)
            temporaries[i] = NULL;
    }
}

void la_output_abandon_all(void) {
    for (size_t i = 0; i < TEMPORARIES_MAX; i++) {
        if (temporaries[i])
            unlink(temporaries[i]);
    }
}

static void drop_temporary(struct la_output *output) {
    if (!output->temporary)
        return;
    forget(output->temporary);
    unlink(output->temporary);
    free(output->temporary);
    output->temporary = NULL;
}

/* What a symbolic link stands for is replaced, not the link. */
static char *resolve(const char *path) {
    char *resolved = realpath(path, NULL);
    return resolved || errno == ENOMEM ? resolved : strdup(path);
}

static char *temporary_beside(const char *target) {
    static const char suffix[] = ".lastack-XXXXXX";
    size_t length = strlen(target);
    char *path = malloc(length + sizeof suffix);
    if (path) {
        memcpy(path, target, length);
        memcpy(path + length, suffix, sizeof suffix);
    }
    return path;
}

/* mkstemp() gives a file to its owner alone; the finished one gets the mode of the file that it
 * replaces, or what a new file would have. */
static void set_mode(int fd, const struct stat *old) {
    mode_t mask = umask(0);
    umask(mask);
    (void)fchmod(fd, old ? old->st_mode & 07777 : 0666 & ~mask);
}

/* `old` is the file to be replaced, NULL for a new one. */
static bool open_beside(struct la_output *output, const struct stat *old) {
    output->target = resolve(output->path);
    char *temporary = output->target ? temporary_beside(output->target) : NULL;
    if (!temporary) {
        errno = ENOMEM;
        return false;
    }
    output->fd = mkstemp(temporary);
    if (output->fd < 0) {
        free(temporary);
        return false;
    }
    output->temporary = temporary;
    remember(temporary);
    set_mode(output->fd, old);
    return true;
}

static bool open_place(struct la_output *output) {
    struct stat old;
    if (output->is_stdout) {
        output->fd = STDOUT_FILENO;
        return true;
    }
    if (stat(output->path, &old) != 0)
        return errno == ENOENT && open_beside(output, NULL);
    if (S_ISREG(old.st_mode))
        return access(output->path, W_OK) == 0 && open_beside(output, &old);
    output->fd = open(output->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    return output->fd >= 0;
}

enum la_status la_output_open(const char *path, struct la_output **out, struct la_error *err) {
    struct la_output *output = calloc(1, sizeof *output);
    if (!output || !(output->path = strdup(path))) {
        free(output);
        return la_fail(err, LA_ENOMEM, "%s: out of memory", path);
    }
    output->fd = -1;
    output->is_stdout = strcmp(path, "-") == 0;
    if (!open_place(output)) {
        enum la_status status = errno == ENOMEM ? LA_ENOMEM : LA_EOUTPUT;
        la_fail(err, status, "%s: cannot be written: %s (name another place)", path,
                strerror(errno));
        la_output_free(output);
        return status;
    }
    *out = output;
    return LA_OK;
}

void la_output_free(struct la_output *output) {
    if (!output)
        return;
    if (output->fd >= 0 && !output->is_stdout)
        close(output->fd);
    drop_temporary(output);
    free(output->target);
    free(output->path);
    free(output);
}

static bool write_all(struct la_output *output, const char *bytes, size_t count) {
    while (count > 0) {
        ssize_t written = write(output->fd, bytes, count);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0) {
            output->failure = errno;
            return false;
        }
        bytes += written;
        count -= (size_t)written;
    }
    return true;
}

static bool flush(struct la_output *output) {
    size_t count = output->used;
    output->used = 0;
    return write_all(output, output->buffer, count);
}

bool la_output_write(struct la_output *output, const void *bytes, size_t count) {
    if (output->failure)
        return false;
    if (count > BUFFER_SIZE - output->used && !flush(output))
        return false;
    if (count > BUFFER_SIZE)
        return write_all(output, bytes, count);
    memcpy(output->buffer + output->used, bytes, count);
    output->used += count;
    return true;
}

/* Without this a crash of the machine could still lose the new name. Not every file system can do
 * it, and then there is nothing more to be done. */
static void sync_directory(const char *target) {
    char *copy = strdup(target);
    int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    free(copy);
}

static bool move_into_place(struct la_output *output) {
    if (fsync(output->fd) != 0)
        return false;
    int fd = output->fd;
    output->fd = -1;
    if (close(fd) != 0 || rename(output->temporary, output->target) != 0)
        return false;
    forget(output->temporary);
    free(output->temporary);
    output->temporary = NULL;
    sync_directory(output->target);
    return true;
}

static enum la_status explain_failure(const struct la_output *output, struct la_error *err) {
    const char *why = strerror(output->failure);
    if (output->is_stdout && output->failure == EPIPE)
        return la_fail(err, LA_EPIPE, "standard output: %s", why);
    if (output->is_stdout)
        return la_fail(err, LA_EOUTPUT, "standard output: could not be written whole: %s", why);
    return la_fail(err, LA_EOUTPUT, "%s: could not be written whole: %s (%s)", output->path, why,
                   output->target ? "the file is as it was before" : "what reads it got a part");
}

enum la_status la_output_commit(struct la_output *output, struct la_error *err) {
    if (!output->failure && flush(output) && output->temporary && !move_into_place(output))
        output->failure = errno;
    return output->failure ? explain_failure(output, err) : LA_OK;
}

/* The directory of `path`, resolved, and the name in it; false when there is no such directory.
 * dirname() and basename() may change what they are given. */
static bool split(const char *path, char directory[PATH_MAX], char name[PATH_MAX]) {
    size_t size = strlen(path) + 1;
    char copy[PATH_MAX];
    if (size > sizeof copy)
        return false;
    memcpy(copy, path, size);
    if (!realpath(dirname(copy), directory))
        return false;
    memcpy(copy, path, size);
    const char *base = basename(copy);
    memcpy(name, base, strlen(base) + 1);
    return true;
}

bool la_output_same(const char *a, const char *b) {
    struct stat x, y;
    bool a_exists = stat(a, &x) == 0, b_exists = stat(b, &y) == 0;
    if (a_exists && b_exists)
        return x.st_dev == y.st_dev && x.st_ino == y.st_ino && !S_ISCHR(x.st_mode);
    if (a_exists || b_exists)
        return false;
    char a_directory[PATH_MAX], b_directory[PATH_MAX];
    char a_name[PATH_MAX], b_name[PATH_MAX];
    return split(a, a_directory, a_name) && split(b, b_directory, b_name) &&
           strcmp(a_directory, b_directory) == 0 && strcmp(a_name, b_name) == 0;
}
