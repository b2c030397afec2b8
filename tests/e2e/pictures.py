"""PNG files as `beofarm plot` writes them, read by the standard's tables: colours, not what they mean."""
import struct
import zlib


def _chunks(data):
    at = 8
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        yield kind, data[at + 8:at + 8 + size]
        at += 12 + size


def _paeth(left, above, corner):
    guess = left + above - corner
    by_left, by_above, by_corner = abs(guess - left), abs(guess - above), abs(guess - corner)
    if by_left <= by_above and by_left <= by_corner:
        return left
    return above if by_above <= by_corner else corner


def _unfilter(kind, row, above):
    """One row of three bytes a pixel; PNG's five filters."""
    if kind == 2:
        return bytearray((value + up) & 255 for value, up in zip(row, above))
    if kind == 0:
        return row
    for i, value in enumerate(row):
        left = row[i - 3] if i >= 3 else 0
        corner = above[i - 3] if i >= 3 else 0
        guess = (left if kind == 1 else (left + above[i]) // 2 if kind == 3 else
                 _paeth(left, above[i], corner))
        row[i] = (value + guess) & 255
    return row


def rows(path):
    """The rows of pixels of a picture of 24 bits, as bytes of red, green and blue."""
    with open(path, "rb") as file:
        data = file.read()
    assert data[:8] == b"\x89PNG\r\n\x1a\n" and data[-8:-4] == b"IEND", path
    width, height, depth, colours, _, _, interlaced = struct.unpack(">IIBBBBB", data[16:29])
    assert (depth, colours, interlaced) == (8, 2, 0), path
    raw = zlib.decompress(b"".join(body for kind, body in _chunks(data) if kind == b"IDAT"))
    size = 3 * width + 1
    assert len(raw) == height * size, path
    above = bytearray(3 * width)
    for at in range(0, len(raw), size):
        above = _unfilter(raw[at], bytearray(raw[at + 1:at + size]), above)
        yield above


def shares(path):
    """What share of a picture's pixels are reddish, and bluish: of the colours of an image or gradient
    that are neither white nor grey."""
    red = blue = total = 0
    for row in rows(path):
        total += len(row) // 3
        for r, b in zip(row[::3], row[2::3]):
            red += r > b + 40
            blue += b > r + 40
    return red / total, blue / total
