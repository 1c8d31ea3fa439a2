#include "report/finding_json.h"

#include "audit/bearing.h"
#include "report/connection_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static json_t *emit_responsible(struct la_emit *emit, const struct la_finding *finding) {
    bool known = finding->responsible.host_known;
    json_t *object = json_object();
    json_t *host = known ? la_emit_addr(&finding->responsible.host) : json_null();
    la_emit_put(emit, object, "host", host);
    la_emit_put(emit, object, "role", json_string(la_role_name(finding->responsible.role)));
    la_emit_put(emit, object, "why", la_emit_text(finding->responsible.why));
    return object;
}

static json_t *emit_evidence(struct la_emit *emit, const struct la_finding *finding) {
    json_t *array = json_array();
    for (size_t i = 0; i < finding->evidence_count; i++) {
        const struct la_evidence *evidence = &finding->evidence[i];
        json_t *object = json_object();
        la_emit_put(emit, object, "file", la_emit_file(emit, evidence->where.input));
        la_emit_put(emit, object, "frame", la_emit_count(evidence->where.frame));
        la_emit_put(emit, object, "time", la_emit_time(emit, evidence->where.time_ns));
        la_emit_put(emit, object, "role", la_emit_text(evidence->role));
        la_emit_add(emit, array, object);
    }
    return array;
}

static int ascending(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The frames of the evidence in the first file that has any: Wireshark opens one file at a time. */
static size_t frames_of(const struct la_finding *finding, uint64_t frames[LA_FINDING_EVIDENCE]) {
    size_t count = 0;
    for (size_t i = 0; i < finding->evidence_count; i++) {
        if (finding->evidence[i].where.input == finding->evidence[0].where.input)
            frames[count++] = finding->evidence[i].where.frame;
    }
    qsort(frames, count, sizeof *frames, ascending);
    return count;
}

/* Wireshark's set syntax, with the commas that it wants since 4.0. */
static json_t *emit_display_filter(const struct la_finding *finding) {
    uint64_t frames[LA_FINDING_EVIDENCE] = {0};
    size_t count = frames_of(finding, frames);
    if (count == 0)
        return json_null();
    char text[32 + LA_FINDING_EVIDENCE * 22];
    size_t used = (size_t)snprintf(text, sizeof text, "frame.number in {");
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && frames[i] == frames[i - 1])
            continue;
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%" PRIu64, i ? ", " : "",
                                 frames[i]);
    }
    snprintf(text + used, sizeof text - used, "}");
    return json_string_nocheck(text);
}

static json_t *emit_assumes(struct la_emit *emit, const struct la_finding *finding) {
    json_t *array = json_array();
    for (size_t i = 0; i < finding->assume_count; i++)
        la_emit_add(emit, array, la_emit_text(finding->assumes[i]));
    return array;
}

static json_t *emit_excluded(struct la_emit *emit, const struct la_finding *finding) {
    json_t *array = json_array();
    for (size_t i = 0; i < finding->excluded_count; i++) {
        json_t *object = json_object();
        la_emit_put(emit, object, "kind", la_emit_text(finding->excluded[i].kind));
        la_emit_put(emit, object, "why", la_emit_text(finding->excluded[i].why));
        la_emit_add(emit, array, object);
    }
    return array;
}

/* What the hosts' own settings say where that bears on it. */
static json_t *emit_bearings(struct la_emit *emit, const struct la_finding *finding) {
    struct la_bearing bearings[LA_FINDING_SETTINGS];
    size_t count = la_bearings_of(finding, emit->hosts, bearings);
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        const struct la_bearing *b = &bearings[i];
        json_t *object = json_object();
        la_emit_put(emit, object, "host", la_emit_addr(b->host));
        la_emit_put(emit, object, "name", json_string(b->setting->full_name));
        la_emit_put(emit, object, "value", la_emit_text(b->value));
        la_emit_put(emit, object, "source", json_string(la_value_source_name(b->source)));
        la_emit_put(emit, object, "field", la_emit_text(b->field));
        la_emit_add(emit, array, object);
    }
    return array;
}

static json_t *emit_detail(const struct la_detail *detail) {
    switch (detail->type) {
    case LA_DETAIL_NULL:
        break;
    case LA_DETAIL_BOOL:
        return json_boolean(detail->value.boolean);
    case LA_DETAIL_INTEGER:
        return json_integer(detail->value.integer);
    case LA_DETAIL_SECONDS:
        return la_emit_seconds(detail->value.integer);
    case LA_DETAIL_WORD:
        return la_emit_text(detail->value.word);
    }
    return json_null();
}

static void put_parties(struct la_emit *emit, json_t *object, const struct la_finding *finding) {
    la_emit_put(emit, object, "host", la_emit_addr(&finding->host));
    la_emit_put(emit, object, "peer",
                finding->many_peers ? json_null() : la_emit_addr(&finding->peer));
    la_emit_put(emit, object, "responsible", emit_responsible(emit, finding));
    la_emit_put(emit, object, "connection", la_emit_connection_ref(emit, &finding->connection));
    la_emit_put(emit, object, "previous", la_emit_connection_ref(emit, &finding->previous));
}

static void put_proof(struct la_emit *emit, json_t *object, const struct la_finding *finding) {
    la_emit_put(emit, object, "evidence", emit_evidence(emit, finding));
    la_emit_put(emit, object, "display_filter", emit_display_filter(finding));
    la_emit_put(emit, object, "assumes", emit_assumes(emit, finding));
    la_emit_put(emit, object, "excluded", emit_excluded(emit, finding));
    la_emit_put(emit, object, "settings", emit_bearings(emit, finding));
}

json_t *la_emit_finding(struct la_emit *emit, const struct la_finding *finding) {
    const char *confidence = la_confidence_name(finding->confidence);
    json_t *object = json_object();
    la_emit_put(emit, object, "kind", json_string(la_kind_name(finding->kind)));
    la_emit_put(emit, object, "severity", json_string(la_severity_name(finding->severity)));
    la_emit_put(emit, object, "confidence", json_string(confidence));
    la_emit_put(emit, object, "time", la_emit_time(emit, finding->time_ns));
    la_emit_put(emit, object, "delay", la_emit_delay(finding->delay_ns));
    la_emit_put(emit, object, "summary", la_emit_text(finding->summary));
    put_parties(emit, object, finding);
    put_proof(emit, object, finding);
    for (size_t i = 0; i < finding->detail_count; i++)
        la_emit_put(emit, object, finding->details[i].name, emit_detail(&finding->details[i]));
    return object;
}
