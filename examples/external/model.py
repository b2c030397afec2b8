#!/usr/bin/env python3
"""A spring fed by a linear reservoir: its flow, day by day, after a wet winter.

Reads `name value` lines from spring.in (storage, mm; recession, 1/d; recharge, mm/d) and writes
ten daily flows, mm/d, to spring.out. Exact for recharge constant over a day:
S(t + 1) = S(t) exp(-k) + r / k (1 - exp(-k)),  q = k S.
"""
import math

with open("spring.in", encoding="utf-8") as file:
    given = {name: float(value) for name, value in (line.split() for line in file)}
storage, k, recharge = given["storage"], given["recession"], given["recharge"]
with open("spring.out", "w", encoding="utf-8") as file:
    for _ in range(10):
        file.write(f"{k * storage:.6f}\n")
        storage = storage * math.exp(-k) + recharge / k * (1 - math.exp(-k))
