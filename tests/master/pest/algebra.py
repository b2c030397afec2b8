#!/usr/bin/env python3
"""The algebra of master/pest beside others': PEST's files read and written with struct alone, as
pyemu does it; upgrades and posterior covariances from numpy. Speaks TAP."""
import os
import random
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
import debian_python  # pylint: disable=wrong-import-position

BUILD = os.environ.get("BEOFARM_BUILD", ".")
TOOL = os.path.join(BUILD, "tests/master/pest/algebra_tool")
OLD, EXTENDED, DENSE, ASCII = 0, 1, 3, 4

numpy = debian_python.module("numpy")


def tool(*words):
    subprocess.run([TOOL, *map(str, words)], check=True, timeout=120)


# ---- files, as pyemu's mat_handler.py lays them out ----


def unpack(file, form):
    return struct.unpack("<" + form, file.read(struct.calcsize("<" + form)))


def read_sparse(path):
    """(column names, row names, {(row, column): value}) of an old or extended binary file."""
    with open(path, "rb") as file:
        columns, rows, count = unpack(file, "iii")
        values = {}
        if columns < 0:
            columns, rows = -columns, -rows
            for _ in range(count):
                place, value = unpack(file, "id")
                values[(place - 1) % rows, (place - 1) // rows] = value
            widths = 12, 20
        else:
            for _ in range(count):
                row, column, value = unpack(file, "iid")
                values[row, column] = value
            widths = 200, 200
        names = [[file.read(width).decode().strip() for _ in range(number)]
                 for width, number in zip(widths, (columns, rows))]
        assert not file.read(1), "bytes at the end"
    return names[0], names[1], values


def read_dense(path):
    """(column names, row names, rows) of a dense binary file."""
    with open(path, "rb") as file:
        zero, columns, again = unpack(file, "iii")
        assert zero == 0 and columns < 0 and again == columns, (zero, columns, again)
        sizes = unpack(file, f"{-columns}i")
        column_names = [file.read(size).decode() for size in sizes]
        row_names, rows = [], []
        while size := file.read(4):
            row_names.append(file.read(struct.unpack("<i", size)[0]).decode())
            rows.append(list(unpack(file, f"{-columns}d")))
    return column_names, row_names, rows


def write_dense(path, column_names, row_names, rows):
    with open(path, "wb") as file:
        file.write(struct.pack("<iii", 0, -len(column_names), -len(column_names)))
        file.write(struct.pack(f"<{len(column_names)}i", *map(len, column_names)))
        file.write("".join(column_names).encode())
        for name, row in zip(row_names, rows):
            file.write(struct.pack("<i", len(name)) + name.encode())
            file.write(struct.pack(f"<{len(row)}d", *row))


def example(rows, columns, long_names=False):
    generator = random.Random(rows * 100 + columns)
    extra = "_with_a_name_that_is_long" if long_names else ""
    return ([f"p{j}{extra}" for j in range(columns)], [f"o{i}{extra}" for i in range(rows)],
            [[0.0 if generator.random() < 0.3 else generator.gauss(0, 1) for _ in range(columns)]
             for _ in range(rows)])


def sparse_of(rows):
    return {(i, j): value for i, row in enumerate(rows) for j, value in enumerate(row) if value}


def jco_is_read_as_pyemu_reads_it():
    columns, names, rows = example(7, 4)
    write_dense("in.bin", columns, names, rows)
    tool("convert", "in.bin", "out.jco", OLD)
    assert read_sparse("out.jco") == (columns, names, sparse_of(rows))


def extended_binary_is_read_as_pyemu_reads_it():
    columns, names, rows = example(5, 9, long_names=True)
    write_dense("in.bin", columns, names, rows)
    tool("convert", "in.bin", "out.jcb", EXTENDED)
    assert read_sparse("out.jcb") == (columns, names, sparse_of(rows))


def dense_binary_is_read_as_pyemu_reads_it():
    columns, names, rows = example(6, 3)
    write_dense("in.bin", columns, names, rows)
    tool("convert", "in.bin", "out.jcb", OLD)
    tool("convert", "out.jcb", "back.bin", DENSE)
    assert read_dense("back.bin") == (columns, names, rows)


def fortran_records_are_read_too():
    columns, names, rows = example(4, 2)

    def record(form, *words):
        body = struct.pack("<" + form, *words)
        return struct.pack("<i", len(body)) + body + struct.pack("<i", len(body))

    values = sparse_of(rows)
    with open("in.jco", "wb") as file:
        file.write(record("ii", -2, -4) + record("i", len(values)))
        for (row, column), value in values.items():
            file.write(record("id", row + 1 + 4 * column, value))
        for width, list_of_names in ((12, columns), (20, names)):
            for name in list_of_names:
                file.write(record(f"{width}s", name.ljust(width).encode()))
    tool("convert", "in.jco", "out.bin", DENSE)
    assert read_dense("out.bin") == (columns, names, rows)


def ascii_matrix_is_read_as_pyemu_reads_it():
    columns, names, rows = example(3, 5)
    write_dense("in.bin", columns, names, rows)
    tool("convert", "in.bin", "out.mat", ASCII)
    with open("out.mat", encoding="utf-8") as file:
        words = file.read().split()
    assert words[:3] == ["3", "5", "2"]
    assert [float(word) for word in words[3:18]] == [value for row in rows for value in row]
    assert words[18:] == ["*", "row", "names", *names, "*", "column", "names", *columns]


# ---- numbers, against numpy ----


def problem_write(jacobian, weights, residuals):
    rows, columns = jacobian.shape
    names = [f"o{i}" for i in range(rows)]
    write_dense("j.bin", [f"p{j}" for j in range(columns)], names, jacobian.tolist())
    write_dense("rows.bin", ["weight", "residual"], names,
                [list(pair) for pair in zip(weights.tolist(), residuals.tolist())])


def upgrade_expected(jacobian, weights, residuals, lamda, maxsing, eigthresh):
    """Steps among the singular vectors that glm_model_solve.c keeps, with every decomposition made."""
    normal = jacobian.T @ (weights[:, None] ** 2 * jacobian)
    gradient = jacobian.T @ (weights**2 * residuals)
    diagonal = numpy.diag(normal)
    scale = numpy.where(diagonal > 0, 1 / numpy.sqrt(numpy.where(diagonal > 0, diagonal, 1)), 0)
    values, vectors = numpy.linalg.eigh(normal * scale[:, None] * scale)
    order = numpy.argsort(-values)[:maxsing]
    kept = scale[:, None] * vectors[:, order[values[order] > eigthresh * values.max()]]
    # Each of the basis of unit length, so that what is solved is as well conditioned as can be.
    kept = numpy.linalg.qr(kept)[0] if kept.shape[1] < len(diagonal) else numpy.eye(len(diagonal))
    inner = kept.T @ (normal + lamda * numpy.eye(len(diagonal))) @ kept
    root = 1 / numpy.sqrt(numpy.diag(inner))
    return kept @ (root * numpy.linalg.solve(inner * root[:, None] * root, root * (kept.T @ gradient)))


def upgrades_check(jacobian, weights, residuals, method, lambdas, maxsing=10**6, eigthresh=1e-7,
                   tolerance=1e-7):
    # EIGTHRESH lets condition numbers pass up to 1e7; with roundings of 1e-16 on either side, the
    # two agree to some 1e-9, and in larger problems somewhat less.
    problem_write(jacobian, weights, residuals)
    tool("upgrade", "j.bin", "rows.bin", "out.bin", method, maxsing, eigthresh, *lambdas)
    for lamda, found in zip(lambdas, read_dense("out.bin")[2]):
        expected = upgrade_expected(jacobian, weights, residuals, lamda, maxsing, eigthresh)
        error = numpy.abs(numpy.array(found) - expected).max()
        assert error <= tolerance * numpy.abs(expected).max(), (method, lamda, error)


def random_problem(rows, columns, seed):
    generator = numpy.random.default_rng(seed)
    jacobian = generator.standard_normal((rows, columns)) * 10.0 ** generator.integers(
        -3, 4, columns)
    weights = generator.uniform(0.1, 3, rows)
    weights[:: 5] = 0
    return jacobian, weights, generator.standard_normal(rows)


def upgrades_are_numpys():
    for rows, columns in [(30, 7), (7, 30), (400, 200), (12, 1), (1, 3)]:
        problem = random_problem(rows, columns, rows)
        if problem[1].sum() == 0:
            problem[1][0] = 1
        # Where a lambda leaves steps that gain less than 1e-12 of phi, the model does not make them.
        upgrades_check(*problem, "direct", [0.1, 10] if rows < columns else [0.1, 10, 1e4])


def truncated_upgrades_are_numpys():
    problem = random_problem(60, 25, 5)
    upgrades_check(*problem, "direct", [0.0, 1, 100], maxsing=9)
    upgrades_check(*problem, "direct", [0.0, 1, 10], eigthresh=0.2)
    # Its iterations end where one gains less than a millionth of phi: the smaller a step is, the less exact.
    upgrades_check(*problem, "direct", [100], eigthresh=0.2, tolerance=1e-6)


def rank_deficient_upgrades_are_numpys():
    jacobian, weights, residuals = random_problem(80, 30, 6)
    jacobian[:, 20:] = jacobian[:, :10] * 2  # ten columns follow from ten others
    jacobian[:, 3] = 0
    upgrades_check(jacobian, weights, residuals, "direct", [0.0, 1e-9], eigthresh=1e-7)
    jacobian, weights, residuals = random_problem(400, 220, 7)
    jacobian[:, 200:] = jacobian[:, :20]
    upgrades_check(jacobian, weights, residuals, "direct", [0.0, 1e-9], eigthresh=1e-7)


def lsqr_upgrades_are_numpys():
    generator = numpy.random.default_rng(8)
    jacobian = generator.standard_normal((90, 40))
    problem = jacobian, generator.uniform(0.5, 2, 90), generator.standard_normal(90)
    upgrades_check(*problem, "lsqr", [0.01, 1, 100], eigthresh=0)


def posterior_covariances_are_numpys():
    jacobian, weights, residuals = random_problem(50, 12, 9)
    problem_write(jacobian, weights, residuals)
    root = numpy.random.default_rng(10).standard_normal((12, 12))
    prior = root @ root.T + numpy.eye(12)
    names = [f"p{j}" for j in range(12)]
    write_dense("prior.bin", names, names, prior.tolist())
    tool("posterior", "j.bin", "rows.bin", "prior.bin", "out.bin")
    found = numpy.array(read_dense("out.bin")[2])
    normal = jacobian.T @ (weights[:, None] ** 2 * jacobian)
    # Columns differ by 1e6 in scale, so compare what is left after scaling by deviations.
    expected = numpy.linalg.inv(normal + numpy.linalg.inv(prior))
    deviations = numpy.sqrt(numpy.diag(expected))
    error = numpy.abs((found - expected) / deviations / deviations[:, None]).max()
    # The reference's own inverse has lost digits: the condition of what it inverts is about 1e9.
    assert error < 1e-6, error


FILES = [jco_is_read_as_pyemu_reads_it, extended_binary_is_read_as_pyemu_reads_it,
         dense_binary_is_read_as_pyemu_reads_it, fortran_records_are_read_too,
         ascii_matrix_is_read_as_pyemu_reads_it]
NUMBERS = [upgrades_are_numpys, truncated_upgrades_are_numpys, rank_deficient_upgrades_are_numpys,
           lsqr_upgrades_are_numpys, posterior_covariances_are_numpys]


def main():
    print(f"1..{len(FILES + NUMBERS)}")
    failed = False
    for number, test in enumerate(FILES + NUMBERS, 1):
        if test in NUMBERS and not numpy:
            print(f"ok {number} - {test.__name__} # SKIP needs numpy (Debian: python3-numpy)")
            continue
        try:
            test()
            print(f"ok {number} - {test.__name__}")
        except (AssertionError, subprocess.SubprocessError, OSError, struct.error) as error:
            failed = True
            print(f"# {type(error).__name__}: {error}".replace("\n", "\n# "))
            print(f"not ok {number} - {test.__name__}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    TOOL = os.path.abspath(TOOL)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            main()
        finally:
            os.chdir("/")
