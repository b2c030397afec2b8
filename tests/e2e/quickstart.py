#!/usr/bin/env python3
"""quickstart on machines that lack something: fake tools first in PATH, in a tree of its own."""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback

SOURCE = os.environ["BEOFARM_SOURCE"]

FAKES = {
    # Every package but libcjson-dev is there; that one is once apt-get has "installed" it.
    "dpkg-query": """
for last; do :; done
if [ "$last" = libcjson-dev ] && [ ! -e installed ]; then exit 1; fi
echo installed
""",
    "apt-get": """
echo "apt-get $*" >>calls
case "$*" in *install*) [ -z "$APT_FAILS" ] || exit 100; touch installed ;; esac
case "$*" in
*" nodejs npm") [ -z "$NODEJS_HAS_NPM" ] || exit 100; mv unpacked-npm bin/npm ;;
*" nodejs") mv unpacked-npm bin/npm ;;
esac
""",
    "id": 'echo "$FAKE_UID"\n',
    "sudo": """
[ -z "$SUDO_REFUSES" ] || exit 1
[ "$1" != -n ] || shift
echo "sudo $*" >>calls
exec "$@"
""",
    "autoreconf": """
echo autoreconf >>calls
printf '#!/bin/sh\\necho configure $* >>../calls; touch config.status; chmod +x config.status\\n' \\
    >configure
chmod +x configure
""",
    "pkg-config": """
for last; do :; done
[ "$last" = cmocka ] && [ ! -e cmocka ] && exit 1
echo 1.0
""",
    "make": """
echo "make $*" >>calls
[ -z "$MAKE_FAILS" ] || { echo 'error: it does not compile'; exit 2; }
""",
}


class Machine:
    """A tree with quickstart in it, and what its fake tools were called for."""

    def __init__(self, *without):
        self.root = tempfile.mkdtemp(prefix="beofarm-quickstart-")
        self.bin = os.path.join(self.root, "bin")
        os.makedirs(self.bin)
        os.makedirs(os.path.join(self.root, "tests"))
        shutil.copy(os.path.join(SOURCE, "quickstart"), self.root)
        shutil.copy(os.path.join(SOURCE, "tests/summary.py"), os.path.join(self.root, "tests"))
        for name, body in FAKES.items():
            if name not in without:
                path = os.path.join(self.bin, name)
                with open(path, "w", encoding="utf-8") as file:
                    file.write("#!/bin/sh" + ("\n" if not body.startswith("\n") else "") + body)
                os.chmod(path, 0o755)
        # A PATH of chosen tools alone, so that a tool left out is really not there.
        for name in ["sh", "bash", "env", "dirname", "cat", "grep", "tail", "tee", "touch", "mkdir",
                     "chmod", "nproc", "find", "python3", "awk", "sort", "true", "cmp", "cp", "mv",
                     "rm", "timeout", "nice", "sleep", "mktemp"]:
            os.symlink(shutil.which(name), os.path.join(self.bin, name))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.root)

    def run(self, *words, uid=0, **variables):
        environment = {"PATH": self.bin, "FAKE_UID": str(uid), "HOME": self.root, **variables}
        return subprocess.run(["./quickstart", *words], cwd=self.root, env=environment, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=200,
                              check=False)

    def calls(self):
        try:
            with open(os.path.join(self.root, "calls"), encoding="utf-8") as file:
                return file.read().splitlines()
        except FileNotFoundError:
            return []


def wrong_usage_is_code_2():
    with Machine() as machine:
        for words in [[], ["demonstrate"], ["demo", "--fast"], ["test", "sideways"]]:
            done = machine.run(*words)
            assert done.returncode == 2, (words, done)
            assert "usage:" in done.stderr or "see ./quickstart --help" in done.stderr, done
        assert "make" not in " ".join(machine.calls()), machine.calls()


def without_root_or_sudo_it_prints_the_list_and_stops():
    for machine, variables in [(Machine("sudo"), {}), (Machine(), {"SUDO_REFUSES": "1"})]:
        with machine:
            done = machine.run("demo", uid=1000, **variables)
            assert done.returncode == 4, done
            assert "packages are missing: libcjson-dev" in done.stdout, done
            wanted = "Ask for: apt-get install --no-install-recommends libcjson-dev"
            assert done.stderr.strip().endswith(wanted), done
            assert machine.calls() == [], machine.calls()


def without_dpkg_it_says_what_is_needed():
    with Machine("dpkg-query") as machine:
        done = machine.run("build")
        assert done.returncode == 4, done
        assert "not a Debian or Ubuntu system" in done.stderr and "libhwloc-dev" in done.stderr, done
        assert machine.run("build", "--no-install").returncode == 0


def when_apt_fails_it_fetches_the_lists_and_then_gives_up():
    with Machine() as machine:
        done = machine.run("build", APT_FAILS="1")
        assert done.returncode == 4, done
        assert "apt-get could not install them" in done.stderr, done
        calls = machine.calls()
        assert sum("install -y" in call for call in calls) == 2, calls
        assert any(call.endswith(" update") for call in calls), calls
        assert not any(call.startswith("make") for call in calls), calls


def root_installs_what_is_missing_and_builds():
    with Machine() as machine:
        done = machine.run("build")
        assert done.returncode == 0, done
        calls = [call for call in machine.calls() if not call.endswith(" update")]
        assert calls[0].endswith("install -y --no-install-recommends libcjson-dev"), calls
        assert calls[1:3] == ["autoreconf", "configure -q"], calls
        assert calls[3].startswith("make -C build "), calls
        last = done.stdout.splitlines()[-1]
        assert "build/beofarm" in last and "./quickstart demo" in last, done


def others_install_through_sudo():
    with Machine() as machine:
        done = machine.run("build", uid=1000)
        assert done.returncode == 0, done
        wanted = "sudo env DEBIAN_FRONTEND=noninteractive apt-get"
        assert any(call.startswith(wanted) and "install -y" in call for call in machine.calls())


def a_second_build_only_makes():
    with Machine() as machine:
        assert machine.run("build").returncode == 0
        before = len(machine.calls())
        assert machine.run("build").returncode == 0
        assert [call.split()[0] for call in machine.calls()[before:]] == ["make"], machine.calls()


def new_flags_are_configured_anew():
    with Machine() as machine:
        assert machine.run("build").returncode == 0
        assert machine.run("build", BEOFARM_CONFIGURE="--enable-werror").returncode == 0
        assert machine.calls()[-2] == "configure -q --enable-werror", machine.calls()


def a_library_that_has_come_is_configured_anew():
    with Machine() as machine:
        assert machine.run("build").returncode == 0
        with open(os.path.join(machine.root, "cmocka"), "w", encoding="utf-8"):
            pass
        assert machine.run("build").returncode == 0
        assert machine.calls().count("configure -q") == 2, machine.calls()
        assert machine.run("build").returncode == 0
        assert machine.calls().count("configure -q") == 2, machine.calls()


def a_build_that_fails_shows_the_end_of_its_log():
    with Machine() as machine:
        done = machine.run("demo", MAKE_FAILS="1")
        assert done.returncode == 4, done
        assert "error: it does not compile" in done.stderr, done


def a_suite_that_does_not_build_counts_as_failed():
    with Machine() as machine:
        done = machine.run("test", MAKE_FAILS="1")
        assert done.returncode == 1, done
        assert done.stdout.splitlines()[-1] == "0 passed, 1 failed, 0 skipped", done
        assert "error: it does not compile" in done.stdout, done


def a_suite_without_results_counts_as_failed():
    with Machine() as machine:
        done = machine.run("test")  # the fake make runs nothing
        assert done.returncode == 1, done
        assert done.stdout.splitlines()[-1] == "0 passed, 1 failed, 0 skipped", done


def variants_are_built_and_tested_each_once():
    with Machine() as machine:
        done = machine.run("test", "plain", "sanitize", "clang")
        made = [re.sub(r" -j \d+", "", call) for call in machine.calls() if call.startswith("make")]
        wanted = ["build all", "build check TESTS=", "build -k check", "build-sanitize all",
                  "build-sanitize check TESTS=", "build-sanitize -k check-sanitize", "build-clang all",
                  "build-clang check TESTS="]
        assert sorted(made) == sorted(f"make -C {words}" for words in wanted), made
        assert [c for c in made if " -k " in c] == [f"make -C {wanted[i]}" for i in (2, 5)], made
        # clang's build is all that is wanted of it; tests that leave nothing have failed.
        assert done.stdout.splitlines()[-1] == "1 passed, 2 failed, 0 skipped", done
        done = machine.run("test", "clang", "plain", MAKE_FAILS="1")
        assert done.stdout.splitlines()[-1] == "0 passed, 2 failed, 0 skipped", done


NPM = """#!/bin/sh
echo "npm $*" >>../calls
mkdir node_modules
[ -z "$NPM_FAILS" ] || { echo 'npm error: no way there'; exit 1; }
"""


def machine_with_npm_packages(place):
    """One whose npm is at this place in its tree: bin/npm, or unpacked-npm, which apt-get installs."""
    machine = Machine()
    os.makedirs(os.path.join(machine.root, "tests/npm"))
    shutil.copy(os.path.join(SOURCE, "tests/npm/package.json"),
                os.path.join(machine.root, "tests/npm"))
    with open(os.path.join(machine.root, place), "w", encoding="utf-8") as file:
        file.write(NPM)
    os.chmod(os.path.join(machine.root, place), 0o755)
    return machine


def npm_calls(machine):
    return [call for call in machine.calls() if call.startswith("npm") or "nodejs" in call]


def npm_packages_are_installed_once_and_without_a_lock_file():
    with machine_with_npm_packages("bin/npm") as machine:
        for _ in range(2):
            machine.run("test", BEOFARM_NPM="install")
        calls = npm_calls(machine)
        assert len(calls) == 1 and "--no-package-lock" in calls[0], calls


def npm_comes_with_its_package_or_with_nodejs():
    for has_npm, wanted in [("", [" nodejs npm"]), ("1", [" nodejs npm"] * 2 + [" nodejs"])]:
        with machine_with_npm_packages("unpacked-npm") as machine:
            machine.run("test", BEOFARM_NPM="install", NODEJS_HAS_NPM=has_npm)
            calls = npm_calls(machine)
            assert calls[-1].startswith("npm install"), calls
            assert len(calls) == len(wanted) + 1, calls
            assert all(c.endswith(w) for c, w in zip(calls, wanted)), calls


def without_npm_it_says_so_and_tests_the_rest():
    with machine_with_npm_packages("unpacked-npm") as machine:
        done = machine.run("test")
        assert "npm is not there" in done.stdout and not npm_calls(machine), done
        done = machine.run("test", BEOFARM_NPM="install", APT_FAILS="1")
        assert "npm is not there" in done.stdout, done
        calls = [call.split()[0] for call in machine.calls()]
        assert calls[-1] == "make" and "npm" not in calls, calls
        assert "npm" not in machine.run("test", "--no-install").stdout


def npm_packages_that_do_not_come_leave_nothing_half_installed():
    with machine_with_npm_packages("bin/npm") as machine:
        done = machine.run("test", NPM_FAILS="1")
        assert "no way there" in done.stdout and "will be skipped" in done.stdout, done
        assert os.listdir(os.path.join(machine.root, "build-npm")) == ["npm.log"]
        machine.run("test")
        assert len(npm_calls(machine)) == 2, machine.calls()


def what_a_test_leaves_behind_holds_nothing_up():
    with tempfile.TemporaryDirectory() as place:
        pid = os.path.join(place, "pid")
        script = f"setsid sleep 600 & echo $! >{pid}; echo '# so'; echo 'not ok 1 # SKIP it'; exit 3"
        try:
            ran = subprocess.run(
                [os.path.join(SOURCE, "tests", "run"), "sh", "-c", script],
                stdout=subprocess.PIPE, text=True, timeout=60,
            )
        finally:
            with open(pid) as file:
                os.kill(int(file.read()), signal.SIGKILL)
    assert (ran.returncode, ran.stdout) == (3, "# so\nok 1 - it # SKIP so\n"), (ran.returncode, ran.stdout)


TESTS = [
    wrong_usage_is_code_2,
    without_root_or_sudo_it_prints_the_list_and_stops,
    without_dpkg_it_says_what_is_needed,
    when_apt_fails_it_fetches_the_lists_and_then_gives_up,
    root_installs_what_is_missing_and_builds,
    others_install_through_sudo,
    a_second_build_only_makes,
    new_flags_are_configured_anew,
    a_library_that_has_come_is_configured_anew,
    a_build_that_fails_shows_the_end_of_its_log,
    a_suite_that_does_not_build_counts_as_failed,
    a_suite_without_results_counts_as_failed,
    variants_are_built_and_tested_each_once,
    npm_packages_are_installed_once_and_without_a_lock_file,
    npm_comes_with_its_package_or_with_nodejs,
    without_npm_it_says_so_and_tests_the_rest,
    npm_packages_that_do_not_come_leave_nothing_half_installed,
    what_a_test_leaves_behind_holds_nothing_up,
]


def main():
    print(f"1..{len(TESTS)}", flush=True)
    failed = False
    for number, test in enumerate(TESTS, 1):
        try:
            test()
            print(f"ok {number} - {test.__name__}", flush=True)
        except Exception:  # whatever it is, the others shall run
            failed = True
            for line in traceback.format_exc().splitlines():
                print(f"# {line}")
            print(f"not ok {number} - {test.__name__}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
