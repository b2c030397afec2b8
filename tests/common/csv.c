#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/buf.h"
#include "common/csv.h"

/* Reads all of `text`; prints its records as [field|field] into buf. */
static int read_all(const char *text, size_t size, struct buf *buf, struct error *error)
{
    struct csv_reader *reader = csv_open_memory(text, size, "p.csv", error);
    struct csv_record record;
    int got;
    assert_non_null(reader);
    buf_clear(buf);
    while ((got = csv_next(reader, &record, error)) > 0) {
        for (size_t i = 0; i < record.count; i++)
            buf_printf(buf, "%s%s", i ? "|" : "[", record.fields[i].text);
        buf_append_text(buf, "]");
    }
    csv_close(reader);
    return got;
}

static void malformed_tables_name_their_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *sentence;
    } table[] = {
        {"a,b\n1\n", "p.csv:2: 1 fields where the first line has 2"},
        {"a,b\n1,2,3\n", "p.csv:2: 3 fields where the first line has 2"},
        {"a,b\n1,2\n\n3,4\n", "p.csv:3: an empty line; only the file's end may have them"},
        {"\na,b\n", "p.csv:1: an empty line; only the file's end may have them"},
        {"a,b\n\"x\ny\",1\n3\n", "p.csv:4: 1 fields where the first line has 2"},
        {"a,b\n1,\"2\n\n", "p.csv:2: the quote that opens field 2 is not closed"},
        {"a,b\n1,2\"\n",
         "p.csv:2: a quote inside field 2; put the whole field in quotes and write "
         "the quote twice"},
        {"a,b\n\"1\" ,2\n", "p.csv:2: text after the closing quote of field 1"},
        {"a,b\r1,2\r",
         "p.csv:1: a carriage return without a line feed; end lines with LF or CRLF"},
        {"a,b\r", "p.csv:1: a carriage return without a line feed; end lines with LF or CRLF"},
        {"\xff\xfe"
         "a",
         "p.csv:1: the file is UTF-16; save it as UTF-8"},
    };
    struct buf buf;
    buf_init(&buf, 10000);
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct error error = {0};
        assert_int_equal(read_all(table[i].text, strlen(table[i].text), &buf, &error), -1);
        assert_string_equal(error.text, table[i].sentence);
        assert_int_equal(error.code, ERROR_CONFIG);
    }
    struct error error;
    assert_int_equal(read_all("a\0b,c\n", 6, &buf, &error), -1);
    assert_string_equal(error.text,
                        "p.csv:1: a NUL byte in field 1; is this a text file, in UTF-8?");
    assert_int_equal(read_all("\"a\0b\",c\n", 8, &buf, &error), -1);
    buf_fini(&buf);
}

static void a_mistake_ends_the_reading(void **state)
{
    (void)state;
    struct error error;
    struct csv_record record;
    struct csv_reader *reader = csv_open_memory("a,b\n1\n2,3\n", 10, "p.csv", &error);
    assert_int_equal(csv_next(reader, &record, &error), 1);
    assert_int_equal(csv_next(reader, &record, &error), -1);
    assert_int_equal(csv_next(reader, &record, &error), -1);
    csv_close(reader);
}

static void records_are_read_as_rfc_4180_has_them(void **state)
{
    (void)state;
    static const struct {
        const char *text, *records;
    } table[] = {
        {"", ""},
        {"\n\r\n\n", ""},
        {"a", "[a]"},
        {"a,b\n1,2", "[a|b][1|2]"},
        {"a,b\r\n1,2\r\n\r\n", "[a|b][1|2]"},
        {"\xEF\xBB\xBF"
         "a,b\n,\n",
         "[a|b][|]"},
        {"\"a, \"\"b\"\"\",\"x\r\ny\"\n\"\",\"\"\"\"\n", "[a, \"b\"|x\r\ny][|\"]"},
        {" a , b\n", "[ a | b]"},
        {"\"\"\n\"a\"\n", "[][a]"},
        {"caf\xc3\xa9,\xe9\n", "[caf\xc3\xa9|\xe9]"},
    };
    struct buf buf;
    buf_init(&buf, 10000);
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct error error = {0};
        int got = read_all(table[i].text, strlen(table[i].text), &buf, &error);
        if (got)
            fail_msg("%s", error.text);
        assert_string_equal(buf_text(&buf), table[i].records);
    }
    buf_fini(&buf);
}

static void lines_and_offsets_count_line_ends_in_fields(void **state)
{
    (void)state;
    static const char text[] = "a,b\n\"x\n\ny\",1\n2,3\n";
    struct error error;
    struct csv_record record;
    struct csv_reader *reader = csv_open_memory(text, strlen(text), "p.csv", &error);
    static const struct {
        uint64_t line, offset;
    } wanted[] = {{1, 0}, {2, 4}, {5, 13}};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(csv_next(reader, &record, &error), 1);
        assert_int_equal(record.line, wanted[i].line);
        assert_int_equal(record.offset, wanted[i].offset);
    }
    csv_close(reader);
}

static void fields_records_and_columns_are_bounded(void **state)
{
    (void)state;
    struct buf text, out;
    struct error error;
    buf_init(&text, 40 << 20);
    buf_init(&out, 40 << 20);
    uint8_t *room = buf_reserve(&text, CSV_FIELD_MAX + 1);
    memset(room, 'x', CSV_FIELD_MAX + 1);
    assert_int_equal(read_all((char *)room, CSV_FIELD_MAX, &out, &error), 0);
    assert_int_equal(out.size, CSV_FIELD_MAX + 2);
    assert_int_equal(read_all((char *)room, CSV_FIELD_MAX + 1, &out, &error), -1);
    room[0] = '"';
    assert_int_equal(read_all((char *)room, CSV_FIELD_MAX + 1, &out, &error), -1);
    assert_string_equal(error.text, "p.csv:1: the quote that opens field 1 is not closed");
    memset(room, ',', CSV_COLUMNS_MAX);
    assert_int_equal(read_all((char *)room, CSV_COLUMNS_MAX - 1, &out, &error), 0);
    assert_int_equal(read_all((char *)room, CSV_COLUMNS_MAX, &out, &error), -1);
    assert_string_equal(error.text, "p.csv:1: more than 1000000 fields");
    buf_clear(&text);
    room = buf_reserve(&text, CSV_RECORD_MAX + 2);
    memset(room, 'x', CSV_RECORD_MAX + 2);
    for (size_t i = 1000; i < CSV_RECORD_MAX + 2; i += 1000)
        room[i] = ',';
    assert_int_equal(read_all((char *)room, CSV_RECORD_MAX + 2, &out, &error), -1);
    assert_string_equal(error.text, "p.csv:1: the record is larger than 32 MiB");
    buf_fini(&text);
    buf_fini(&out);
}

static void write_file(const char *path, const char *text, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void bad_tables_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *sentence;
    } table[] = {
        {"", "bad.csv: the file is empty; its first line should name the columns"},
        {"K,,S\n", "bad.csv:1: column 2 has no name"},
        {"K,S,K\n", "bad.csv:1: two columns are called \"K\""},
        {"K;S\n1;2\n", "bad.csv:1: columns are separated by commas, not by semicolons or tabs"},
        {"K,S\n1,2\n3\n", "bad.csv:3: 1 fields where the first line has 2"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct error error;
        write_file("bad.csv", table[i].text, strlen(table[i].text));
        assert_null(csv_table_open("bad.csv", &error));
        assert_string_equal(error.text, table[i].sentence);
    }
    unlink("bad.csv");
    struct error error;
    assert_null(csv_table_open("bad.csv", &error));
    assert_string_equal(error.text, "bad.csv: cannot be opened: No such file or directory");
    assert_null(csv_table_open("/", &error));
    assert_string_equal(error.text, "/: not a regular file");
}

/* Rows longer and shorter than the reader's chunk, with line ends inside, in any order. */
static void any_row_of_a_table_can_be_read_again(void **state)
{
    (void)state;
    enum { ROWS = 3000 };
    struct buf text;
    struct error error;
    buf_init(&text, 64 << 20);
    buf_append_text(&text, "n,note\r\n");
    for (int i = 0; i < ROWS; i++)
        buf_printf(&text, "%d,\"%*s\nend\"\r\n", i, i % 7 == 0 ? 70000 / 7 : i % 11, "");
    buf_append_text(&text, "\n\n");
    write_file("rows.csv", (char *)text.data, text.size);
    struct csv_table *table = csv_table_open("rows.csv", &error);
    assert_non_null(table);
    assert_int_equal(csv_table_columns(table), 2);
    assert_string_equal(csv_table_names(table)[1], "note");
    assert_int_equal(csv_table_rows(table), ROWS);
    struct csv_record record;
    for (int i = 0; i < ROWS; i++) {
        int row =
            (int)((long)i * 1237 % ROWS); /* 1237 and 3000 have no common factor: all rows */
        assert_int_equal(csv_table_read(table, (uint64_t)row, &record, &error), 0);
        assert_int_equal(strtol(record.fields[0].text, NULL, 10), row);
        assert_int_equal(record.fields[1].size, (row % 7 == 0 ? 10000 : row % 11) + 4);
        assert_int_equal(record.line, 0);
    }
    assert_int_equal(csv_table_read(table, ROWS, &record, &error), -1);
    csv_table_close(table);
    buf_fini(&text);
    unlink("rows.csv");
}

static void a_table_that_changes_is_noticed(void **state)
{
    (void)state;
    enum { LAST = 99999 };
    struct error error;
    struct csv_record record;
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_append_text(&text, "K\n");
    for (int i = 0; i <= LAST; i++)
        buf_printf(&text, "%d\n", i);
    write_file("t.csv", (char *)text.data, text.size);
    struct csv_table *table = csv_table_open("t.csv", &error);
    assert_int_equal(csv_table_read(table, LAST, &record, &error), 0);
    assert_int_equal(strtol(record.fields[0].text, NULL, 10), LAST);
    assert_int_equal(record.line, LAST + 2);
    write_file("t.csv", (char *)text.data, text.size - 2);
    assert_int_equal(csv_table_read(table, 1, &record, &error), -1);
    assert_int_equal(error.code, ERROR_CHANGED);
    assert_string_equal(error.text, "t.csv: changed while it was in use");
    csv_table_close(table);
    buf_fini(&text);
    unlink("t.csv");
}

static void fields_are_quoted_only_where_they_need_it(void **state)
{
    (void)state;
    static const struct {
        const char *field, *written;
    } table[] = {
        {"", ""},
        {"a b", "a b"},
        {"a,b", "\"a,b\""},
        {"\"", "\"\"\"\""},
        {"a\nb", "\"a\nb\""},
        {" a", "\" a\""},
        {"a\t", "\"a\t\""},
        {"1e-3", "1e-3"},
        {"\r", "\"\r\""},
        {"caf\xc3\xa9", "caf\xc3\xa9"},
    };
    struct buf buf;
    buf_init(&buf, 100);
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        buf_clear(&buf);
        assert_int_equal(csv_put_field(&buf, table[i].field, strlen(table[i].field)), 0);
        assert_string_equal(buf_text(&buf), table[i].written);
    }
    buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_tables_name_their_line),
        cmocka_unit_test(a_mistake_ends_the_reading),
        cmocka_unit_test(records_are_read_as_rfc_4180_has_them),
        cmocka_unit_test(lines_and_offsets_count_line_ends_in_fields),
        cmocka_unit_test(fields_records_and_columns_are_bounded),
        cmocka_unit_test(bad_tables_are_refused),
        cmocka_unit_test(any_row_of_a_table_can_be_read_again),
        cmocka_unit_test(a_table_that_changes_is_noticed),
        cmocka_unit_test(fields_are_quoted_only_where_they_need_it),
    };
    /* Its files go into a folder of its own: tests run side by side. */
    char folder[] = "test_csv.XXXXXX";
    if (!mkdtemp(folder) || chdir(folder) < 0)
        return 99;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (chdir("..") < 0 || rmdir(folder) < 0)
        return 99;
    return failed;
}
