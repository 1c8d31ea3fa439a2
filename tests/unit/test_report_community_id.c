/* The TCP vectors of the specification (corelight/community-id-spec, baseline_deflt.json). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "report/community_id.h"

static const struct {
    const char *src, *dst;
    uint16_t sport, dport;
    const char *id;
} vectors[] = {
    {"2001:470:e5bf:dead:4957:2174:e82c:4887", "2607:f8b0:400c:c03::1a", 63943, 25,
     "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4="},
    {"2607:f8b0:400c:c03::1a", "2001:470:e5bf:dead:4957:2174:e82c:4887", 25, 63943,
     "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4="},
    {"128.232.110.120", "66.35.250.204", 34855, 80, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
    {"66.35.250.204", "128.232.110.120", 80, 34855, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
};

static struct la_flow flow_of(size_t i) {
    struct la_flow flow = {.sport = vectors[i].sport, .dport = vectors[i].dport};
    assert_true(la_addr_parse(vectors[i].src, &flow.src));
    assert_true(la_addr_parse(vectors[i].dst, &flow.dst));
    return flow;
}

static void agrees_with_the_specification(void **unused) {
    (void)unused;
    char text[LA_COMMUNITY_ID_TEXT];
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        struct la_flow flow = flow_of(i);
        assert_string_equal(la_community_id(&flow, text), vectors[i].id);
    }
}

static void the_ports_decide_between_equal_addresses(void **unused) {
    (void)unused;
    char there[LA_COMMUNITY_ID_TEXT], back[LA_COMMUNITY_ID_TEXT];
    struct la_flow flow = {.sport = 40112, .dport = 8080};
    assert_true(la_addr_parse("127.0.0.1", &flow.src));
    flow.dst = flow.src;
    la_community_id(&flow, there);
    flow.sport = 8080;
    flow.dport = 40112;
    assert_string_equal(la_community_id(&flow, back), there);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_specification),
        cmocka_unit_test(the_ports_decide_between_equal_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
