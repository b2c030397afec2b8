/*
 * aquifer - a groundwater model of the size that people calibrate on their laptops.
 *
 * Reads aquifer.in (a name and a number per line, # begins a comment) and writes heads.out, the
 * heads at the boreholes before and while the wells are pumped, and budget.out, the flows to the
 * river, also for a dry year in which the wells pump twice as much and recharge is three quarters.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/aquifer/aquifer.h"

#define LINE_MAX_SIZE 200
#define DRY_RECHARGE  0.75
#define DRY_PUMPING   2.0

static const double pumping_now[WELLS] = {700, 500}; /* m3/d */

static int complain(const char *what, const char *file)
{
    fprintf(stderr, "aquifer: %s %s: %s\n", what, file, strerror(errno));
    return -1;
}

/* Where the number called `name` belongs; NULL if there is no such number. */
static double *number_find(struct aquifer *aquifer, const char *name)
{
    static const char point[] = "transmissivity_";
    const char *digit = name + sizeof point - 1;
    if (strncmp(name, point, sizeof point - 1) == 0 && *digit >= '1' && *digit < '1' + PILOTS &&
        !digit[1])
        return &aquifer->transmissivity[*digit - '1'];
    if (strcmp(name, "recharge_upland") == 0)
        return &aquifer->recharge_upland;
    if (strcmp(name, "recharge_lowland") == 0)
        return &aquifer->recharge_lowland;
    if (strcmp(name, "river_conductance") == 0)
        return &aquifer->river_conductance;
    return strcmp(name, "hills_conductance") == 0 ? &aquifer->hills_conductance : NULL;
}

/* The next word of *text, ended in place; *text moves behind it. */
static char *word_take(char **text)
{
    static const char blanks[] = " \t\r\n";
    char *word = *text + strspn(*text, blanks);
    char *end = word + strcspn(word, blanks);
    *text = *end ? end + 1 : end;
    *end = 0;
    return word;
}

static int line_read(char *line, int number, struct aquifer *aquifer)
{
    line[strcspn(line, "#")] = 0;
    char *name = word_take(&line), *text = word_take(&line), *end;
    if (!*name)
        return 0;
    double *place = number_find(aquifer, name), value = strtod(text, &end);
    if (place && *text && !*end && value > 0) {
        *place = value;
        return 0;
    }
    fprintf(stderr,
            "aquifer: aquifer.in:%d: \"%s %s\" is no known name with a positive number\n",
            number, name, text);
    return -1;
}

static int input_read(struct aquifer *aquifer)
{
    char line[LINE_MAX_SIZE];
    int rc = 0;
    FILE *file = fopen("aquifer.in", "r");
    if (!file)
        return complain("cannot read", "aquifer.in");
    for (int number = 1; rc == 0 && fgets(line, sizeof line, file); number++)
        rc = line_read(line, number, aquifer);
    fclose(file);
    return rc;
}

static int heads_write(const struct aquifer_flow *before, const struct aquifer_flow *pumped)
{
    FILE *file = fopen("heads.out", "w");
    if (!file)
        return complain("cannot write", "heads.out");
    fprintf(file, "heads in m above the sea\n\n");
    fprintf(file, "borehole       x, m       y, m      before      pumped\n");
    for (int i = 0; i < BOREHOLES; i++)
        fprintf(file, "b%02d      %10.1f %10.1f %11.6f %11.6f\n", i + 1, aquifer_boreholes[i].x,
                aquifer_boreholes[i].y, aquifer_head(before, aquifer_boreholes[i]),
                aquifer_head(pumped, aquifer_boreholes[i]));
    return fclose(file) == 0 ? 0 : complain("cannot write", "heads.out");
}

static int budget_write(const struct aquifer_flow *before, const struct aquifer_flow *pumped,
                        const struct aquifer_flow *dry)
{
    FILE *file = fopen("budget.out", "w");
    if (!file)
        return complain("cannot write", "budget.out");
    fprintf(file, "flow to the river, m3/d\n");
    fprintf(file, "  before the wells: %.6e\n", before->river_inflow);
    fprintf(file, "  while pumping:    %.6e\n", pumped->river_inflow);
    fprintf(file, "  in a dry year:    %.6e\n", dry->river_inflow);
    return fclose(file) == 0 ? 0 : complain("cannot write", "budget.out");
}

static int model_run(const struct aquifer *aquifer)
{
    static struct aquifer_flow before, pumped, dry;
    const double none[WELLS] = {0},
                 more[WELLS] = {DRY_PUMPING * pumping_now[0], DRY_PUMPING * pumping_now[1]};
    struct aquifer dry_aquifer = *aquifer;
    dry_aquifer.recharge_upland *= DRY_RECHARGE;
    dry_aquifer.recharge_lowland *= DRY_RECHARGE;
    int rc = aquifer_solve(aquifer, none, &before);
    pumped = before;
    rc = rc == 0 ? aquifer_solve(aquifer, pumping_now, &pumped) : rc;
    dry = pumped;
    rc = rc == 0 ? aquifer_solve(&dry_aquifer, more, &dry) : rc;
    if (rc < 0)
        fprintf(stderr, "aquifer: the heads do not converge\n");
    else
        rc = heads_write(&before, &pumped);
    return rc == 0 ? budget_write(&before, &pumped, &dry) : rc;
}

int main(void)
{
    struct aquifer aquifer = {0};
    if (input_read(&aquifer) < 0)
        return 2;
    for (int i = 0; i < PILOTS; i++)
        if (aquifer.transmissivity[i] <= 0) {
            fprintf(stderr, "aquifer: aquifer.in has no transmissivity_%d\n", i + 1);
            return 2;
        }
    return model_run(&aquifer) == 0 ? 0 : 1;
}
