"""Reads a Parquet file (also gzipped or zipped) with pyarrow, DuckDB and Polars: types, values, footer."""

import datetime
import decimal
import gzip
import json
import math
import os
import sys
import tempfile
import zipfile

import duckdb
import polars
import pyarrow
import pyarrow.parquet

path, wanted = sys.argv[1], json.load(open(sys.argv[2], encoding="utf-8"))
COLUMNS = wanted["columns"]
UNITS = {"ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def unpacked(folder):
    """The path of the file itself."""
    target = os.path.join(folder, "unpacked.parquet")
    if path.endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            assert archive.namelist() == ["rows.parquet"], archive.namelist()
            content = archive.read("rows.parquet")
    elif path.endswith(".gz"):
        content = gzip.open(path).read()
    else:
        return path
    with open(target, "wb") as file:
        file.write(content)
    return target


def nested(value):
    """A wanted value, with decimals as decimals."""
    if isinstance(value, list):
        return [nested(item) for item in value]
    if isinstance(value, dict):
        if set(value) == {"decimal"}:
            return decimal.Decimal(value["decimal"])
        return {name: nested(item) for name, item in value.items()}
    return value


def nanos(time):
    """A time of day as nanoseconds."""
    return ((time.hour * 60 + time.minute) * 60 + time.second) * 1_000_000_000 + time.microsecond * 1_000


def check(reader, column, values):
    """Compares all values of a column with the wanted ones, which repeat."""
    want = column["values"] * wanted["times"]
    assert len(values) == len(want), (reader, column["name"], len(values))
    kind = column["kind"]
    for row, (got, value) in enumerate(zip(values, want)):
        where = (reader, column["name"], row, got, value)
        if value is None:
            assert got is None, where
        elif kind == "float":
            value = float(value)
            same = math.isnan(got) if math.isnan(value) else got == value
            assert same and math.copysign(1, got) == math.copysign(1, value) or math.isnan(value), where
        elif kind == "int":
            assert isinstance(got, int) and got == value, where
        elif kind == "decimal":
            value = decimal.Decimal(value)
            assert isinstance(got, decimal.Decimal) and got == value, where
            assert got.as_tuple().exponent == value.as_tuple().exponent, where
        elif kind == "binary":
            assert isinstance(got, bytes) and got.hex() == value, where
        elif kind == "date":
            assert got == datetime.date.fromisoformat(value), where
        elif kind == "nested":
            assert got == nested(value), where
        elif kind == "map":
            assert [list(pair) for pair in got] == value, where
        else:
            assert type(got) is type(value) and got == value, where


def read_pyarrow(file):
    footer = pyarrow.parquet.ParquetFile(file)
    metadata = footer.metadata
    assert metadata.created_by == wanted["created_by"], metadata.created_by
    groups = [metadata.row_group(at) for at in range(metadata.num_row_groups)]
    assert [group.num_rows for group in groups] == wanted["groups"], groups
    for group in groups:
        for at in range(group.num_columns):
            assert group.column(at).compression == wanted["codec"], group.column(at)
    for at in range(len(metadata.schema)):
        leaf = metadata.schema.column(at)
        for column in COLUMNS:
            if column["json"] and leaf.path == column["name"]:
                assert leaf.logical_type.type == "JSON", leaf
    table = footer.read()
    assert table.column_names == [column["name"] for column in COLUMNS]
    for column in COLUMNS:
        values = table.column(column["name"])
        seen = str(values.type).replace("extension<arrow.json>", "string")
        assert seen == column["pyarrow"], (column["name"], seen)
        if column["kind"] == "timestamp":
            values = values.cast(pyarrow.int64()).to_pylist()
        elif column["kind"] == "time":
            values = [None if value is None else nanos(value) for value in values.to_pylist()]
        else:
            values = values.to_pylist()
        check("pyarrow", column, values)


def read_duckdb(file):
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    seen = connection.execute(f"describe select * from '{file}'").fetchall()
    assert [row[0] for row in seen] == [column["name"] for column in COLUMNS]
    for column, row in zip(COLUMNS, seen):
        assert row[1] == column["duckdb"], row
        name = f'"{column["name"]}"'
        if column["kind"] == "timestamp":
            unit = "us"
            for known in UNITS:
                unit = known if f"[{known}" in column["pyarrow"] else unit
            name = f"epoch_{unit}({name})"
        elif column["kind"] == "time":
            name = f"epoch_ns({name})"
        elif column["kind"] == "date":
            name = f"{name}::varchar"
        rows = connection.execute(f"select {name} from '{file}'").fetchall()
        values = [value for (value,) in rows]
        if column["kind"] == "date":
            values = [value and datetime.date.fromisoformat(value) for value in values]
        elif column["kind"] == "map":
            values = [value if value is None else list(value.items()) for value in values]
        check("duckdb", column, values)


def read_polars(file):
    frame = polars.read_parquet(file)
    assert frame.columns == [column["name"] for column in COLUMNS]
    for column in COLUMNS:
        values = frame[column["name"]]
        assert str(values.dtype) == column["polars"], (column["name"], values.dtype)
        if column["kind"] in ("timestamp", "time"):
            values = values.to_physical()
        values = values.to_list()
        if column["kind"] == "map":
            values = [value if value is None else list(value.items()) for value in values]
        check("polars", column, values)


with tempfile.TemporaryDirectory() as folder:
    file = unpacked(folder)
    read_pyarrow(file)
    read_duckdb(file)
    read_polars(file)
print(f"{len(COLUMNS)} columns by three readers")
