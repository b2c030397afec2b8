"""Modules that Debian installs for its own Python alone: numpy, SciPy."""
import importlib
import os
import subprocess
import sys

PYTHON = "/usr/bin/python3"


def module(name):
    """Import it; where another Python runs this test and Debian's has the module, that takes over, from the
    beginning of the test. None where neither has it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        if os.path.realpath(sys.executable) != os.path.realpath(PYTHON) and os.access(PYTHON, os.X_OK) and not \
                subprocess.run([PYTHON, "-c", f"import {name}"], stderr=subprocess.DEVNULL,
                               check=False).returncode:
            os.execv(PYTHON, [PYTHON, *sys.argv])
        return None
