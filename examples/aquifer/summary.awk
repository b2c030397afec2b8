# summary.awk - one screen about a calibration of aquifer.pst.
#
#     awk -f summary.awk aquifer.iobj aquifer.par.usum.csv aquifer.pred.usum.csv
#
# All parameters of aquifer.pst are estimated as logarithms (base 10), and so they stand in the
# second file; the forecast in the third does not.
BEGIN { FS = "," }

FNR == 1 {
    file++
    if (file == 2) {
        printf "phi %.6g%s\n%d iterations, %d model runs\n", first, steps, iterations, runs
        printf "\n  %-10s %12s %12s   %s\n", "parameter", "initial", "estimate", "95 % interval"
    }
    if (file == 3)
        printf "\n  %-10s %12s %12s   %s\n", "forecast", "at first", "now", "95 % interval"
    next
}

function power(logarithm) { return exp(logarithm * log(10)) }

file == 1 && $1 == 0 { first = $3 }
file == 1 && $1 > 0 { steps = steps sprintf(" -> %.6g", $3); iterations = $1; runs = $2 }
file == 2 {
    printf "  %-10s %12.4g %12.4g   %.4g to %.4g\n", $1, power($2), power($6), power($8), power($9)
}
file == 3 { printf "  %-10s %12.4g %12.4g   %.4g to %.4g m3/d\n", $1, $2, $6, $8, $9 }
