# summary.awk - one screen about results.csv of farm.json.
#
#     awk -f summary.awk results.csv
#
# Its fields hold no commas, except perhaps the last (a failure's sentence), which is not read.
BEGIN { FS = "," }

NR == 1 {
    for (i = 1; i <= NF; i++)
        at[$i] = i
    next
}

{ runs++ }

$at["status"] != "ok" { next }

{
    done++
    add("arrival_day", $at["arrival_day"])
    add("peak", $at["peak"])
    add("peak_day", $at["peak_day"])
    add("decayed_share", $at["decayed_share"])
    add("elapsed_s", $at["elapsed_s"])
    line[done] = $0
}

# Keep a column's numbers sorted; "nan" (the well was never reached) is no number.
function add(name, value, i) {
    if (value !~ /^[-+]?[0-9.]/)
        return
    value += 0
    for (i = ++count[name]; i > 1 && sorted[name, i - 1] > value; i--)
        sorted[name, i] = sorted[name, i - 1]
    sorted[name, i] = value
}

function show(name, text, n) {
    n = count[name]
    if (n > 0)
        printf "  %-34s %12.5g %12.5g %12.5g\n", text, sorted[name, 1],
            sorted[name, int((n + 1) / 2)], sorted[name, n]
}

# The run with the highest peak of those not shown yet.
function worst(i, best) {
    for (i = 1; i <= done; i++) {
        split(line[i], fields, ",")
        if (!shown[i] && (!best || fields[at["peak"]] + 0 > highest)) {
            best = i
            highest = fields[at["peak"]] + 0
        }
    }
    shown[best] = 1
    split(line[best], fields, ",")
    printf "  %6s %13s %9s %13s %12s %10s %10.3f %9.0f\n", fields[at["task"]],
        fields[at["conductivity"]], fields[at["porosity"]], fields[at["dispersivity"]],
        fields[at["retardation"]], fields[at["half_life"]], highest, fields[at["peak_day"]]
}

END {
    printf "%d of %d runs are done; the solute reaches the well in %d of them.\n\n", done, runs,
        count["arrival_day"]
    printf "  %-34s %12s %12s %12s\n", "", "lowest", "median", "highest"
    show("arrival_day", "arrival at the well, day")
    show("peak", "peak, relative to the spill")
    show("peak_day", "peak, day")
    show("decayed_share", "decayed on the way, share")
    show("elapsed_s", "one run, s")
    printf "\nThe three worst:\n"
    printf "  %6s %13s %9s %13s %12s %10s %10s %9s\n", "task", "conductivity", "porosity",
        "dispersivity", "retardation", "half_life", "peak", "peak_day"
    for (k = 1; k <= 3 && k <= done; k++)
        worst()
}
