#!/usr/bin/env python3
"""Read the SEG-Y file that tests/common/seismic/segy.c has written, by the standard's tables alone.

Where Debian's python3-segyio is installed, it must read the same.
"""
import struct
import sys


def by_tables(path):
    with open(path, "rb") as file:
        data = file.read()
    text = data[:3200].decode("cp037")
    assert text.startswith("C 1 two traces"), text[:80]
    assert text[3120:].startswith("C40 END TEXTUAL HEADER")
    assert text[38 * 80:].startswith("C39 SEG Y REV1")
    interval, samples, code = struct.unpack_from(">H2xH2xH", data, 3216)
    assert (interval, samples, code) == (4000, 500, 5)
    assert struct.unpack_from(">hhh", data, 3500) == (0x0100, 1, 0)
    size = 240 + 4 * samples
    assert len(data) == 3600 + 2 * size
    for number in range(2):
        at = 3600 + number * size
        assert struct.unpack_from(">7i", data, at) == (number + 1, number + 1, 42, number + 1, 42, 42,
                                                       number + 1)
        elevation, surface, depth = struct.unpack_from(">3i", data, at + 40)
        vertical, across = struct.unpack_from(">hh", data, at + 68)
        assert vertical < 0 and across < 0
        assert (elevation / -vertical, surface, depth / -vertical) == (-8.5, 0, 6)
        places = [word / -across for word in struct.unpack_from(">4i", data, at + 72)]
        assert places == [100.25, -7.5, 1e6 + 0.125, 3], places
        assert struct.unpack_from(">h", data, at + 108) == (-12,)
        assert struct.unpack_from(">HH", data, at + 114) == (500, 4000)
        values = struct.unpack_from(">500f", data, at + 240)
        assert values == tuple(range(1, 501))


def by_segyio(path):
    try:
        import segyio
    except ImportError:
        return
    with segyio.open(path, ignore_geometry=True) as file:
        assert file.tracecount == 2 and len(file.samples) == 500
        assert segyio.tools.dt(file) == 4000
        assert list(file.trace[1]) == list(range(1, 501))
        assert file.header[1][segyio.TraceField.FieldRecord] == 42


by_tables(sys.argv[1])
by_segyio(sys.argv[1])
