#include "diagnose/diagnose.h"
#include "report/accounts_json.h"
#include "report/emit.h"
#include "report/finding_json.h"
#include "report/page_json.h"
#include "report/report.h"
#include "report/settings_json.h"

#include <stdlib.h>
#include <string.h>

/* A count for each word of an enumeration, zero or not. */
struct tally {
    const uint64_t *counts;
    size_t count;
    const char *(*name)(unsigned);
};

static const char *opening_name(unsigned value) {
    return la_opening_name(value);
}
static const char *ending_name(unsigned value) {
    return la_ending_name(value);
}
static const char *closer_name(unsigned value) {
    return la_closer_name(value);
}
static const char *vantage_name(unsigned value) {
    return la_vantage_name(value);
}

static json_t *emit_tally(struct la_emit *emit, const struct tally *tally) {
    json_t *object = json_object();
    for (unsigned i = 0; i < tally->count; i++)
        la_emit_put(emit, object, tally->name(i), la_emit_count(tally->counts[i]));
    return object;
}

/* Inputs. */

static json_t *emit_linktypes(struct la_emit *emit, const struct la_input *input) {
    json_t *array = json_array();
    for (size_t i = 0; i < input->linktype_count; i++) {
        const char *name = la_linktype_name(input->linktypes[i]);
        json_t *word = name ? la_emit_text(name) : json_sprintf("%u", input->linktypes[i]);
        la_emit_add(emit, array, word);
    }
    return array;
}

static json_t *emit_input_error(struct la_emit *emit, const struct la_error *error) {
    json_t *object = json_object();
    la_emit_put(emit, object, "message", la_emit_text(error->text));
    la_emit_put(emit, object, "offset", error->offset ? la_emit_count(error->offset) : json_null());
    return object;
}

static json_t *emit_input(struct la_emit *emit, const struct la_input *input) {
    bool dropped_known = input->dropped_known;
    json_t *object = json_object();
    json_t *dropped = dropped_known ? la_emit_count(input->dropped_by_capture) : json_null();
    json_t *snaplen = input->snaplen ? la_emit_count(input->snaplen) : json_null();
    la_emit_put(emit, object, "path", la_emit_text(input->path));
    la_emit_put(emit, object, "format", la_emit_text(input->format));
    la_emit_put(emit, object, "compression",
                la_emit_text(input->format ? la_compression_name(input->compression) : NULL));
    la_emit_put(emit, object, "link_types", emit_linktypes(emit, input));
    la_emit_put(emit, object, "snaplen", snaplen);
    la_emit_put(emit, object, "packets", la_emit_count(input->packets));
    la_emit_put(emit, object, "bytes", la_emit_count(input->bytes));
    la_emit_put(emit, object, "dropped_by_capture", dropped);
    la_emit_put(emit, object, "first", la_emit_time(emit, input->first_ns));
    la_emit_put(emit, object, "last", la_emit_time(emit, input->last_ns));
    if (input->error.status != LA_OK)
        la_emit_put(emit, object, "error", emit_input_error(emit, &input->error));
    return object;
}

static json_t *emit_inputs(struct la_emit *emit, const struct la_report *report) {
    json_t *array = json_array();
    for (size_t i = 0; i < report->input_count; i++)
        la_emit_add(emit, array, emit_input(emit, report->inputs[i]));
    return array;
}

/* The capture as a whole. */

struct sums {
    int64_t first_ns, last_ns;
    uint64_t filtered, clock_steps;
};

static struct sums sum_inputs(const struct la_report *report) {
    struct sums sums = {.first_ns = LA_TIME_NONE, .last_ns = LA_TIME_NONE};
    for (size_t i = 0; i < report->input_count; i++) {
        const struct la_input *input = report->inputs[i];
        sums.filtered += input->filtered;
        sums.clock_steps += input->time_steps_back;
        if (input->first_ns == LA_TIME_NONE)
            continue;
        if (sums.first_ns == LA_TIME_NONE || input->first_ns < sums.first_ns)
            sums.first_ns = input->first_ns;
        if (sums.last_ns == LA_TIME_NONE || input->last_ns > sums.last_ns)
            sums.last_ns = input->last_ns;
    }
    return sums;
}

static json_t *emit_undecoded(struct la_emit *emit, const struct la_decode_counts *counts) {
    json_t *object = json_object();
    for (unsigned why = 0; why < LA_UNDECODED_COUNT; why++) {
        if (counts->undecoded[why] > 0)
            la_emit_put(emit, object, la_undecoded_name(why),
                        la_emit_count(counts->undecoded[why]));
    }
    return object;
}

static json_t *emit_packets(struct la_emit *emit, const struct la_report *report,
                            uint64_t filtered) {
    const struct la_decode_counts *counts = report->counts;
    uint64_t total = counts->tcp + counts->other;
    for (size_t why = 0; why < LA_UNDECODED_COUNT; why++)
        total += counts->undecoded[why];
    json_t *object = json_object();
    la_emit_put(emit, object, "total", la_emit_count(total));
    la_emit_put(emit, object, "tcp", la_emit_count(counts->tcp));
    la_emit_put(emit, object, "other", la_emit_count(counts->other));
    la_emit_put(emit, object, "undecoded", emit_undecoded(emit, counts));
    la_emit_put(emit, object, "filtered", la_emit_count(filtered));
    return object;
}

/* Where most of the connections that could tell say that the capture was taken; "mixed" when no
 * place has more than half of them. */
static const char *vantage_verdict(const struct la_result *result) {
    uint64_t known = 0;
    for (size_t kind = LA_VANTAGE_UNKNOWN + 1; kind < LA_VANTAGE_COUNT; kind++)
        known += result->by_vantage[kind];
    if (known == 0)
        return la_vantage_name(LA_VANTAGE_UNKNOWN);
    for (unsigned kind = LA_VANTAGE_UNKNOWN + 1; kind < LA_VANTAGE_COUNT; kind++) {
        if (result->by_vantage[kind] > known / 2)
            return la_vantage_name(kind);
    }
    return "mixed";
}

static json_t *emit_vantage(struct la_emit *emit, const struct la_result *result) {
    struct tally tally = {result->by_vantage, LA_VANTAGE_COUNT, vantage_name};
    json_t *object = json_object();
    la_emit_put(emit, object, "verdict", la_emit_text(vantage_verdict(result)));
    la_emit_put(emit, object, "connections", emit_tally(emit, &tally));
    return object;
}

static json_t *emit_capture(struct la_emit *emit, const struct la_report *report) {
    const struct la_result *result = report->result;
    struct sums sums = sum_inputs(report);
    json_t *object = json_object();
    la_emit_put(emit, object, "first", la_emit_time(emit, sums.first_ns));
    la_emit_put(emit, object, "last", la_emit_time(emit, sums.last_ns));
    la_emit_put(emit, object, "packets", emit_packets(emit, report, sums.filtered));
    la_emit_put(emit, object, "vantage", emit_vantage(emit, result));
    la_emit_put(emit, object, "missing_segments", la_emit_count(result->missing_segments));
    la_emit_put(emit, object, "duplicates", la_emit_count(result->duplicates));
    la_emit_put(emit, object, "clock_steps", la_emit_count(sums.clock_steps));
    return object;
}

/* Connections. */

static void emit_connections(struct la_emit *emit, const char *name,
                             const struct la_result *result) {
    struct tally openings = {result->by_opening, LA_OPENING_COUNT, opening_name};
    struct tally endings = {result->by_ending, LA_ENDING_COUNT, ending_name};
    struct tally closers = {result->first_closer, LA_CLOSER_COUNT, closer_name};
    la_text_open(emit->text, name, LA_TEXT_OBJECT);
    la_emit_item(emit, "total", la_emit_count(result->connections));
    la_emit_item(emit, "by_opening", emit_tally(emit, &openings));
    la_emit_item(emit, "by_ending", emit_tally(emit, &endings));
    la_emit_item(emit, "first_closer", emit_tally(emit, &closers));
    la_emit_histogram(emit, "connect_delay", &result->connect_delay);
    la_text_close(emit->text, LA_TEXT_OBJECT);
}

/* Resets. */

static json_t *emit_forms(struct la_emit *emit, const uint64_t forms[2]) {
    json_t *object = json_object();
    for (unsigned form = LA_RESET_BARE; form <= LA_RESET_WITH_ACK; form++)
        la_emit_put(emit, object, la_reset_form_name(form), la_emit_count(forms[form]));
    return object;
}

static json_t *emit_resets(struct la_emit *emit, const struct la_result *result) {
    uint64_t forms[2] = {0, 0};
    json_t *object = json_object(), *causes = json_object();
    for (unsigned cause = 0; cause < LA_RESET_CAUSE_COUNT; cause++) {
        forms[0] += result->resets[cause][0];
        forms[1] += result->resets[cause][1];
        la_emit_put(emit, causes, la_reset_cause_name(cause),
                    emit_forms(emit, result->resets[cause]));
    }
    la_emit_put(emit, object, "total", la_emit_count(forms[0] + forms[1]));
    la_emit_put(emit, object, "by_form", emit_forms(emit, forms));
    la_emit_put(emit, object, "by_cause", causes);
    return object;
}

/* Findings. */

static json_t *emit_advice(struct la_emit *emit, enum la_kind kind) {
    const struct la_embedded *page = la_page_of(kind);
    json_t *object = json_object();
    la_emit_put(emit, object, "causes", la_emit_bullets(emit, page, "Causes"));
    la_emit_put(emit, object, "remedies", la_emit_bullets(emit, page, "What helps"));
    la_emit_put(emit, object, "avoid", la_emit_bullets(emit, page, "What does not help"));
    return object;
}

static json_t *emit_hosts(struct la_emit *emit, const struct la_host_counts *hosts) {
    struct la_host_count top[LA_REPORT_HOSTS];
    size_t count, total;
    if (la_host_counts_top(hosts, LA_REPORT_HOSTS, top, &count, &total) != LA_OK)
        return NULL;
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *host = json_object();
        la_emit_put(emit, host, "address", la_emit_addr(&top[i].addr));
        la_emit_put(emit, host, "count", la_emit_count(top[i].count));
        la_emit_add(emit, array, host);
    }
    return array;
}

static json_t *emit_instances(struct la_emit *emit, const struct la_kind_result *of) {
    json_t *array = json_array();
    for (size_t i = 0; i < of->instance_count; i++)
        la_emit_add(emit, array, la_emit_finding(emit, of->instances[i]));
    return array;
}

static json_t *emit_kind(struct la_emit *emit, const struct la_result *result, enum la_kind kind) {
    const struct la_kind_result *of = &result->kinds[kind];
    json_t *object = json_object();
    const char *severity = la_severity_name(la_result_worst(result, kind));
    la_emit_put(emit, object, "kind", json_string(la_kind_name(kind)));
    la_emit_put(emit, object, "severity", json_string(severity));
    la_emit_put(emit, object, "observed", la_emit_count(of->observed));
    la_emit_put(emit, object, "inferred", la_emit_count(of->inferred));
    la_emit_put(emit, object, "count", la_emit_count(la_result_count(result, kind)));
    la_emit_put(emit, object, "hosts", emit_hosts(emit, &of->hosts));
    la_emit_put(emit, object, "summary", la_emit_text(la_diagnosis_of(kind)->summary));
    la_emit_put(emit, object, "advice", emit_advice(emit, kind));
    la_emit_put(emit, object, "instances", emit_instances(emit, of));
    return object;
}

/* Whether kind `a` stands before kind `b`: the worst severity, then the most instances, first. */
static bool is_before(const struct la_result *result, enum la_kind a, enum la_kind b) {
    enum la_severity x = la_result_worst(result, a), y = la_result_worst(result, b);
    if (x != y)
        return x > y;
    uint64_t m = la_result_count(result, a), n = la_result_count(result, b);
    return m != n ? m > n : a < b;
}

/* Insertion sort: there are as many kinds as a page has lines. */
static size_t order_kinds(const struct la_result *result, enum la_kind kinds[LA_KIND_COUNT]) {
    size_t count = 0;
    for (unsigned kind = 0; kind < LA_KIND_COUNT; kind++) {
        if (la_result_count(result, kind) == 0)
            continue;
        size_t at = count++;
        for (; at > 0 && is_before(result, kind, kinds[at - 1]); at--)
            kinds[at] = kinds[at - 1];
        kinds[at] = kind;
    }
    return count;
}

static json_t *emit_findings(struct la_emit *emit, const struct la_result *result) {
    enum la_kind kinds[LA_KIND_COUNT];
    size_t count = order_kinds(result, kinds);
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        la_emit_add(emit, array, emit_kind(emit, result, kinds[i]));
    return array;
}

/* Limits. */

struct limit {
    const char *name;
    int64_t bound; /* -1: none that could be said as a number */
    uint64_t left_out;
    const char *why;
};

static uint64_t instances_left_out(const struct la_result *result) {
    uint64_t left_out = 0;
    for (unsigned kind = 0; kind < LA_KIND_COUNT; kind++)
        left_out += la_result_count(result, kind) - result->kinds[kind].instance_count;
    return left_out;
}

static void put_limit(struct la_emit *emit, json_t *object, const struct limit *limit) {
    json_t *entry = json_object();
    json_t *bound = limit->bound < 0 ? json_null() : json_integer(limit->bound);
    la_emit_put(emit, entry, "bound", bound);
    la_emit_put(emit, entry, "left_out", la_emit_count(limit->left_out));
    la_emit_put(emit, entry, "why", la_emit_text(limit->why));
    la_emit_put(emit, object, limit->name, entry);
}

static json_t *emit_not_diagnosed(struct la_emit *emit, uint64_t diagnoses) {
    json_t *array = json_array();
    for (unsigned kind = 0; kind < LA_KIND_COUNT; kind++) {
        if (!(diagnoses >> kind & 1))
            la_emit_add(emit, array, json_string(la_kind_name(kind)));
    }
    return array;
}

static uint64_t beyond(size_t count, size_t bound) {
    return count > bound ? count - bound : 0;
}

static json_t *emit_limits(struct la_emit *emit, const struct la_report *report) {
    const struct la_result *result = report->result;
    const struct la_overview *overview = report->overview;
    const struct limit limits[] = {
        {"instances", LA_RESULT_INSTANCES, instances_left_out(result),
         "the report keeps the worst instances of each kind; --findings writes all of them"},
        {"evidence", LA_FINDING_EVIDENCE, result->evidence_dropped,
         "repeats beyond the first packets of an instance are not listed"},
        {"observations", -1, result->log_dropped,
         "segments that did not fit into the log of their connection"},
        {"places", LA_CONNECTION_VLANS, result->crowded,
         "connections seen in more files, VLANs or capture points than are kept of one"},
        {"waiting", LA_MEANWHILE_WAITING, result->unheard,
         "attempts that had to wait while so many others of the same two hosts did: what the "
         "server "
         "said meanwhile is not held against them"},
        {"pauses", LA_RESULT_PAUSES, result->pauses_dropped,
         "long pauses of the whole capture or of a tunnel beyond the first ones, and packets out "
         "of "
         "more kinds of tunnels in each other than are told apart: silence there counts as heard"},
        {"connections", -1, result->evicted,
         "connections settled early, because there was no memory to follow them further"},
        {"hosts", LA_REPORT_HOSTS, beyond(overview->host_count, LA_REPORT_HOSTS),
         "sockets names the hosts that had most of them"},
        {"services", LA_REPORT_SERVICES, beyond(overview->service_count, LA_REPORT_SERVICES),
         "services names those with most connections"},
        {"edges", LA_REPORT_EDGES, beyond(overview->connected_count, LA_REPORT_EDGES),
         "edges names those with most connections"},
        {"service_connections", LA_ACCOUNT_SERVICES, overview->connections_left_out,
         "connections of services beyond those that are followed, in none of the accounts"},
        {"client_connections", (int64_t)overview->clients_most * LA_PAIR_CLASSES,
         overview->clients_left_out,
         "connections of clients beyond those that are followed of a service: counted there, but "
         "in no edge and in no table of their host"},
    };
    json_t *object = json_object();
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        put_limit(emit, object, &limits[i]);
    la_emit_put(emit, object, "not_diagnosed", emit_not_diagnosed(emit, report->diagnoses));
    return object;
}

/* All of it. */

static void emit_report(struct la_emit *emit, const struct la_report *report) {
    const struct la_result *result = report->result;
    const struct la_overview *overview = report->overview;
    const struct la_audit audit = {result, overview, report->hosts};
    la_text_open(emit->text, NULL, LA_TEXT_OBJECT);
    la_emit_item(emit, "schema", json_string(LA_REPORT_SCHEMA));
    la_emit_item(emit, "lastack", json_string(LA_VERSION));
    la_emit_item(emit, "interrupted", json_boolean(report->interrupted));
    la_emit_item(emit, "inputs", emit_inputs(emit, report));
    la_emit_item(emit, "capture", emit_capture(emit, report));
    emit_connections(emit, "connections", result);
    la_emit_item(emit, "sockets", la_emit_sockets(emit, overview));
    la_emit_services(emit, "services", overview);
    la_emit_edges(emit, "edges", overview);
    la_emit_item(emit, "resets", emit_resets(emit, result));
    la_emit_item(emit, "findings", emit_findings(emit, result));
    la_emit_item(emit, "settings", la_emit_settings(emit, &audit));
    la_emit_item(emit, "limits", emit_limits(emit, report));
    la_text_close(emit->text, LA_TEXT_OBJECT);
}

/* With a line break behind it. */
static char *print_report(const struct la_report *report, size_t *length) {
    struct la_text text;
    struct la_emit emit = {.inputs = report->inputs,
                           .input_count = report->input_count,
                           .hosts = report->hosts,
                           .digits = la_emit_digits(report->inputs, report->input_count),
                           .text = &text};
    la_text_begin(&text, true);
    emit_report(&emit, report);
    text.failed |= emit.failed;
    char *bytes = la_text_end(&text, length);
    if (bytes)
        memcpy(bytes + (*length)++, "\n", 2);
    return bytes;
}

enum la_status la_report_write(const struct la_report *report, struct la_output *output,
                               struct la_error *err) {
    size_t length;
    char *text = print_report(report, &length);
    if (!text)
        return la_fail(err, LA_ENOMEM, "report: out of memory");
    (void)la_output_write(output, text, length); /* remembers that it failed */
    free(text);
    return LA_OK;
}

enum la_status la_report_text(const struct la_report *report, char **text, struct la_error *err) {
    size_t length;
    *text = print_report(report, &length);
    return *text ? LA_OK : la_fail(err, LA_ENOMEM, "report: out of memory");
}
