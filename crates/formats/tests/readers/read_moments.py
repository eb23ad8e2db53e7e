"""Reads a workbook's moments and times of day with openpyxl: each must be the very millisecond."""

import datetime
import json
import sys

import openpyxl

path, wanted = sys.argv[1], json.load(open(sys.argv[2], encoding="utf-8"))
rows = openpyxl.load_workbook(path).active.iter_rows(min_row=2)
count = 0
for got, (at, time) in zip(rows, wanted["rows"], strict=True):
    assert got[0].is_date and got[0].value == datetime.datetime.fromisoformat(at), (got[0].value, at)
    assert got[1].is_date and got[1].value == datetime.time.fromisoformat(time), (got[1].value, time)
    count += 1
print(f"{count} rows")
