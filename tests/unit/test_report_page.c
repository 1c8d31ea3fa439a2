/* The pages that are built in: their form, and how the report reads them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "diagnose/diagnose.h"
#include "report/page.h"

static const char *const sections[] = {
    "What it means", "How it is proven", "What it is mistaken for",
    "Causes",        "What helps",       "What does not help",
    "Fields",        "Example"};

enum { SECTIONS = sizeof sections / sizeof sections[0] };

static size_t count_bullets(struct la_span rest) {
    struct la_span bullet;
    size_t count = 0;
    while (la_page_next_bullet(&rest, &bullet))
        count++;
    return count;
}

static void every_kind_has_a_page_with_every_section_in_order(void **unused) {
    (void)unused;
    for (unsigned kind = 0; kind < LA_KIND_COUNT; kind++) {
        const struct la_embedded *page = la_page_of(kind);
        const char *last;
        char title[64];
        assert_non_null(page);
        snprintf(title, sizeof title, "# %s\n\n", la_kind_name(kind));
        assert_int_equal(strncmp(page->text, title, strlen(title)), 0);
        last = page->text;
        for (size_t i = 0; i < SECTIONS; i++) {
            struct la_span section = la_page_section(page, sections[i]);
            assert_true(section.length > 20);
            assert_true(section.text > last);
            last = section.text;
        }
    }
}

static void the_advice_sections_have_bullets(void **unused) {
    (void)unused;
    for (unsigned kind = 0; kind < LA_KIND_COUNT; kind++) {
        const struct la_embedded *page = la_page_of(kind);
        assert_true(count_bullets(la_page_section(page, "Causes")) >= 3);
        assert_true(count_bullets(la_page_section(page, "What helps")) >= 3);
        assert_true(count_bullets(la_page_section(page, "What does not help")) >= 3);
    }
}

/* The paragraph under the title is the registry's summary, as a sentence. */
static void the_summary_is_the_registrys(void **unused) {
    (void)unused;
    for (unsigned kind = 0; kind < LA_KIND_COUNT; kind++) {
        char text[512], expected[512];
        const char *from = strstr(la_page_of(kind)->text, "\n\n") + 2;
        struct la_span paragraph = {from, (size_t)(strstr(from, "\n\n") - from)};
        assert_true(paragraph.length < sizeof text);
        la_page_unwrap(paragraph, text);
        snprintf(expected, sizeof expected, "%s.", la_diagnosis_of(kind)->summary);
        expected[0] = (char)toupper((unsigned char)expected[0]);
        assert_string_equal(text, expected);
    }
}

static void every_field_and_every_word_is_explained(void **unused) {
    (void)unused;
    char wanted[80];
    for (unsigned kind = 0; kind < LA_KIND_COUNT; kind++) {
        const struct la_embedded *page = la_page_of(kind);
        const struct la_detail_spec *spec = la_diagnosis_of(kind)->details;
        for (; spec->name; spec++) {
            snprintf(wanted, sizeof wanted, "- `%s`:", spec->name);
            assert_non_null(strstr(la_page_section(page, "Fields").text, wanted));
        }
    }
}

static const char *const setting_sections[] = {
    "Default", "What it does", "What it does not do", "How it is judged", "See also",
};

enum { SETTING_SECTIONS = sizeof setting_sections / sizeof setting_sections[0] };

static void every_setting_has_a_page_with_every_section_in_order(void **unused) {
    (void)unused;
    const struct la_setting *setting;
    for (size_t i = 0; (setting = la_setting_at(i)); i++) {
        const struct la_embedded *page = la_page_of_setting(setting);
        char title[64];
        assert_non_null(page);
        snprintf(title, sizeof title, "# %s\n\n", setting->full_name);
        assert_int_equal(strncmp(page->text, title, strlen(title)), 0);
        const char *last = page->text;
        for (size_t j = 0; j < SETTING_SECTIONS; j++) {
            struct la_span section = la_page_section(page, setting_sections[j]);
            assert_true(section.length > 3);
            assert_true(section.text > last);
            last = section.text;
        }
        assert_true(count_bullets(la_page_section(page, "What it does")) >= 1);
        assert_true(count_bullets(la_page_section(page, "What it does not do")) >= 1);
        assert_true(count_bullets(la_page_section(page, "How it is judged")) >= 1);
    }
}

static struct la_embedded page_of(const char *text) {
    return (struct la_embedded){"test.md", text, strlen(text)};
}

static void bullets_are_joined_and_sections_end(void **unused) {
    (void)unused;
    struct la_embedded page =
        page_of("# x\n\nOne\nsentence.\n\n## A\n\nprose\n\n- first\n  goes on\n"
                "- second\n\n## B\n\n- other\n");
    struct la_span rest = la_page_section(&page, "A"), bullet;
    char line[64];
    assert_true(la_page_next_bullet(&rest, &bullet));
    la_page_unwrap(bullet, line);
    assert_string_equal(line, "first goes on");
    assert_true(la_page_next_bullet(&rest, &bullet));
    la_page_unwrap(bullet, line);
    assert_string_equal(line, "second");
    assert_false(la_page_next_bullet(&rest, &bullet));
}

static void the_summary_is_the_first_paragraph(void **unused) {
    (void)unused;
    struct la_embedded page = page_of("# x\n\nOne\nsentence.\n\n## A\n"), empty = page_of("");
    char text[64];
    la_page_unwrap(la_page_summary(&page), text);
    assert_string_equal(text, "One sentence.");
    assert_int_equal(la_page_summary(&empty).length, 0);
}

static void a_missing_section_is_empty(void **unused) {
    (void)unused;
    struct la_embedded page = page_of("# x\n\nOne.\n\n## A\n\ntext"), empty = page_of("");
    assert_int_equal(la_page_section(&page, "B").length, 0);
    assert_int_equal(la_page_section(&page, "A").length, 5);
    assert_int_equal(la_page_section(&empty, "A").length, 0);
}

static void the_table_is_sorted_and_terminated(void **unused) {
    (void)unused;
    assert_true(la_embedded_count >= LA_KIND_COUNT + 3);
    for (size_t i = 0; i < la_embedded_count; i++) {
        assert_true(i == 0 || strcmp(la_embedded[i - 1].name, la_embedded[i].name) < 0);
        assert_int_equal(strlen(la_embedded[i].text), la_embedded[i].length);
    }
    assert_null(la_embedded_find("no such text"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_has_a_page_with_every_section_in_order),
        cmocka_unit_test(the_advice_sections_have_bullets),
        cmocka_unit_test(the_summary_is_the_registrys),
        cmocka_unit_test(every_field_and_every_word_is_explained),
        cmocka_unit_test(every_setting_has_a_page_with_every_section_in_order),
        cmocka_unit_test(bullets_are_joined_and_sections_end),
        cmocka_unit_test(the_summary_is_the_first_paragraph),
        cmocka_unit_test(a_missing_section_is_empty),
        cmocka_unit_test(the_table_is_sorted_and_terminated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
