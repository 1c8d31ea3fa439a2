/* The words of the schemas are the words of the program: its name tables and its registry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "decode/decode.h"
#include "diagnose/diagnose.h"
#include "report/embedded.h"
#include "report/report.h"
#include "track/connection.h"

static json_t *load(const char *name) {
    const struct la_embedded *text = la_embedded_find(name);
    json_error_t error;
    assert_non_null(text);
    json_t *schema = json_loadb(text->text, text->length, 0, &error);
    assert_non_null(schema);
    return schema;
}

/* Follows a path of names with '/' between them. */
static json_t *at(json_t *node, const char *path) {
    char name[64];
    while (*path) {
        size_t length = strcspn(path, "/");
        assert_true(length < sizeof name);
        memcpy(name, path, length);
        name[length] = '\0';
        node = json_object_get(node, name);
        if (!node)
            print_error("no %s in the schema\n", name);
        assert_non_null(node);
        path += length + (path[length] == '/');
    }
    return node;
}

typedef const char *name_at(unsigned value);

static const char *state(unsigned value) {
    return la_state_name(value);
}
static const char *kind(unsigned value) {
    return la_kind_name(value);
}
static const char *severity(unsigned value) {
    return la_severity_name(value);
}
static const char *confidence(unsigned value) {
    return la_confidence_name(value);
}
static const char *role(unsigned value) {
    return la_role_name(value);
}
static const char *opening(unsigned value) {
    return la_opening_name(value);
}
static const char *ending(unsigned value) {
    return la_ending_name(value);
}
static const char *closer(unsigned value) {
    return la_closer_name(value);
}
static const char *vantage(unsigned value) {
    return la_vantage_name(value);
}
static const char *form(unsigned value) {
    return la_reset_form_name(value);
}
static const char *cause(unsigned value) {
    return la_reset_cause_name(value);
}
static const char *late_cause(unsigned value) {
    return la_late_cause_name(value + 1);
}
static const char *undecoded(unsigned value) {
    return la_undecoded_name(value);
}
static const char *tunnel(unsigned value) {
    return la_tunnel_name(1u << value);
}
static const char *compression(unsigned value) {
    return la_compression_name(value);
}

static const struct {
    const char *schema, *path;
    unsigned count;
    name_at *name;
} lists[] = {
    {"connection-1.json", "$defs/state/enum", LA_ST_COUNT, state},
    {"connection-1.json", "$defs/kind/enum", LA_KIND_COUNT, kind},
    {"connection-1.json", "properties/opening/enum", LA_OPENING_COUNT, opening},
    {"connection-1.json", "properties/ending/enum", LA_ENDING_COUNT, ending},
    {"connection-1.json", "properties/first_closer/enum", LA_CLOSER_COUNT, closer},
    {"connection-1.json", "properties/resets/items/properties/form/enum", 2, form},
    {"connection-1.json", "properties/resets/items/properties/cause/enum", LA_RESET_CAUSE_COUNT,
     cause},
    {"connection-1.json", "properties/tunnels/items/enum", 12, tunnel},
    {"finding-1.json", "$defs/kind/enum", LA_KIND_COUNT, kind},
    {"finding-1.json", "$defs/severity/enum", LA_SEVERITY_COUNT, severity},
    {"finding-1.json", "properties/confidence/enum", 2, confidence},
    {"finding-1.json", "properties/responsible/properties/role/enum", LA_ROLE_COUNT, role},
    {"report-1.json",
     "properties/capture/properties/packets/properties/undecoded/propertyNames/enum",
     LA_UNDECODED_COUNT, undecoded},
    {"report-1.json",
     "properties/services/items/properties/connect_delay/properties/by_cause/items/properties/"
     "cause/enum",
     LA_LATE_CAUSE_COUNT - 1, late_cause},
    /* One more word each: the verdict may be "mixed", the compression null. */
    {"report-1.json", "properties/capture/properties/vantage/properties/verdict/enum",
     LA_VANTAGE_COUNT, vantage},
    {"report-1.json", "properties/inputs/items/properties/compression/enum",
     LA_COMPRESSION_BZIP2 + 1, compression},
};

static void enumerations_are_the_name_tables(void **unused) {
    (void)unused;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        json_t *schema = load(lists[i].schema), *words = at(schema, lists[i].path);
        size_t size = json_array_size(words);
        bool one_more = lists[i].name == vantage || lists[i].name == compression;
        assert_int_equal(size, lists[i].count + one_more);
        for (unsigned value = 0; value < lists[i].count; value++)
            assert_string_equal(json_string_value(json_array_get(words, value)),
                                lists[i].name(value));
        json_decref(schema);
    }
}

static const struct {
    const char *path;
    unsigned count;
    name_at *name;
} tallies[] = {
    {"properties/connections/properties/by_opening/required", LA_OPENING_COUNT, opening},
    {"properties/connections/properties/by_ending/required", LA_ENDING_COUNT, ending},
    {"properties/connections/properties/first_closer/required", LA_CLOSER_COUNT, closer},
    {"properties/capture/properties/vantage/properties/connections/required", LA_VANTAGE_COUNT,
     vantage},
    {"properties/resets/properties/by_cause/required", LA_RESET_CAUSE_COUNT, cause},
    {"$defs/forms/required", 2, form},
};

static void tallies_have_a_member_for_each_word(void **unused) {
    (void)unused;
    json_t *schema = load("report-1.json");
    for (size_t i = 0; i < sizeof tallies / sizeof tallies[0]; i++) {
        json_t *words = at(schema, tallies[i].path);
        assert_int_equal(json_array_size(words), tallies[i].count);
        for (unsigned value = 0; value < tallies[i].count; value++)
            assert_string_equal(json_string_value(json_array_get(words, value)),
                                tallies[i].name(value));
    }
    json_decref(schema);
}

static bool has_type(json_t *property, const char *type) {
    json_t *types = json_object_get(property, "type");
    size_t index;
    json_t *word;
    if (json_is_string(types))
        return strcmp(json_string_value(types), type) == 0;
    json_array_foreach(types, index, word) {
        if (strcmp(json_string_value(word), type) == 0)
            return true;
    }
    return false;
}

static bool allows_null(json_t *property) {
    json_t *words = json_object_get(property, "enum");
    size_t index;
    json_t *word;
    json_array_foreach(words, index, word) {
        if (json_is_null(word))
            return true;
    }
    return !words && has_type(property, "null");
}

static void assert_words(json_t *property, const char *const *words) {
    json_t *list = json_object_get(property, "enum");
    size_t count = 0;
    for (; words[count]; count++)
        assert_string_equal(json_string_value(json_array_get(list, count)), words[count]);
    assert_int_equal(json_array_size(list), count + allows_null(property));
}

/* {"$ref": "#/$defs/count"} is an integer too. */
static bool is_integer(json_t *property) {
    const char *ref = json_string_value(json_object_get(property, "$ref"));
    return has_type(property, "integer") || (ref && strcmp(ref, "#/$defs/count") == 0);
}

static void assert_detail(json_t *property, const struct la_detail_spec *spec) {
    assert_non_null(property);
    assert_int_equal(allows_null(property), spec->nullable);
    switch (spec->type) {
    case LA_DETAIL_WORD:
        assert_words(property, spec->words);
        break;
    case LA_DETAIL_BOOL:
        assert_true(has_type(property, "boolean"));
        break;
    case LA_DETAIL_INTEGER:
        assert_true(is_integer(property));
        break;
    case LA_DETAIL_SECONDS:
        assert_true(has_type(property, "number"));
        break;
    case LA_DETAIL_NULL:
        fail_msg("%s: a field cannot be declared null", spec->name);
    }
}

static void the_fields_of_a_kind_are_the_registrys(void **unused) {
    (void)unused;
    json_t *schema = load("finding-1.json"), *rules = at(schema, "allOf");
    assert_int_equal(json_array_size(rules), LA_KIND_COUNT);
    for (unsigned value = 0; value < LA_KIND_COUNT; value++) {
        json_t *rule = json_array_get(rules, value), *properties = at(rule, "then/properties");
        const char *name = json_string_value(at(rule, "if/properties/kind/const"));
        const struct la_detail_spec *spec = la_diagnosis_of(value)->details;
        size_t count = 0;
        assert_string_equal(name, la_kind_name(value));
        for (; spec->name; spec++, count++) {
            assert_detail(json_object_get(properties, spec->name), spec);
            assert_string_equal(json_string_value(json_array_get(at(rule, "then/required"), count)),
                                spec->name);
        }
        assert_int_equal(json_object_size(properties), count);
    }
    json_decref(schema);
}

/* The report's schema stands alone, so the finding's stands in it once more. */
static void the_report_holds_the_schema_of_its_instances(void **unused) {
    (void)unused;
    static const char *const keys[] = {"type", "properties", "required", "allOf",
                                       "unevaluatedProperties"};
    json_t *report = load("report-1.json"), *finding = load("finding-1.json");
    json_t *inner = at(report, "$defs/finding"), *definition;
    const char *name;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        assert_true(json_equal(at(inner, keys[i]), at(finding, keys[i])));
    assert_int_equal(json_object_size(inner), sizeof keys / sizeof keys[0]);
    json_object_foreach(at(finding, "$defs"), name, definition) {
        assert_true(json_equal(at(at(report, "$defs"), name), definition));
    }
    json_decref(report);
    json_decref(finding);
}

static void the_bounds_are_the_programs(void **unused) {
    (void)unused;
    json_t *report = load("report-1.json");
    json_t *finding = at(report, "properties/findings/items/properties");
    assert_int_equal(json_integer_value(at(finding, "hosts/maxItems")), LA_REPORT_HOSTS);
    assert_int_equal(json_integer_value(at(finding, "instances/maxItems")), LA_RESULT_INSTANCES);
    assert_string_equal(json_string_value(at(report, "properties/schema/const")), LA_REPORT_SCHEMA);
    assert_string_equal(json_string_value(at(report, "$id")), LA_REPORT_SCHEMA);
    json_decref(report);
}

/* Strict: an object that lists its members allows no others, and all are required. */
static void assert_strict(json_t *node, const char *where) {
    const char *name;
    json_t *child, *properties = json_object_get(node, "properties");
    size_t index;
    if (json_is_array(node)) {
        json_array_foreach(node, index, child) assert_strict(child, where);
        return;
    }
    if (!json_is_object(node))
        return;
    if (json_is_object(properties) && json_object_get(node, "type")) {
        bool closed = json_is_false(json_object_get(node, "additionalProperties")) ||
                      json_is_false(json_object_get(node, "unevaluatedProperties"));
        size_t optional = json_object_get(properties, "error") ? 1 : 0;
        if (!closed)
            print_error("%s is open\n", where);
        assert_true(closed);
        assert_int_equal(json_array_size(json_object_get(node, "required")) + optional,
                         json_object_size(properties));
    }
    json_object_foreach(node, name, child) {
        assert_strict(child, name);
    }
}

static void every_schema_is_strict(void **unused) {
    (void)unused;
    static const char *const names[] = {"report-1.json", "connection-1.json", "finding-1.json"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        json_t *schema = load(names[i]);
        assert_strict(schema, names[i]);
        json_decref(schema);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(enumerations_are_the_name_tables),
        cmocka_unit_test(tallies_have_a_member_for_each_word),
        cmocka_unit_test(the_fields_of_a_kind_are_the_registrys),
        cmocka_unit_test(the_report_holds_the_schema_of_its_instances),
        cmocka_unit_test(the_bounds_are_the_programs),
        cmocka_unit_test(every_schema_is_strict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
