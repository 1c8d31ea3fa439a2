/* Turns text files into one C source that defines the table of src/report/embedded.h:
 *
 *     embed OUT.c FILE...
 *
 * Runs on the building machine. The output depends on the files' base names and contents only, not
 * on the order or the directories in which they are given. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int by_base_name(const void *a, const void *b) {
    return strcmp(base_name(*(char *const *)a), base_name(*(char *const *)b));
}

static int fail(const char *path) {
    fprintf(stderr, "embed: %s: %s\n", path, strerror(errno));
    return -1;
}

/* As numbers, because compilers need not take string literals of more than 4095 characters. */
static long write_bytes(FILE *in, FILE *out) {
    long count = 0;
    int c;
    while ((c = getc(in)) != EOF)
        fprintf(out, "%s%d,", count++ % 24 ? "" : "\n    ", c > 127 ? c - 256 : c);
    return count;
}

static long write_text(const char *path, size_t index, FILE *out) {
    FILE *in = fopen(path, "rb");
    if (!in)
        return fail(path);
    fprintf(out, "static const char text_%zu[] = {", index);
    long length = write_bytes(in, out);
    fprintf(out, "0};\n");
    if (ferror(in))
        length = fail(path);
    fclose(in);
    return length;
}

static int write_source(char **paths, size_t count, FILE *out) {
    long *lengths = calloc(count + 1, sizeof *lengths);
    int status = lengths ? 0 : fail("memory");
    fprintf(out, "/* Made by tools/embed.c. */\n#include \"report/embedded.h\"\n\n");
    for (size_t i = 0; status == 0 && i < count; i++) {
        lengths[i] = write_text(paths[i], i, out);
        status = lengths[i] < 0 ? -1 : 0;
    }
    fprintf(out, "\nconst struct la_embedded la_embedded[] = {\n");
    for (size_t i = 0; status == 0 && i < count; i++)
        fprintf(out, "    {\"%s\", text_%zu, %ld},\n", base_name(paths[i]), i, lengths[i]);
    fprintf(out, "    {0, 0, 0},\n};\nconst size_t la_embedded_count = %zu;\n", count);
    free(lengths);
    return status;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: embed OUT.c FILE...\n");
        return 2;
    }
    size_t count = (size_t)argc - 2;
    qsort(argv + 2, count, sizeof *argv, by_base_name);
    FILE *out = fopen(argv[1], "wb");
    if (!out)
        return fail(argv[1]) ? 1 : 0;
    int status = write_source(argv + 2, count, out);
    if (fclose(out) != 0 && status == 0)
        status = fail(argv[1]);
    if (status != 0)
        remove(argv[1]);
    return status ? 1 : 0;
}
