#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "master/socket/book.h"

static uint32_t add(struct book *book, uint32_t client, double priority, const char *id)
{
    return book_add(book, client, priority, book_hash(client, id, strlen(id)), 100);
}

static struct book *with_clients(void)
{
    struct book *book = book_create();
    assert_int_equal(book_client_add(book, "one", 3), 0);
    assert_int_equal(book_client_add(book, "two", 3), 1);
    return book;
}

static void strangers_are_not_there(void **state)
{
    (void)state;
    struct book *book = book_create();
    assert_int_equal(book_first(book), 0);
    assert_null(book_entry(book, 0));
    assert_null(book_entry(book, 1));
    assert_null(book_client(book, 0));
    assert_int_equal(book_add(book, 0, 0, 1, 1), 0); /* there is no client */
    assert_int_equal(book_find(book, 1), 0);
    assert_int_equal(book_task_entry(book, 0), 0);
    assert_int_equal(book_task_entry(book, UINT64_MAX), 0);
    assert_int_equal(book_end(book, 1, RESULT_OK, 1), 0);
    assert_int_equal(book_client_find(book, "one", 3), -1);
    book_destroy(book);
    book_destroy(NULL);
}

static void higher_priorities_go_first_and_older_entries_before_younger(void **state)
{
    (void)state;
    struct book *book = with_clients();
    uint32_t low = add(book, 0, -1, "a"), first = add(book, 0, 0, "b");
    uint32_t second = add(book, 1, 0, "c"), high = add(book, 1, 2.5, "d");
    const uint32_t order[] = {high, first, second, low};
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(book_first(book), order[i]);
        assert_int_equal(book_take(book, order[i]), i + 1);
        assert_int_equal(book_task_entry(book, i + 1), order[i]);
    }
    assert_int_equal(book_first(book), 0);
    book_destroy(book);
}

/* Against a plain search, with entries that leave from the middle. */
static void the_first_is_the_first_whatever_leaves(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    struct book *book = with_clients();
    double priority[COUNT + 1];
    uint32_t random = 12345;
    for (uint32_t i = 1; i <= COUNT; i++) {
        random = random * 1664525 + 1013904223;
        priority[i] = (random >> 24) % 16;
        assert_int_equal(add(book, 0, priority[i], "x"), i);
    }
    for (uint32_t left = COUNT; left; left--) {
        uint32_t best = 0;
        for (uint32_t i = 1; i <= COUNT; i++)
            if (book_entry(book, i)->state == BOOK_WAITING &&
                (!best || priority[i] > priority[best]))
                best = i;
        assert_int_equal(book_first(book), best);
        random = random * 1664525 + 1013904223;
        uint32_t victim = random % COUNT + 1;
        if (random >> 31 && book_entry(book, victim)->state == BOOK_WAITING)
            book_end(book, victim, RESULT_CANCELLED, 1);
        else
            book_take(book, best);
    }
    assert_int_equal(book_first(book), 0);
    assert_int_equal(book_totals(book).waiting, 0);
    book_destroy(book);
}

static void ids_are_found_among_many(void **state)
{
    (void)state;
    struct book *book = with_clients();
    char id[16];
    for (int i = 0; i < 5000; i++) {
        int size = snprintf(id, sizeof id, "%d", i);
        assert_int_equal(book_find(book, book_hash(0, id, (size_t)size)), 0);
        assert_int_equal(add(book, 0, 0, id), i + 1);
    }
    for (int i = 0; i < 5000; i++) {
        int size = snprintf(id, sizeof id, "%d", i);
        assert_int_equal(book_find(book, book_hash(0, id, (size_t)size)), i + 1);
        assert_int_equal(book_find(book, book_hash(1, id, (size_t)size)), 0);
    }
    /* Of equal hashes all are found. */
    uint32_t first = book_add(book, 0, 0, 77, 1), second = book_add(book, 1, 0, 77, 1);
    uint32_t found = book_find(book, 77), next = book_find_next(book, found);
    assert_true((found == first && next == second) || (found == second && next == first));
    assert_int_equal(book_find_next(book, next), 0);
    book_destroy(book);
}

static void results_are_numbered_by_client_in_the_order_of_ends(void **state)
{
    (void)state;
    struct book *book = with_clients();
    uint32_t a = add(book, 0, 0, "a"), b = add(book, 0, 0, "b"), c = add(book, 1, 0, "c");
    assert_int_equal(book_take(book, a), 1);
    assert_int_equal(book_take(book, 0), 2); /* a number that stands for nothing */
    assert_int_equal(book_take(book, c), 3);
    assert_int_equal(book_totals(book).running, 2);
    assert_int_equal(book_end(book, c, RESULT_OK, 7), 1);
    assert_int_equal(book_end(book, b, RESULT_CANCELLED, 8), 1);
    assert_int_equal(book_end(book, a, RESULT_EXIT, 9), 2);
    assert_int_equal(book_end(book, b, RESULT_OK, 9), 0); /* once */
    assert_int_equal(book_client(book, 0)->ended[0], b);
    assert_int_equal(book_client(book, 0)->failed, 1);
    assert_int_equal(book_totals(book).failed, 1);
    assert_int_equal(book_totals(book).ended, 3);
    assert_int_equal(book_client(book, 0)->cancelled, 1);
    assert_int_equal(book_totals(book).cancelled, 1);
    /* What failed may be run once more, and is told anew. */
    assert_int_equal(book_end(book, a, RESULT_SIGNAL, 10), 0);
    assert_int_equal(book_end(book, a, RESULT_OK, 11), 3);
    assert_int_equal(book_entry(book, a)->end_at, 11);
    assert_int_equal(book_totals(book).failed, 0);
    assert_int_equal(book_totals(book).ended, 3);
    book_destroy(book);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strangers_are_not_there),
        cmocka_unit_test(higher_priorities_go_first_and_older_entries_before_younger),
        cmocka_unit_test(the_first_is_the_first_whatever_leaves),
        cmocka_unit_test(ids_are_found_among_many),
        cmocka_unit_test(results_are_numbered_by_client_in_the_order_of_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
