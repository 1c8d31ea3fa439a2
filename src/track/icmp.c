/* What an ICMP error says. */
#include "track/connection.h"

/* Types and codes as IANA lists them: RFC 792, RFC 1122 (3.2.2.1), RFC 1812 (5.2.7.1). */
static enum la_icmp_meaning meaning_of_v4(uint8_t type, uint8_t code) {
    enum { UNREACHABLE = 3, TIME_EXCEEDED = 11 };
    if (type == TIME_EXCEEDED)
        return code == 0 ? LA_ICMP_NO_ROUTE : LA_ICMP_OTHER;
    if (type != UNREACHABLE)
        return LA_ICMP_OTHER;
    switch (code) {
    case 2:
    case 3:
        return LA_ICMP_NO_LISTENER;
    case 4:
        return LA_ICMP_TOO_BIG;
    case 9:
    case 10:
    case 13:
        return LA_ICMP_REJECTED;
    default:
        return LA_ICMP_NO_ROUTE;
    }
}

/* RFC 4443, 3. */
static enum la_icmp_meaning meaning_of_v6(uint8_t type, uint8_t code) {
    enum { UNREACHABLE = 1, TOO_BIG = 2, TIME_EXCEEDED = 3 };
    if (type == TOO_BIG)
        return LA_ICMP_TOO_BIG;
    if (type == TIME_EXCEEDED)
        return code == 0 ? LA_ICMP_NO_ROUTE : LA_ICMP_OTHER;
    if (type != UNREACHABLE)
        return LA_ICMP_OTHER;
    switch (code) {
    case 1:
    case 5:
    case 6:
        return LA_ICMP_REJECTED;
    case 4:
        return LA_ICMP_NO_LISTENER;
    default:
        return LA_ICMP_NO_ROUTE;
    }
}

enum la_icmp_meaning la_icmp_meaning(const struct la_icmp_error *error) {
    return la_addr_is_v4(&error->reporter) ? meaning_of_v4(error->type, error->code)
                                           : meaning_of_v6(error->type, error->code);
}
