"""Reads a csv file (also gzipped or zipped) with Python's own csv and with polars."""

import csv
import gzip
import io
import json
import sys
import zipfile

path, wanted = sys.argv[1], json.load(open(sys.argv[2], encoding="utf-8"))
csv.field_size_limit(1 << 24)


def contents():
    if path.endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            names = archive.namelist()
            assert names == ["first.csv", "zweite_Prüfung.csv"], names
            for name in names:
                yield archive.read(name)
    elif path.endswith(".gz"):
        yield gzip.open(path).read()
    else:
        yield open(path, "rb").read()


def text(value):
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else None


def moment(value):
    # Digits behind the second appear only where the value has them.
    return value[:-4] if value is not None and value.endswith(".000") else value


seen = 0
for content in contents():
    rows = csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True)
    assert next(rows) == wanted["names"]
    count = 0
    for got, row in zip(rows, wanted["rows"], strict=True):
        row = row[:6] + [moment(row[6])]
        for at, (cell, value) in enumerate(zip(got, row, strict=True)):
            if isinstance(value, float):
                assert float(cell) == value, (count, at, cell, value)
            elif isinstance(value, int) and not isinstance(value, bool):
                assert cell == str(value), (count, at, cell, value)
            else:
                assert cell == text(value), (count, at, cell, value)
        count += 1
    seen += count

    import polars

    frame = polars.read_csv(io.BytesIO(content), infer_schema_length=None)
    assert frame.height == len(wanted["rows"]), frame.height
    # Polars keeps the doubled quotation marks of a header; Python's csv checked the names above.
    assert frame.columns[1:] == wanted["names"][1:], frame.columns
    assert frame["text"].to_list() == [row[1] for row in wanted["rows"]], "null and empty text differ"
print(f"{seen} rows")
