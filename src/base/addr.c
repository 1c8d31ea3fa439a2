#include "base/addr.h"

#include "base/digits.h"

#include <arpa/inet.h>

static const char *format_v4(const uint8_t *bytes, char *out) {
    char *at = la_put_number(out, bytes[0]);
    for (int i = 1; i < 4; i++) {
        *at++ = '.';
        at = la_put_number(at, bytes[i]);
    }
    *at = '\0';
    return out;
}

const char *la_addr_format(const struct la_addr *addr, char buf[LA_ADDR_TEXT]) {
    if (la_addr_is_v4(addr))
        return format_v4(addr->bytes + 12, buf);
    if (!inet_ntop(AF_INET6, addr->bytes, buf, LA_ADDR_TEXT))
        buf[0] = '\0';
    return buf;
}

bool la_addr_parse(const char *text, struct la_addr *out) {
    uint8_t raw[16];
    if (inet_pton(AF_INET, text, raw) == 1) {
        *out = la_addr_from_v4(raw);
        return true;
    }
    if (inet_pton(AF_INET6, text, raw) == 1) {
        *out = la_addr_from_v6(raw);
        return true;
    }
    return false;
}
