#include "base/addr.h"

#include <arpa/inet.h>

const char *la_addr_format(const struct la_addr *addr, char buf[LA_ADDR_TEXT]) {
    bool v4 = la_addr_is_v4(addr);
    if (!inet_ntop(v4 ? AF_INET : AF_INET6, addr->bytes + (v4 ? 12 : 0), buf, LA_ADDR_TEXT))
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
