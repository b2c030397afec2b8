#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "master/pest/covariance.h"
#include "master/pest/fosm.h"
#include "master/pest/localizer.h"
#include "master/pest/matrix.h"
#include "tests/scratch.h"

static void refuse(const char *name, const char *text, const char *says)
{
    struct error error = {0};

    scratch_text(name, text);
    struct covariance *c = covariance_read(name, MATRIX_BYTES_MAX, &error);
    if (c || !strstr(error.text, says))
        print_message("# \"%s\" should say \"%s\"\n", error.text, says);
    assert_null(c);
    assert_non_null(strstr(error.text, says));
}

static void what_is_no_covariance_is_refused(void **state)
{
    (void)state;
    refuse("c.cov", "1 2 2\n1 2\n* row names\na\n* column names\na\nb\n", "is square");
    refuse("c.cov", "2 2 1\n1 0 0 0\n* row and column names\na\nb\n",
           "\"b\" has the variance 0");
    refuse("c.cov", "2 2 1\n1 0 0 -1\n* row and column names\na\nb\n", "above 0");
    refuse("c.cov", "2 2 1\n1 .5 .6 1\n* row and column names\na\nb\n",
           "the covariance of \"a\" and \"b\" is 0.5 in one place and 0.6");
    refuse("c.cov", "2 2 1\n1 0 0 1\n* row and column names\na\nA\n", "stands there twice");
    refuse("c.cov", "2 2 2\n1 0 0 1\n* row names\na\nb\n* column names\nb\na\n",
           "row 1 is named \"a\" and column 1 \"b\"");
}

static void bad_uncertainty_files_are_refused(void **state)
{
    (void)state;
    scratch_text("two.cov", "\xef\xbb\xbf 2 2 1\n1 .5 .5 1\n* row and column names\na\nb\n");
    scratch_text("one.txt", "x\n");
    refuse("u.unc", "# nothing\n", "names no parameters");
    refuse("u.unc", "hello\n", "u.unc:1: START STANDARD_DEVIATION or");
    refuse("u.unc", "START SOMETHING\n", "but not \"SOMETHING\"");
    refuse("u.unc", "START STANDARD_DEVIATION\na 1\n", "lacks its END");
    refuse("u.unc", "START STANDARD_DEVIATION\na\nEND STANDARD_DEVIATION\n",
           "u.unc:2: a number");
    refuse("u.unc", "START STANDARD_DEVIATION\na -1\nEND STANDARD_DEVIATION\n", "above 0");
    refuse("u.unc", "START STANDARD_DEVIATION\na 1\nEND COVARIANCE_MATRIX\n", "another block");
    refuse("u.unc", "START STANDARD_DEVIATION\na 1\nA 2\nEND STANDARD_DEVIATION\n", "twice");
    refuse("u.unc", "START COVARIANCE_MATRIX\nEND COVARIANCE_MATRIX\n", "names no file");
    refuse("u.unc", "START COVARIANCE_MATRIX\nfoo x\nEND COVARIANCE_MATRIX\n", "not \"foo\"");
    refuse("u.unc", "START COVARIANCE_MATRIX\nfile\nEND COVARIANCE_MATRIX\n", "missing after");
    refuse("u.unc", "START COVARIANCE_MATRIX\nfile no.cov\nEND COVARIANCE_MATRIX\n", "no.cov");
    refuse("u.unc",
           "START COVARIANCE_MATRIX\nfile two.cov\nparameter_list_file one.txt\n"
           "END COVARIANCE_MATRIX\n",
           "has 1 names, but the matrix has 2 rows");
    refuse("u.unc",
           "START COVARIANCE_MATRIX\nfile two.cov\nfirst_parameter a\nlast_parameter b\n"
           "END COVARIANCE_MATRIX\n",
           "order of parameters");
}

static void an_uncertainty_file_is_put_together(void **state)
{
    struct error error = {0};

    (void)state;
    scratch_text("two.cov", "2 2 1\n1 .5 .5 1\n* row and column names\na\nb\n");
    scratch_text("names.txt", "\xef\xbb\xbfP\nq\n");
    scratch_text(
        "u.unc",
        "\xef\xbb\xbf# a comment\n\nstart standard_deviation\n std_multiplier 2\n K1 3 # log\n"
        "end standard_deviation\nSTART COVARIANCE_MATRIX\n file \"two.cov\"\n"
        " variance_multiplier 4\n parameter_list_file names.txt\n"
        "END COVARIANCE_MATRIX\n");
    struct covariance *c = covariance_read("u.unc", MATRIX_BYTES_MAX, &error);
    static const double expected[9] = {36, 0, 0, 0, 4, 2, 0, 2, 4};
    assert_non_null(c);
    assert_int_equal(3, c->count);
    assert_string_equal("k1", c->names[0]);
    assert_string_equal("p", c->names[1]);
    assert_false(c->diagonal);
    assert_memory_equal(expected, c->values, sizeof expected);
    covariance_free(c);
}

static void names_are_put_in_order(void **state)
{
    static const char *const order[] = {"C", "new", "a"}, *const known[] = {"c", "a"};
    static const double variances[] = {0, 9, 0};
    struct error error = {0};

    (void)state;
    scratch_text("c.cov", "3 3 1\n4 1 2\n1 5 3\n2 3 6\n* row and column names\na\nb\nc\n");
    struct covariance *c = covariance_read("c.cov", MATRIX_BYTES_MAX, &error), *some;
    assert_non_null(c);
    assert_null(covariance_select(c, order, 3, NULL, &error));
    assert_non_null(strstr(error.text, "lacks 1 of 3 names: \"new\""));
    some = covariance_select(c, order, 3, variances, &error);
    static const double expected[9] = {6, 0, 2, 0, 9, 0, 2, 0, 4};
    assert_non_null(some);
    assert_memory_equal(expected, some->values, sizeof expected);
    covariance_free(some);
    some = covariance_select(c, known, 2, NULL, &error);
    assert_non_null(some);
    assert_true(some->values[0] == 6 && some->values[1] == 2 && some->values[3] == 4);
    covariance_free(some);
    covariance_free(c);
}

static void whitened_rows_have_the_norm_of_the_inverse(void **state)
{
    struct error error = {0};
    double a[5] = {9, 1, 9, 2, 9}, b[5] = {9, -3, 9, 0.5, 9}, *columns[2] = {a, b};
    size_t rows[2] = {3, 1};

    (void)state;
    scratch_text("c.cov", "2 2 1\n4 1\n1 2\n* row and column names\nx\ny\n");
    struct covariance *c = covariance_read("c.cov", MATRIX_BYTES_MAX, &error);
    assert_non_null(c);
    assert_int_equal(0, covariance_factor(c, &error));
    assert_int_equal(0, covariance_whiten(c, columns, 2, rows, &error));
    /* C⁻¹ = [2 -1; -1 4] / 7; x = (2, 1) and (0.5, -3). */
    assert_true(fabs(a[3] * a[3] + a[1] * a[1] - (2 * 4 - 2 * 2 + 4) / 7.0) < 1e-15);
    assert_true(fabs(b[3] * b[3] + b[1] * b[1] - (2 * 0.25 + 3 + 36) / 7.0) < 1e-14);
    assert_true(fabs(a[3] * b[3] + a[1] * b[1] - (2 - (-6 + 0.5) - 12) / 7.0) < 1e-14);
    assert_true(a[0] == 9 && a[2] == 9 && b[4] == 9);
    assert_int_equal(0, covariance_unwhiten(c, columns, 2, rows, &error));
    assert_true(fabs(a[3] - 2) < 1e-15 && fabs(a[1] - 1) < 1e-15 && fabs(b[1] + 3) < 1e-15);

    double inverse[4], x[2] = {2, 1}, y[2];
    assert_int_equal(0, covariance_invert(c, inverse, &error));
    assert_true(fabs(inverse[0] - 2 / 7.0) < 1e-15 && fabs(inverse[1] + 1 / 7.0) < 1e-15 &&
                inverse[1] == inverse[2]);
    covariance_multiply(c, x, y);
    assert_true(y[0] == 9 && y[1] == 4 && covariance_quadratic(c, x) == 22);
    covariance_free(c);
}

static void dependent_rows_are_named(void **state)
{
    struct error error = {0};

    (void)state;
    scratch_text("c.cov", "2 2 1\n1 1\n1 1\n* row and column names\nx\ny\n");
    struct covariance *c = covariance_read("c.cov", MATRIX_BYTES_MAX, &error);
    assert_non_null(c);
    assert_int_equal(-1, covariance_factor(c, &error));
    assert_non_null(strstr(error.text, "the row of \"y\""));
    covariance_free(c);
}

/* --- with a control file ---------------------------------------------------------------------- */

static struct pest_control *control_make(const char *options)
{
    struct error error = {0};
    char text[4000];

    snprintf(
        text, sizeof text,
        "pcf\n* control data\nrestart estimation\n3 4 2 0 2\n1 1 double point 1 0 0\n"
        "10 -3 .3 .03 10\n10 10 .001\n.1\n30 .005 4 4 .005 4\n0 0 0\n* parameter groups\n"
        "g1 relative .01 .001 switch 2 parabolic\ng2 relative .01 .001 switch 2 parabolic\n"
        "* parameter data\nk log factor 1 .01 100 g1 1 0 1\ns none factor 5 1 9 g1 1 0 1\n"
        "f log factor 2 .1 10 g2 1 0 1\n* observation groups\nheads\nflows\n"
        "* observation data\nh1 1 1 heads\nh2 1 1 heads\nq1 1 2 flows\nq2 1 0 flows\n"
        "* model command line\nmodel\n* model input/output\na.tpl a.in\na.ins a.out\n%s\n",
        options);
    scratch_text("case.pst", text);
    struct pest_control *control = pest_control_read("case.pst", &error);
    if (!control)
        print_message("# %s\n", error.text);
    assert_non_null(control);
    return control;
}

static void the_prior_comes_from_bounds_or_a_file(void **state)
{
    size_t all[3] = {0, 1, 2};
    struct error error = {0};
    struct pest_control *control = control_make("");

    (void)state;
    struct covariance *c = covariance_prior(control, all, 3, &error);
    assert_non_null(c);
    /* (log10 100 - log10 .01) / 4, (9 - 1) / 4, (log10 10 - log10 .1) / 4; log10 is exact here
     * to an ulp or two. */
    assert_true(fabs(c->values[0] - 1) < 1e-15 && c->values[1] == 4 &&
                fabs(c->values[2] - 0.25) < 1e-15);
    covariance_free(c);
    pest_control_free(control);

    control = control_make("++par_sigma_range(2)");
    c = covariance_prior(control, all + 1, 1, &error);
    assert_non_null(c);
    assert_true(c->count == 1 && c->values[0] == 16);
    covariance_free(c);
    pest_control_free(control);

    scratch_text("two.cov", "2 2 1\n1 .5 .5 1\n* row and column names\na\nb\n");
    scratch_text("p.unc", "START COVARIANCE_MATRIX\nfile two.cov\nfirst_parameter K\n"
                          "last_parameter s\nEND COVARIANCE_MATRIX\n");
    control = control_make("++parcov(p.unc)");
    c = covariance_prior(control, all, 3, &error);
    assert_non_null(c);
    static const double expected[4] = {1, .5, .5, 1};
    assert_true(c->values[0] == expected[0] && c->values[1] == expected[1] &&
                c->values[4] == 1 && c->values[2] == 0 && fabs(c->values[8] - .25) < 1e-15);
    covariance_free(c);
    pest_control_free(control);

    control = control_make("++parcov(missing.cov)");
    assert_null(covariance_prior(control, all, 3, &error));
    assert_non_null(strstr(error.text, "++parcov(missing.cov)"));
    pest_control_free(control);
    control = control_make("++par_sigma_range(0)");
    assert_null(covariance_prior(control, all, 3, &error));
    pest_control_free(control);
}

/* One parameter, n observations of weight w: 1 / (n w² + 1 / c). */
static void one_parameter_has_the_textbooks_posterior(void **state)
{
    const char *const names[] = {"k"};
    double variance = 4, normal = 3 * 0.5 * 0.5, one = 2, prior, posterior;
    struct error error = {0};
    struct covariance *c = covariance_from_variances(names, &variance, 1, &error);
    struct fosm *fosm = fosm_create(&normal, c, &error);

    (void)state;
    assert_non_null(fosm);
    assert_true(fabs(fosm_posterior(fosm)[0] - 1 / (0.75 + 0.25)) < 1e-15);
    fosm_forecast(fosm, &one, &prior, &posterior);
    assert_true(fabs(prior - 4) < 1e-15 && fabs(posterior - 2) < 1e-15);
    fosm_destroy(fosm);
    covariance_free(c);
}

/* A correlated prior against (A + C⁻¹)⁻¹ worked out for 2 x 2. */
static void a_correlated_prior_is_heeded(void **state)
{
    /* A = [2 1; 1 1], C⁻¹ = [2 -1; -1 4] / 7: the sum's inverse by its determinant. */
    double normal[4] = {2, 1, 1, 1}, a = 16 / 7.0, b = 6 / 7.0, d = 11 / 7.0;
    double determinant = a * d - b * b;
    struct error error = {0};

    (void)state;
    scratch_text("c.cov", "2 2 1\n4 1\n1 2\n* row and column names\nk\ns\n");
    struct covariance *c = covariance_read("c.cov", MATRIX_BYTES_MAX, &error);
    assert_non_null(c);
    struct fosm *fosm = fosm_create(normal, c, &error);
    assert_non_null(fosm);
    const double *p = fosm_posterior(fosm);
    assert_true(fabs(p[0] - d / determinant) < 1e-15 && fabs(p[3] - a / determinant) < 1e-15);
    assert_true(fabs(p[1] + b / determinant) < 1e-15 && p[1] == p[2]);
    assert_true(fosm_prior_deviation(fosm, 0) == 2);
    fosm_destroy(fosm);
    covariance_free(c);
}

static void weights_do_not_trust_misfit(void **state)
{
    double weights[5] = {1, 1, 0, 4, 2}, residuals[5] = {0.5, 10, 3, 0, 9}, found[5];
    bool regularisation[5] = {[4] = true};

    (void)state;
    fosm_weights(weights, residuals, regularisation, 5, found);
    assert_true(found[0] == 1 && found[1] == 0.1 && found[2] == 0 && found[3] == 4 &&
                found[4] == 0);
}

static void the_summaries_look_like_pestpps(void **state)
{
    struct pest_control *control = control_make("");
    size_t parameters[2] = {0, 1};
    double initial[2] = {1, 5}, final[2] = {10, 6}, normal[4] = {0, 0, 0, 0.75};
    struct fosm_prediction prediction = {"q2", 1, 0.5, 2, 0.25};
    double identifiability[2] = {0, 1};
    struct error error = {0};
    struct covariance *c = covariance_prior(control, parameters, 2, &error);
    struct fosm *fosm = fosm_create(normal, c, &error);

    (void)state;
    assert_non_null(fosm);
    assert_int_equal(
        0, fosm_write_parameters(fosm, control, parameters, initial, final, "case", &error));
    char *text = scratch_read("case.par.usum.csv", NULL);
    assert_string_equal("name,prior_mean,prior_stdev,prior_lower_bound,prior_upper_bound,"
                        "post_mean,post_stdev,post_lower_bound,post_upper_bound\n"
                        "k,0,1,-2,2,1,1,-1,3\ns,5,2,1,9,6,1,4,8\n",
                        text);
    free(text);
    assert_int_equal(0, fosm_write_predictions(&prediction, 1, "case", &error));
    text = scratch_read("case.pred.usum.csv", NULL);
    assert_non_null(strstr(text, "post_upper_bound\nq2,1,0.5,0,2,2,0.25,1.5,2.5\n"));
    free(text);
    assert_int_equal(
        0, fosm_write_identifiability(control, parameters, identifiability, 2, "case", &error));
    text = scratch_read("case.ident.csv", NULL);
    assert_string_equal("name,identifiability\nk,0\ns,1\n", text);
    free(text);
    assert_int_equal(0, fosm_write_covariance(fosm, "case", &error));
    struct covariance *posterior = covariance_read("case.post.cov", MATRIX_BYTES_MAX, &error);
    assert_non_null(posterior);
    assert_string_equal("s", posterior->names[1]);
    assert_true(posterior->diagonal && fabs(posterior->values[1] - 1) < 1e-15);
    covariance_free(posterior);
    fosm_destroy(fosm);
    covariance_free(c);
    pest_control_free(control);
}

static void identifiability_is_the_share_of_v1(void **state)
{
    double r = sqrt(0.5), vectors[4] = {r, r, r, -r}, found[2];

    (void)state;
    fosm_identifiability(vectors, 2, 1, found);
    assert_true(fabs(found[0] - 0.5) < 1e-15 && fabs(found[1] - 0.5) < 1e-15);
    fosm_identifiability(vectors, 2, 2, found);
    assert_true(fabs(found[0] - 1) < 1e-15);
}

static void localizers_know_groups_and_members(void **state)
{
    struct pest_control *control = control_make("");
    struct error error = {0};
    size_t observations[3] = {2, 0, 1};
    double found[3];
    long classes[3];

    (void)state;
    scratch_text("l.csv", "name,g1,k\nheads,.5,1\nh2,0,.25\n");
    struct localizer *l = localizer_read("l.csv", control, &error);
    assert_non_null(l);
    localizer_column(l, 0, observations, 3, found); /* k has a column of its own */
    assert_true(found[0] == 0 && found[1] == 1 && found[2] == 0.25);
    localizer_column(l, 1, observations, 3, found); /* s is in g1 */
    assert_true(found[0] == 0 && found[1] == 0.5 && found[2] == 0);
    assert_true(localizer_value(l, 0, 2) == 0);               /* f is not named */
    assert_int_equal(1, localizer_uncovered_observations(l)); /* q1; q2 has no weight */
    assert_int_equal(1, localizer_uncovered_parameters(l));
    localizer_classes(l, classes);
    assert_true(classes[0] == 1 && classes[1] == 0 && classes[2] == -1);
    assert_int_equal(2, localizer_class_count(l));
    localizer_free(l);

    static const struct {
        const char *text, *says;
    } cases[] = {
        {"name,k\nnothing,1\n", "\"nothing\" is neither an observation nor a group"},
        {"name,k,kk\nh1,1,1\n", "\"kk\" is neither a parameter nor a group"},
        {"name,k\nh1,1.5\n", "row \"h1\" and column \"k\" is 1.5"},
        {"name,k\nh1,-1\n", "from 0 to 1"},
        {"name,k\nh1,1\nH1,0\n", "stands there twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scratch_text("l.csv", cases[i].text);
        assert_null(localizer_read("l.csv", control, &error));
        assert_non_null(strstr(error.text, cases[i].says));
    }
    pest_control_free(control);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_covariance_is_refused),
        cmocka_unit_test(bad_uncertainty_files_are_refused),
        cmocka_unit_test(an_uncertainty_file_is_put_together),
        cmocka_unit_test(names_are_put_in_order),
        cmocka_unit_test(whitened_rows_have_the_norm_of_the_inverse),
        cmocka_unit_test(dependent_rows_are_named),
        cmocka_unit_test(the_prior_comes_from_bounds_or_a_file),
        cmocka_unit_test(one_parameter_has_the_textbooks_posterior),
        cmocka_unit_test(a_correlated_prior_is_heeded),
        cmocka_unit_test(weights_do_not_trust_misfit),
        cmocka_unit_test(the_summaries_look_like_pestpps),
        cmocka_unit_test(identifiability_is_the_share_of_v1),
        cmocka_unit_test(localizers_know_groups_and_members),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
