#include "report/embedded.h"

#include <string.h>

const struct la_embedded *la_embedded_find(const char *name) {
    for (size_t i = 0; i < la_embedded_count; i++) {
        if (strcmp(la_embedded[i].name, name) == 0)
            return &la_embedded[i];
    }
    return NULL;
}
