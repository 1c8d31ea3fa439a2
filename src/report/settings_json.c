#include "report/settings_json.h"

#include "report/page_json.h"

static json_t *emit_default(const struct la_embedded *page) {
    return page ? la_emit_span(la_page_section(page, "Default")) : json_null();
}

static json_t *emit_setting(struct la_emit *emit, const struct la_setting *setting,
                            const struct la_host_evidence *evidence) {
    const struct la_embedded *page = la_page_of_setting(setting);
    struct la_judgement judgement;
    char verdict[LA_VERDICT_TEXT];
    la_audit_judge(setting, evidence, &judgement);
    const char *why = judgement.evidence[0] ? judgement.evidence : NULL;
    json_t *object = json_object();
    la_emit_put(emit, object, "name", json_string(setting->full_name));
    la_emit_put(emit, object, "value",
                la_emit_text(la_host_settings_text(evidence->settings, setting->full_name)));
    la_emit_put(emit, object, "default", emit_default(page));
    la_emit_put(emit, object, "verdict", json_string(la_verdict_text(&judgement, verdict)));
    la_emit_put(emit, object, "evidence", la_emit_text(why));
    la_emit_put(emit, object, "does", la_emit_bullets(emit, page, "What it does"));
    la_emit_put(emit, object, "does_not", la_emit_bullets(emit, page, "What it does not do"));
    return object;
}

static json_t *emit_audit(struct la_emit *emit, const struct la_host_evidence *evidence) {
    const struct la_setting *setting;
    json_t *array = json_array();
    for (size_t i = 0; (setting = la_setting_at(i)); i++)
        la_emit_add(emit, array, emit_setting(emit, setting, evidence));
    return array;
}

static json_t *emit_left_out(struct la_emit *emit, const struct la_host_settings *settings) {
    const char *complaint;
    json_t *object = json_object(), *lines = json_array();
    for (size_t i = 0; (complaint = la_host_settings_complaint(settings, i)); i++)
        la_emit_add(emit, lines, la_emit_text(complaint));
    la_emit_put(emit, object, "count", la_emit_count(la_host_settings_left_out(settings)));
    la_emit_put(emit, object, "lines", lines);
    return object;
}

json_t *la_emit_settings(struct la_emit *emit, const struct la_audit *audit) {
    const struct la_host_settings *settings;
    const struct la_addr *addr;
    json_t *array = json_array();
    for (size_t i = 0; (settings = la_hosts_settings_at(audit->hosts, i, &addr)); i++) {
        struct la_host_evidence evidence;
        json_t *object = json_object();
        if (la_host_evidence_gather(audit, i, &evidence) != LA_OK)
            emit->failed = true;
        la_emit_put(emit, object, "host", addr ? la_emit_addr(addr) : json_null());
        la_emit_put(emit, object, "path", la_emit_text(la_host_settings_path(settings)));
        la_emit_put(emit, object, "left_out", emit_left_out(emit, settings));
        la_emit_put(emit, object, "audit", emit_audit(emit, &evidence));
        la_emit_add(emit, array, object);
    }
    return array;
}
