#!/usr/bin/env python3
"""Write the models: true.json, with a fast lens in it, and start.json without."""
import array
import json

NX, NZ, SPACING = 41, 31, 10


def write(name, lens):
    values = array.array("f", (
        1800 + 4 * z + (lens if (x - 20) ** 2 + (z - 15) ** 2 < 36 else 0)
        for x in range(NX) for z in range(NZ)))
    with open(name + ".bin", "wb") as file:
        values.tofile(file)
    with open(name + ".json", "w", encoding="utf-8") as file:
        json.dump({"data": name + ".bin", "points": [NX, NZ], "spacing_m": [SPACING] * 2,
                   "order": "xz", "dtype": "float32", "units": "m/s"}, file)


write("true", 150)
write("start", 0)
