#!/usr/bin/env python3
"""`beofarm pest write` and `beofarm pest read`: a case's files by hand."""
import os
import shutil

import harness
from harness import Skip, test

CONTROL = """pcf
* control data
restart estimation
3 3 1 0 1
2 1 single point 1 0 0
10.0 -3.0 0.3 0.03 10
10.0 10.0 0.001
0.1
0 0.005 4 4 0.005 4
0 0 0
* parameter groups
g relative 0.01 0 always_2 2 parabolic
* parameter data
k1 none factor 0.5 0.1 100 g 1 0 1
k2 log factor 3 0.1 100 g 2 1 1
k3 tied factor 1 0.1 100 g 1 0 1
k3 k1
* observation groups
obs
* observation data
h1 1 1 obs
h2 2 1 obs
h3 3 1 obs
* model command line
true
* model input/output
a.tpl in\\a.dat
b.tpl b.dat
out.ins out.dat
"""


def _case(case):
    case.write("case.pst", CONTROL)
    case.write("a.tpl", "ptf ~\nk1 ~  k1  ~\nk2 ~k2~\n")
    case.write("b.tpl", "ptf #\n#   K2       # #   k3     #\n")
    case.write("out.ins", "pif @\n@head@ !h1!\nl1 !h2! [h3]10:13\n")
    os.makedirs(case.path("in"), exist_ok=True)


@test
def initial_values_are_written_with_scale_and_offset(case):
    _case(case)
    done = case.beofarm("pest", "write", "case.pst", expect=0)
    assert case.read("in", "a.dat") == "k1      0.5\nk2  7.0\n"
    assert case.read("b.dat") == "           7.0          1.0\n"
    assert "b.dat written from b.tpl" in done.err and done.out == "", done


@test
def a_case_needs_no_ending(case):
    _case(case)
    case.write("case", "the model may have the name of its case")
    for verb in (["check"], ["pest", "write"]):
        case.beofarm(*verb, "case", expect=0)
    done = case.beofarm("run", "case", "--dry-run", expect=0)
    assert "case" in done.out, done
    assert "nosuch" in case.beofarm("run", "nosuch", expect=4).err


@test
def given_values_take_tied_parameters_along(case):
    _case(case)
    done = case.beofarm("pest", "write", "case.pst", "--values", "K1=2,k2=1.23456", "--list",
                        "--into", "new", expect=0)
    assert case.read("new", "in", "a.dat") == "k1      2.0\nk2 3.47\n"
    assert case.read("new", "b.dat") == "          3.47          4.0\n"
    rows = [line.split() for line in done.out.splitlines()]
    assert ["k2", "4", "1.23456", "3.47"] in rows, done


@test
def a_parameter_value_file_brings_its_own_scales(case):
    _case(case)
    case.write("case.par", "single point\nk1 1 1 0\nk2 2 10 0\nk3 5\n")
    case.beofarm("pest", "write", "case.pst", "--par", "case.par", expect=0)
    assert case.read("b.dat") == "          20.0          5.0\n"
    case.write("case.par", "single point\nk1 1 1 0\n")
    done = case.beofarm("pest", "write", "case.pst", "--par", "case.par", expect=3)
    assert 'case.par: the parameter "k2" is missing' in done.err, done


@test
def what_cannot_be_written_is_said_and_nothing_changes(case):
    _case(case)
    case.beofarm("pest", "write", "case.pst", expect=0)
    done = case.beofarm("pest", "write", "case.pst", "--values", "k2=-123456", expect=3)
    assert 'a.tpl:3: the value -246911 of parameter "k2"' in done.err, done
    assert case.read("b.dat") == "           7.0          1.0\n"
    case.write("a.tpl", "ptf ~\nk1 ~ k4 ~\n")
    done = case.beofarm("pest", "write", "case.pst", expect=3)
    assert 'a.tpl:2: the control file has no parameter "k4"' in done.err, done


@test
def wrong_command_lines_are_refused(case):
    _case(case)
    for arguments, sentence in [
        (["write"], "needs one control file"),
        (["read"], "needs one control file"),
        (["wrote", "case.pst"], 'did you mean "write"?'),
        (["write", "case.pst", "--values", "k1"], '"k1" is not NAME=VALUE'),
        (["write", "case.pst", "--values", "k1=x"], '"x" is not a number'),
        (["write", "case.pst", "--values", "kk1=1"], 'no parameter "kk1"; did you mean "k1"?'),
        (["write", "case.pst", "--from", "."], "beofarm pest write has no option --from"),
        (["read", "case.pst", "--list"], "beofarm pest read has no option --list"),
        (["check", "case.pst", "--out", "x"], "beofarm pest check has no option --out"),
    ]:
        done = case.beofarm("pest", *arguments, expect=2)
        assert sentence in done.err, done


@test
def observations_are_read_and_printed(case):
    _case(case)
    case.write("runs/out.dat", "junk\nhead 1.5D-3\n  -2.    7.25\n")
    done = case.beofarm("pest", "read", "case.pst", "--from", "runs", expect=0)
    assert [line.split() for line in done.out.splitlines()] == [
        ["h1", "0.0015"], ["h2", "-2"], ["h3", "7.25"]], done
    done = case.beofarm("pest", "read", "case.pst", "--from", "runs", "--out", "x.obf", expect=0)
    assert done.out == "" and case.read("x.obf").split()[:2] == ["h1", "0.0015"], done


@test
def what_cannot_be_read_is_said_with_both_lines(case):
    _case(case)
    done = case.beofarm("pest", "read", "case.pst", "--out", "x.obf", expect=3)
    assert "out.dat: the model has not written this file" in done.err, done
    case.write("out.dat", "junk\nhead NaN\n")
    done = case.beofarm("pest", "read", "case.pst", "--out", "x.obf", expect=3)
    assert "out.ins:2: !h1! in " in done.err and 'out.dat:2: "NaN" is NaN' in done.err, done
    assert not os.path.exists(case.path("x.obf"))
    case.write("out.ins", "pif @\nl1 !h1!\n")
    done = case.beofarm("pest", "read", "case.pst", expect=3)
    assert 'no instruction file reads the observation "h2"' in done.err, done


@test
def a_byte_order_mark_is_no_part_of_any_file(case):
    """Editors of Windows put one before what they save."""
    _case(case)
    case.write("p.par", "single point\nk1 4 1 0\nk2 2 1 0\nk3 8 1 0\n")
    case.write("out.dat", "head 1.5\n  -2.    7.25\n")

    def come_to(folder):
        case.beofarm("check", "case.pst", expect=0)
        case.beofarm("pest", "write", "case.pst", "--par", "p.par", "--into", folder, expect=0)
        read = case.beofarm("pest", "read", "case.pst", expect=0).out
        return case.read(folder, "in", "a.dat"), case.read(folder, "b.dat"), read

    plain = come_to("plain")
    for name in ("case.pst", "a.tpl", "b.tpl", "out.ins", "out.dat", "p.par"):
        case.write(name, "\ufeff" + case.read(name))
        assert come_to(name + ".d") == plain, name


@test
def upper_case_is_understood_in_every_language(case):
    """In Turkish the small letter of "I" is not "i"."""
    if not shutil.which("localedef"):
        raise Skip("localedef is not here")
    made = case.run("localedef", "-i", "tr_TR", "-f", "UTF-8", case.path("tr_TR.UTF-8"))
    if not os.path.isdir(case.path("tr_TR.UTF-8")):
        raise Skip(f"no Turkish can be made: {made.err.strip()}")
    _case(case)
    for name in ("case.pst", "out.ins"):
        text = case.read(name).replace("relative", "RELATIVE").replace("single", "SINGLE")
        case.write(name, text.replace("always", "ALWAYS").replace("pif", "PIF"))
    turkish = {"LOCPATH": case.folder, "LC_ALL": "tr_TR.UTF-8"}
    turkish["ASAN_OPTIONS"] = "detect_leaks=0"  # libp11-kit makes a locale, for which libc keeps LOCPATH
    case.beofarm("pest", "check", "case.pst", env=turkish, expect=0)


if __name__ == "__main__":
    harness.main(globals())
