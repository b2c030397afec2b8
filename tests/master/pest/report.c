#include "config.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/pest/control.h"
#include "common/pest/parfile.h"
#include "master/pest/glm_report.h"
#include "master/pest/matrix.h"

static const char control_text[] =
    "pcf\n* control data\nrestart estimation\n3 2 1 1 2\n1 1 double point\n"
    "10 2 0.3 0.01 10\n10 10 0.001\n0.1\n20 0.005 4 4 0.005 4\n1 1 1 jcosaveitn parsaveitn\n"
    "* parameter groups\npg relative 0.01 0 switch 2 parabolic\n"
    "* parameter data\nkx log factor 2 0.1 10 pg 1 0 1\nss none relative 0.5 0 1 pg 1 0 1\n"
    "por fixed factor 0.25 0.1 0.5 pg 2 1 1\n"
    "* observation groups\nheads\nprior\n"
    "* observation data\nh1 10 2 heads\nh2 20 0.5 heads\n"
    "* model command line\n./model\n"
    "* model input/output\na.tpl a.in\nb.ins b.out\n"
    "* prior information\npi1 1.0 * log(kx) = 0.5 4 prior\n++overdue_something(3)\n";

struct fixture {
    char folder[64], control_path[96], base[96];
    struct pest_control *control;
    struct glm_view view;
    struct glm_report *report;
    struct glm_point base_point, best;
};

/* Values that can be told apart in every file. */
static double base_parameters[] = {2, 0.5, 0.25}, best_parameters[] = {4, 0.375, 0.25};
static double base_observations[] = {9, 18}, best_observations[] = {9.5, 19};
static double base_priors[] = {0.30102999566398120}, best_priors[] = {0.60205999132796240};
static double base_groups[] = {5, 0.6}, best_groups[] = {1.25, 0.2};
static const int columns[] = {0, 1};
static const double jacobian[] = {3, 4, -1.5, 0};

static int setup(void **state)
{
    static struct fixture fixture;
    struct error error;
    memset(&fixture, 0, sizeof fixture);
    snprintf(fixture.folder, sizeof fixture.folder, "/tmp/beofarm-report-XXXXXX");
    if (!mkdtemp(fixture.folder))
        return -1;
    snprintf(fixture.control_path, sizeof fixture.control_path, "%s/case.pst", fixture.folder);
    snprintf(fixture.base, sizeof fixture.base, "%s/case", fixture.folder);
    FILE *file = fopen(fixture.control_path, "we");
    if (!file || fputs(control_text, file) < 0 || fclose(file) != 0)
        return -1;
    fixture.control = pest_control_read(fixture.control_path, &error);
    if (!fixture.control) {
        print_error("%s\n", error.text);
        return -1;
    }
    fixture.base_point =
        (struct glm_point){base_parameters,
                           base_observations,
                           base_priors,
                           {.total = 5.6, .measurement = 5.6, .groups = base_groups}};
    fixture.best =
        (struct glm_point){best_parameters,
                           best_observations,
                           best_priors,
                           {.total = 1.45, .measurement = 1.45, .groups = best_groups}};
    fixture.view = (struct glm_view){.control = fixture.control,
                                     .folder = fixture.folder,
                                     .output_base = fixture.base,
                                     .column_count = 2,
                                     .columns = columns,
                                     .factor = 1,
                                     .max_relative_parameter = 1,
                                     .max_relative_change = 0.25,
                                     .max_factor_parameter = -1};
    fixture.report = glm_report_open(&fixture.view, &error);
    *state = &fixture;
    return fixture.report ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    glm_report_close(fixture->report);
    pest_control_free(fixture->control);
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", fixture->folder);
    return system(command);
}

static void tell(struct fixture *fixture, enum glm_event event)
{
    struct error error = {0};
    if (glm_report_tell(fixture->report, event, &fixture->view, &error) < 0)
        fail_msg("%s", error.text);
}

/* An estimation of one iteration. */
static void estimate(struct fixture *fixture)
{
    static const struct glm_trial trial = {.lambda = 10,
                                           .scale = 0.75,
                                           .best = true,
                                           .parameters = best_parameters,
                                           .observations = best_observations,
                                           .phi = {.total = 1.45}};
    struct glm_view *view = &fixture->view;
    tell(fixture, GLM_START);
    view->base = view->best = &fixture->base_point;
    view->runs = 3;
    view->iteration = 1;
    tell(fixture, GLM_BASE_RUN);
    view->jacobian = jacobian;
    tell(fixture, GLM_JACOBIAN);
    view->trial = &trial;
    view->runs = 7;
    tell(fixture, GLM_TRIAL);
    tell(fixture, GLM_TRIALS_END);
    view->best = &fixture->best;
    tell(fixture, GLM_ITERATION);
    view->reason = "phi is as low as it gets";
    tell(fixture, GLM_FINISHED);
}

static char *content(struct fixture *fixture, const char *extension)
{
    static char text[20000];
    char path[128];
    snprintf(path, sizeof path, "%s.%s", fixture->base, extension);
    FILE *file = fopen(path, "re");
    if (!file)
        fail_msg("there is no %s", path);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    return text;
}

static void assert_holds(const char *text, const char *wanted)
{
    if (!strstr(text, wanted))
        fail_msg("\"%s\" is not in:\n%s", wanted, text);
}

static void the_record_tells_the_story(void **state)
{
    struct fixture *fixture = *state;
    estimate(fixture);
    const char *text = content(fixture, "rec");
    assert_holds(text, "using control file: \"case.pst\"");
    assert_holds(text, "Number of adjustable parameters = 2");
    assert_holds(text, "OPTIMISATION ITERATION NUMBER: 1");
    assert_holds(text, "Model calls so far : 3");
    assert_holds(text, "Starting phi for this iteration                     Total : 5.6");
    assert_holds(text, "lambda = 10           scale = 0.75     phi = 1.45");
    assert_holds(text, "Maximum relative change = 0.25   [ss]");
    assert_holds(text, "Contribution to phi from observation group        \"heads\" : 1.25");
    assert_holds(text, "phi is as low as it gets");
    assert_holds(text, "Final phi                                           Total : 1.45");
    assert_holds(text, "++overdue_something(3)");
}

static void parameter_files_hold_the_best_and_each_iteration(void **state)
{
    static const struct {
        const char *extension;
        double kx;
    } files[] = {{"par", 4}, {"0.par", 2}, {"1.par", 4}, {"par.1", 4}};
    struct fixture *fixture = *state;
    estimate(fixture);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct pest_parfile parfile;
        struct error error;
        char path[128];
        snprintf(path, sizeof path, "%s.%s", fixture->base, files[i].extension);
        if (pest_parfile_read(path, &parfile, &error) < 0)
            fail_msg("%s", error.text);
        assert_int_equal(parfile.count, 3);
        assert_string_equal(parfile.rows[0].name, "kx");
        assert_true(parfile.rows[0].value == files[i].kx);
        assert_true(parfile.rows[2].scale == 2 && parfile.rows[2].offset == 1);
        pest_parfile_fini(&parfile);
    }
}

/* As pyemu reads them: the line that begins with "Name" heads columns between blanks. */
static void residuals_are_columns_under_a_line_of_names(void **state)
{
    static const char format[] = "%63s %63s %lf %lf %lf %lf";
    struct fixture *fixture = *state;
    char name[64], group[64];
    double measured, modelled, residual, weight;
    estimate(fixture);
    char *row = content(fixture, "rei");
    assert_holds(row, "ITERATION NO. 1:-");
    row = strchr(strstr(row, " Name "), '\n') + 1;
    assert_int_equal(sscanf(row, format, name, group, &measured, &modelled, &residual, &weight),
                     6);
    assert_string_equal(name, "h1");
    assert_string_equal(group, "heads");
    assert_true(measured == 10 && modelled == 9.5 && residual == 0.5 && weight == 2);
    row = strchr(strchr(row, '\n') + 1, '\n') + 1; /* past h2 */
    assert_int_equal(sscanf(row, format, name, group, &measured, &modelled, &residual, &weight),
                     6);
    assert_string_equal(name, "pi1");
    assert_true(weight == 4 && fabs(residual - (0.5 - best_priors[0])) < 1e-11); /* 12 digits */
}

static void sensitivities_are_lengths_of_weighted_columns(void **state)
{
    struct fixture *fixture = *state;
    double kx, ss, por;
    estimate(fixture);
    char *text = content(fixture, "isen");
    assert_holds(text, "iteration,kx,ss,por\n");
    assert_int_equal(sscanf(strchr(text, '\n'), " 1,%lf,%lf,%lf", &kx, &ss, &por), 3);
    /* Weights 2 and 0.5, two observations; 12 digits are written. */
    assert_true(fabs(kx - sqrt(6 * 6 + 2 * 2) / 2) < 1e-11);
    assert_true(fabs(ss - 3.0 / 2) < 1e-11);
    assert_true(por == -999);
    assert_holds(content(fixture, "sen"), "FOR OPTIMISATION ITERATION NO.   1 ----->");
}

static void tables_have_a_row_per_iteration(void **state)
{
    struct fixture *fixture = *state;
    estimate(fixture);
    assert_string_equal(content(fixture, "iobj"),
                        "iteration,model_runs_completed,total_phi,measurement_phi,"
                        "regularization_phi,heads,prior\n"
                        "0,3,5.6,5.6,0,5,0.6\n1,7,1.45,1.45,0,1.25,0.2\n");
    assert_string_equal(content(fixture, "ipar"),
                        "iteration,kx,ss,por\n0,2,0.5,0.25\n1,4,0.375,0.25\n");
    assert_string_equal(content(fixture, "upg.csv"),
                        "iteration,_is_super,_lambda,_scale_factor,kx,ss,por\n"
                        "1,0,10,0.75,4,0.375,0.25\n");
}

static void the_jacobian_has_rows_of_prior_information(void **state)
{
    static const char *const extensions[] = {"jco", "jco.1"};
    struct fixture *fixture = *state;
    estimate(fixture);
    for (size_t i = 0; i < 2; i++) {
        char path[128];
        struct error error;
        snprintf(path, sizeof path, "%s.%s", fixture->base, extensions[i]);
        struct matrix *matrix = matrix_read(path, MATRIX_BYTES_MAX, &error);
        if (!matrix)
            fail_msg("%s", error.text);
        assert_true(matrix->rows == 3 && matrix->columns == 2);
        assert_string_equal(matrix->row_names[2], "pi1");
        assert_string_equal(matrix->column_names[1], "ss");
        const double wanted[] = {3, 4, 1, -1.5, 0, 0};
        assert_memory_equal(matrix->values, wanted, sizeof wanted);
        matrix_free(matrix);
    }
}

static void a_folder_that_is_gone_fails_with_its_name(void **state)
{
    struct fixture *fixture = *state;
    struct glm_view view = fixture->view;
    struct error error;
    view.output_base = "/no/such/folder/case";
    assert_null(glm_report_open(&view, &error));
    assert_holds(error.text, "/no/such/folder/case.");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_record_tells_the_story, setup, teardown),
        cmocka_unit_test_setup_teardown(parameter_files_hold_the_best_and_each_iteration, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(residuals_are_columns_under_a_line_of_names, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(sensitivities_are_lengths_of_weighted_columns, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(tables_have_a_row_per_iteration, setup, teardown),
        cmocka_unit_test_setup_teardown(the_jacobian_has_rows_of_prior_information, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_folder_that_is_gone_fails_with_its_name, setup,
                                        teardown),
    };
    return cmocka_run_group_tests_name("master/pest/report", tests, NULL, NULL);
}
