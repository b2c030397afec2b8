#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "common/azure/xml.h"

static void check_broken(const char *text, size_t size)
{
    struct xml xml;
    enum xml_event event;
    xml_init(&xml, text, size);
    while ((event = xml_next(&xml)) > XML_END_OF_TEXT)
        ;
    if (event != XML_BROKEN)
        fail_msg("%.*s was taken", (int)size, text);
    assert_int_equal(xml_next(&xml), XML_BROKEN);
    xml_fini(&xml);
}

static void what_is_not_well_formed_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "   ",
        "text",
        "<",
        "<a",
        "<a>",
        "<a></b>",
        "</a>",
        "<a/><b/>",
        "<a/>text",
        "<a>&unknown;</a>",
        "<a>&amp</a>",
        "<a>&#0;</a>",
        "<a>&#xd800;</a>",
        "<a>&#x110000;</a>",
        "<a>&#99999999999;</a>",
        "<a>&#;</a>",
        "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>",
        "<a b=\"<\"/>",
        "<a><![CDATA[x</a>",
        "<a><!-- x</a>",
        "<?xml",
        "<a><b></a></b>",
        "<1 2>",
        "<a\"b\">x</a>",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        check_broken(texts[i], strlen(texts[i]));
}

static void depth_is_bounded(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 65536);
    for (int i = 0; i <= XML_DEPTH_MAX; i++)
        buf_append_text(&text, "<a>");
    check_broken(buf_text(&text), text.size);
    buf_fini(&text);
}

/* The events of a text in short: "<a", ">a", characters as they are. */
static void check_events(const char *text, const char *expected)
{
    struct xml xml;
    struct buf events;
    enum xml_event event;
    buf_init(&events, 65536);
    xml_init(&xml, text, strlen(text));
    while ((event = xml_next(&xml)) > XML_END_OF_TEXT) {
        if (event == XML_TEXT)
            buf_append(&events, xml.text.data, xml.text.size);
        else
            buf_printf(&events, "%c%s", event == XML_START ? '<' : '>', xml.name);
    }
    assert_int_equal(event, XML_END_OF_TEXT);
    assert_string_equal(buf_text(&events), expected);
    buf_fini(&events);
    xml_fini(&xml);
}

static void well_formed_texts_come_piece_by_piece(void **state)
{
    (void)state;
    check_events("<a/>", "<a>a");
    check_events(
        "\xef\xbb\xbf<?xml version=\"1.0\"?>\n<!-- > --><a ><b c='>' d=\"/\" />x</a >\n",
        "<a<b>bx>a");
    check_events("<a>1 &lt; 2 &amp;&#65;&#x42;&#xe4;&#x20ac;&#x1f600;</a>",
                 "<a1 < 2 &AB\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80>a");
    check_events("<a><![CDATA[<b>&amp;]]]]><![CDATA[>]]></a>", "<a<b>&amp;]]>>a");
}

static void elements_are_found_by_their_path(void **state)
{
    (void)state;
    static const char xml[] =
        "<Error><Detail><Code>inner</Code></Detail><Code>Blob<b>no</b>NotFound</Code>"
        "<Code>second</Code><Empty/></Error>";
    static const struct {
        const char *path, *text;
    } cases[] = {
        {"Error/Code", "BlobNotFound"}, {"Error/Detail/Code", "inner"}, {"Error/Empty", ""},
        {"Error/Missing", NULL},        {"Error/Code/Missing", NULL},   {"Other", NULL}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct buf text;
        buf_init(&text, 1024);
        int rc = xml_find(xml, strlen(xml), cases[i].path, &text);
        assert_int_equal(rc, cases[i].text ? 0 : -1);
        if (cases[i].text)
            assert_string_equal(buf_text(&text), cases[i].text);
        buf_fini(&text);
    }
}

static void attributes_are_read(void **state)
{
    (void)state;
    static const char text[] = "<Name Encoded = \"true\" x='a&quot;b'>n</Name>";
    struct xml xml;
    struct buf value;
    buf_init(&value, 100);
    xml_init(&xml, text, strlen(text));
    assert_int_equal(xml_next(&xml), XML_START);
    assert_int_equal(xml_attribute(&xml, "Encoded", &value), 0);
    assert_string_equal(buf_text(&value), "true");
    buf_clear(&value);
    assert_int_equal(xml_attribute(&xml, "x", &value), 0);
    assert_string_equal(buf_text(&value), "a\"b");
    assert_int_equal(xml_attribute(&xml, "y", &value), -1);
    buf_fini(&value);
    xml_fini(&xml);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_well_formed_is_refused),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(well_formed_texts_come_piece_by_piece),
        cmocka_unit_test(elements_are_found_by_their_path),
        cmocka_unit_test(attributes_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
