"""The type matrix: a Parquet file with a column of every type and its edge values, and the check that an export of it holds the same
values in the eyes of readers that Outhaul's authors did not write.

matrix.py make FOLDER
matrix.py check FOLDER EXPORT FORM none|gzip|zip

`make` writes types.parquet, and documents.ndjson with a field that is JSON. `check` reads the source with pyarrow and the export with every
reader of its form: csv with Python's csv, DuckDB and Polars, ndjson with Python's json, DuckDB, Polars and pyarrow, json with Python's json,
DuckDB and Polars, xml with lxml and Python's expat, avro with fastavro,
avro-polars with Polars, parquet with pyarrow, DuckDB and Polars, html and xlsx with Python's html.parser and openpyxl. Values are compared
one by one, types included. What a reader cannot read, by its own limits, is said where it is left out.
The source may as well be a types.parquet that database_types.py wrote.
"""

import base64
import csv
import datetime as dt
import decimal
import gzip
import html.parser
import io
import json
import math
import pathlib
import struct
import sys
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq

D = decimal.Decimal
UTC = dt.timezone.utc
EPOCH = dt.datetime(1970, 1, 1)
decimal.getcontext().prec = 80


def micros(*parts):
    """Microseconds since 1970 of a wall clock, also of years that datetime has."""
    return (dt.datetime(*parts) - EPOCH) // dt.timedelta(microseconds=1)


MOMENTS = [
    micros(1, 1, 1), micros(1, 1, 1, 0, 0, 0, 1), micros(1582, 10, 4, 12), micros(1900, 2, 28, 23, 59, 59, 999999), -1, 0, 1, -999_999,
    -1_000_000, micros(1969, 12, 31, 23, 59, 59, 500000), micros(2024, 2, 29, 1, 2, 3, 45), micros(2026, 3, 29, 1, 0), micros(2026, 10, 25, 0, 30),
    micros(9999, 12, 31, 23, 59, 59, 999999), None,
]
DAYS = [dt.date(1, 1, 1), dt.date(1582, 10, 4), dt.date(1899, 12, 31), dt.date(1900, 3, 1), dt.date(1969, 12, 31), dt.date(1970, 1, 1),
        dt.date(2024, 2, 29), dt.date(9999, 12, 31), None]
TIMES = [dt.time(0), dt.time(0, 0, 0, 1), dt.time(12, 34, 56), dt.time(12, 34, 56, 789000), dt.time(23, 59, 59, 999999), None]
TEXTS = [
    "", "plain", None, "NULL", "null", " blanks ", "a,b;c|d", "say \"hi\"", "it's", "back\\slash", "line\nend", "cr\rin", "crlf\r\nin", "tab\t",
    "ünï", "請求書", "😀 🏳️‍🌈 𝄞", "\U0010ffff", "\u2028separator", "\x7f", "=1+1", "@SUM(A1)", "-5", "1e5", "00123", "true", "2026-08-01",
    "<script>alert('x')</script>", "&amp; ]]>", "{\"a\":1}", "x" * 3_000, "é" * 8, "seven b", "eight by",
]
CONTROLS = ["\x01\x02\x1f", "a\x0bb", "bell\x07", "\x1b[0m", "nul\x00in", "", None]
JSONS = [
    '{"a": 1.50, "b": [true, null, " kept  blanks "], "big": 123456789012345678901234567890}', "[]", "{}", None, "null", '"text"',
    "-0.0e+10", '{\n  "line": "end\\n",\r\n\t"u": "\\ud83d\\ude00 😀"\n}', "[[], {}, [{}]]", '{"a":1,"b":{"c":[1,2,{"d":null}]}}',
]
LINE = "\n"
FLOATS = [0.0, -0.0, 0.1, 1 / 3, 1e300, -1e300, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 9007199254740993.0, 1e16, 123456.789,
          math.nan, math.inf, -math.inf, None]
FLOATS_32 = [0.0, -0.0, 0.10000000149011612, 16777216.0, 3.4028234663852886e38, 1.401298464324817e-45, math.nan, math.inf, -math.inf, None]
BINARIES = [b"", b"\x00", bytes(range(256)), b"text", b"\xff\xfe\xfd", b"\xf0\x9f\x98\x80", None]


def ends(bits, signed):
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    return [low, low + 1, 0, 1, high - 1, high, None] + ([-1, -128] if signed else [127])


def dec(text):
    return None if text is None else D(text)


def columns():
    """Name, type and values of every column; the values repeat to the length of the longest."""
    nested = pa.struct([("n", pa.int64()), ("t", pa.string()), ("l", pa.list_(pa.int32())), ("d", pa.decimal128(20, 4))])
    yield "id", pa.int64(), None
    for bits in (8, 16, 32, 64):
        yield f"int{bits}", pa.from_numpy_dtype(f"int{bits}"), ends(bits, True)
    for bits in (8, 16, 32):
        yield f"uint{bits}", pa.from_numpy_dtype(f"uint{bits}"), ends(bits, False)
    yield "uint64", pa.uint64(), ends(64, False) + [2**53 + 1, 2**63]
    yield "float32", pa.float32(), FLOATS_32
    yield "float64", pa.float64(), FLOATS
    yield "decimal9", pa.decimal128(9, 2), [*map(dec, ["0.00", "0.01", "-0.01", "9999999.99", "-9999999.99", "10.50", None])]
    yield "decimal18", pa.decimal128(18, 0), [*map(dec, ["0", "999999999999999999", "-999999999999999999", "-1", None])]
    nines = "9" * 38
    yield "decimal38", pa.decimal128(38, 10), [*map(dec, ["0E-10", f"{nines[:28]}.{nines[:10]}", f"-{nines[:28]}.{nines[:10]}", "0.0000000001",
                                                         "-0.0000000001", "1.2800000000", "1234567890123456789012345678.0123456789", None])]
    yield "decimal38_all", pa.decimal128(38, 38), [*map(dec, [f"0.{nines}", f"-0.{nines}", "0E-38", "1E-38", None])]
    yield "flag", pa.bool_(), [True, False, None]
    yield "day", pa.date32(), DAYS
    yield "time_ms", pa.time32("ms"), [dt.time(0), dt.time(12, 34, 56, 789000), dt.time(23, 59, 59, 999000), None]
    yield "time_us", pa.time64("us"), TIMES
    yield "wall", pa.timestamp("us"), MOMENTS
    yield "moment", pa.timestamp("us", tz="UTC"), MOMENTS
    yield "moment_ms", pa.timestamp("ms", tz="UTC"), [None if m is None else m // 1000 for m in MOMENTS]
    yield "moment_zone", pa.timestamp("us", tz="Europe/Berlin"), MOMENTS
    yield "text", pa.string(), TEXTS
    yield "large_text", pa.large_string(), TEXTS[::-1]
    yield "controls", pa.string(), CONTROLS
    yield "words", pa.dictionary(pa.int32(), pa.string()), ["a", "", "b\"c", None]
    yield "binary", pa.binary(), BINARIES
    yield "fixed", pa.binary(4), [b"\x00\x01\x02\x03", b"abcd", b"\xff\xff\xff\xff", None]
    yield "json", pa.string(), JSONS
    yield "list", pa.list_(pa.int64()), [[], [1, None, -(2**63)], None, [2**53 + 1], list(range(100))]
    yield "texts", pa.list_(pa.string()), [["", None, "a\"b", "😀\n"], [], None]
    yield "struct", nested, [{"n": 1, "t": "x\"", "l": [1, None], "d": D("1.5000")}, {"n": None, "t": None, "l": None, "d": None}, None,
                             {"n": -(2**63), "t": "", "l": [], "d": D("9999999999999999.9999")}]
    yield "map", pa.map_(pa.string(), pa.int64()), [[("a", 1), ("b\"", None)], [], None]
    yield "of_structs", pa.list_(pa.struct([("day", pa.date32()), ("at", pa.timestamp("us", tz="UTC"))])), [
        [{"day": dt.date(1, 1, 1), "at": MOMENTS[-2]}, None, {"day": None, "at": -1}], [], None]


def make(folder):
    """Both files of the source."""
    lines = [f'{{"id": {at}}}' if text is None else f'{{"id": {at}, "doc": {text.replace(LINE, "")}}}' for at, text in enumerate(JSONS)]
    (pathlib.Path(folder) / "documents.ndjson").write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows = 2 * max(len(values) for _, _, values in columns() if values)
    fields, arrays = [], []
    for name, data_type, values in columns():
        values = list(range(rows)) if values is None else [values[at % len(values)] for at in range(rows)]
        fields.append(pa.field(name, data_type))
        arrays.append(pa.array(values, type=data_type))
    table = pa.Table.from_arrays(arrays, schema=pa.schema(fields))
    pq.write_table(table, pathlib.Path(folder) / "types.parquet", row_group_size=rows // 2)
    print(f"{rows} rows, {len(fields)} columns")


# What the export has to hold: the source's values as this table's own small set of Python values. Moments are whole microseconds, floats
# are their bits, so that -0.0 and NaN compare.

class Moment(int):
    """Microseconds since 1970, UTC."""


def bits(value):
    if value is None or isinstance(value, str):
        return value
    return "NaN" if math.isnan(value) else struct.pack("<d", value).hex()


def source(folder):
    """Name -> (type, values)."""
    table = pq.read_table(pathlib.Path(folder) / "types.parquet")
    return {field.name: (field.type, plain(field.type, table[field.name])) for field in table.schema}


def plain(data_type, column):
    if pa.types.is_timestamp(data_type):
        factor = {"s": 1_000_000, "ms": 1_000, "us": 1}[data_type.unit]
        # What the catalog calls a timestamp is read as UTC where it has no zone.
        return [None if v is None else Moment(v * factor) for v in column.cast(pa.int64()).to_pylist()]
    if pa.types.is_dictionary(data_type):
        return column.cast(data_type.value_type).to_pylist()
    if pa.types.is_nested(data_type):
        return [nested(data_type, scalar) for scalar in column]
    return column.to_pylist()


def nested(data_type, scalar):
    """A nested scalar with the same leaves as above."""
    if not scalar.is_valid:
        return None
    if pa.types.is_map(data_type):
        return {entry["key"].as_py(): nested(data_type.item_type, entry["value"]) for entry in scalar.values}
    if pa.types.is_list(data_type) or pa.types.is_large_list(data_type):
        return [nested(data_type.value_type, item) for item in scalar.values]
    if pa.types.is_struct(data_type):
        return {field.name: nested(field.type, scalar[field.name]) for field in data_type}
    if pa.types.is_timestamp(data_type):
        return Moment(scalar.value)
    return scalar.as_py()


class Untyped:
    """Reading a cell's text back as the type of its column. Anything that the documents do not say raises."""

    def __init__(self, data_type):
        self.type = data_type

    def __call__(self, text):
        data_type = self.type
        if text is None:
            return None
        if pa.types.is_dictionary(data_type):
            data_type = data_type.value_type
        if pa.types.is_string(data_type) or pa.types.is_large_string(data_type) or is_json(data_type):
            return text
        if pa.types.is_boolean(data_type):
            return {"true": True, "false": False}[text]
        if pa.types.is_integer(data_type):
            assert text == str(int(text)), text
            return int(text)
        if pa.types.is_decimal(data_type):
            return scaled(D(text), data_type)
        if pa.types.is_floating(data_type):
            assert text not in ("inf", "nan"), text
            return float_of(data_type, text)
        if pa.types.is_date(data_type):
            return day_of(text)
        if pa.types.is_time(data_type):
            return time_of(text)
        if pa.types.is_timestamp(data_type):
            return moment_of(text)
        if pa.types.is_binary(data_type) or pa.types.is_fixed_size_binary(data_type):
            return base64.b64decode(text, validate=True)
        return from_json(data_type, json.loads(text, parse_float=D, parse_int=D))


def is_json(data_type):
    return isinstance(data_type, pa.JsonType)


def document(parsed):
    """A text for parsed JSON, whose numbers are decimals, that is the same for the same value: keys in order, all digits, no blanks."""
    return None if parsed is None else json.dumps(parsed, default=lambda number: {"number": str(number)})


def float_of(data_type, text):
    """The number that a reader of the column's width makes of the text."""
    value = float(text)
    return struct.unpack("f", struct.pack("f", value))[0] if data_type == pa.float32() else value


def scaled(value, data_type):
    assert -value.as_tuple().exponent == data_type.scale, (value, data_type)
    return value


def day_of(text):
    assert len(text) == 10, text
    return dt.date.fromisoformat(text)


def time_of(text):
    # As many digits as are needed, in threes.
    assert len(text) in (8, 12, 15) and not text.endswith((".000", "000000")), text
    return dt.time.fromisoformat(text)


def moment_of(text):
    assert text.endswith("Z"), f"{text}: the default of moments is UTC"
    day, _, time = text[:-1].partition("T")
    wall = dt.datetime.combine(day_of(day), time_of(time))
    return Moment((wall - EPOCH) // dt.timedelta(microseconds=1))


def from_json(data_type, value, safe_numbers=False):
    """A value of the source from parsed JSON, whose numbers are decimals."""
    if value is None:
        return None
    if is_json(data_type):
        return document(value)
    if pa.types.is_map(data_type):
        return {key: from_json(data_type.item_type, item, safe_numbers) for key, item in value.items()}
    if pa.types.is_list(data_type):
        return [from_json(data_type.value_type, item, safe_numbers) for item in value]
    if pa.types.is_struct(data_type):
        assert list(value) == [field.name for field in data_type], value
        return {field.name: from_json(field.type, value[field.name], safe_numbers) for field in data_type}
    # The engine hands on an unsigned integer of 64 bits as a decimal.
    if pa.types.is_decimal(data_type) or data_type == pa.uint64():
        assert isinstance(value, str if safe_numbers else D), value
        return scaled(D(value), data_type) if pa.types.is_decimal(data_type) else int(value)
    if pa.types.is_integer(data_type):
        assert isinstance(value, str) == (safe_numbers and abs(int(value)) >= 2**53), value
        assert str(int(value)) == str(value), value
        return int(value)
    if pa.types.is_floating(data_type):
        assert isinstance(value, D) == (value not in ("NaN", "Infinity", "-Infinity")), value
        # Through its digits: a decimal has no -0.0 of its own.
        return -0.0 if isinstance(value, D) and value.is_zero() and value.is_signed() else float_of(data_type, value)
    if pa.types.is_boolean(data_type):
        assert isinstance(value, bool), value
        return value
    assert isinstance(value, str), (data_type, value)
    return Untyped(data_type)(value)


def compare(reader, wanted, name, data_type, got):
    """Value for value, types included. Floats by their bits, so that -0.0 and NaN are seen; NaN is one value."""
    assert len(got) == len(wanted), f"{reader}: {len(got)} rows of {len(wanted)}"
    floats = pa.types.is_floating(data_type)
    for row, (want, have) in enumerate(zip(wanted, got)):
        if floats and want is not None and have is not None:
            same = bits(want) == bits(have)
        else:
            # A 64-bit unsigned integer is a decimal without a fraction to some formats.
            same = want == have and (type(want) is type(have) or not isinstance(want, (bool, str, bytes, D)))
        if not same:
            raise SystemExit(f"{reader}: {name} ({data_type}) of row {row}: {want!r} in the source, {have!r} in the export")


SEEN = {}


def check_columns(reader, wanted, got, skip=()):
    """`got`: name -> values. Columns in `skip` are those that the reader cannot hold; why stands where they are named."""
    assert list(got) == list(wanted), f"{reader}: columns {list(got)}"
    for name, (data_type, values) in wanted.items():
        if name not in skip:
            compare(reader, values, name, data_type, got[name])
            SEEN[reader] = SEEN.get(reader, 0) + len(values)


def empty_as_null(wanted):
    """For formats and readers to which an empty text and a null are the same."""
    return {name: (t, [None if v in ("", b"") else v for v in values]) for name, (t, values) in wanted.items()}


def cells(wanted, rows, names):
    """Columns of typed values from rows of texts."""
    assert names == list(wanted), names
    got = {}
    for at, (name, (data_type, _)) in enumerate(wanted.items()):
        read = Untyped(data_type)
        got[name] = [read(row[at]) for row in rows]
    return got


def check_csv(raw, wanted):
    csv.field_size_limit(1 << 24)
    rows = list(csv.reader(io.StringIO(raw.decode("utf-8"), newline=""), strict=True))
    names, rows = rows[0], [[cell or None for cell in row] for row in rows[1:]]
    check_columns("csv: Python", empty_as_null(wanted), cells(empty_as_null(wanted), rows, names))

    import polars

    frame = polars.read_csv(raw, infer_schema=False)
    rows = [list(row) for row in frame.rows()]
    check_columns("csv: Polars", wanted, cells(wanted, rows, frame.columns))

    with on_disk(raw, ".csv") as path:
        relation = duck(f"from read_csv('{path}', all_varchar=true, header=true, quote='\"', escape='\"', delim=',', "
                        "allow_quoted_nulls=false, nullstr='', null_padding=false, strict_mode=true, max_line_size=10000000)")
        check_columns("csv: DuckDB", wanted, cells(wanted, [list(row) for row in relation.fetchall()], relation.columns))


def check_ndjson(raw, wanted, safe_numbers=False):
    lines = raw.decode("utf-8").split("\n")
    assert lines.pop() == "", "the last line ends like every other"
    got = {name: [] for name in wanted}
    for line in lines:
        row = json.loads(line, parse_float=D, parse_int=D, parse_constant=lambda word: 1 / 0)
        assert list(row) == list(wanted), list(row)
        for name, (data_type, _) in wanted.items():
            got[name].append(from_json(data_type, row[name], safe_numbers))
    # JSON stands in JSON as it is, so that its null is one like any other.
    documents = {name: (t, [v and document(json.loads(v, parse_float=D, parse_int=D)) for v in values])
                 for name, (t, values) in wanted.items() if is_json(t)}
    check_columns("ndjson: Python", wanted | documents, got)

    if not safe_numbers:
        from pyarrow import json as arrow_json

        # Numbers and texts by the types that the source has: any digit lost would be seen.
        exact = (pa.types.is_integer, pa.types.is_decimal, pa.types.is_string, pa.types.is_large_string, pa.types.is_boolean)
        typed = {name: t for name, (t, _) in wanted.items() if any(of(t) for of in exact) or name in ("list", "texts")}
        options = arrow_json.ParseOptions(explicit_schema=pa.schema(list(typed.items())), unexpected_field_behavior="ignore")
        table = arrow_json.read_json(io.BytesIO(raw), parse_options=options)
        check_columns("ndjson: pyarrow", {name: wanted[name] for name in typed}, {name: plain(t, table[name]) for name, t in typed.items()})

    with on_disk(raw, ".ndjson") as path:
        types = {name: duck_type(t, safe_numbers) for name, (t, _) in wanted.items() if duck_type(t, safe_numbers)}
        listed = ", ".join(f"'{name}': '{kind}'" for name, kind in types.items())
        table = duck(f"select * from read_json('{path}', format='newline_delimited', columns={{{listed}}})").to_arrow_table()
        got = {}
        for name, kind in types.items():
            data_type, column = wanted[name][0], table[name]
            got[name] = text_column(data_type, column) if kind == "VARCHAR" else plain(column.type, column)
        check_columns("ndjson: DuckDB", {name: wanted[name] for name in types}, got)

    import polars

    kinds = {name: polars_type(t, safe_numbers) for name, (t, _) in wanted.items() if polars_type(t, safe_numbers)}
    frame = polars.read_ndjson(raw, schema=kinds)
    got = {}
    for name, kind in kinds.items():
        column = frame[name].to_arrow()
        got[name] = text_column(wanted[name][0], column) if kind == polars.String else plain(column.type, pa.chunked_array([column]))
    check_columns("ndjson: Polars", {name: wanted[name] for name in kinds}, got)


def check_ndjson_text(raw, wanted):
    """With the numbers that a binary double would round as texts."""
    check_ndjson(raw, wanted, safe_numbers=True)


def parsed(raw):
    return json.loads(raw.decode("utf-8"), parse_float=D, parse_int=D, parse_constant=lambda word: 1 / 0)


def documents_of(wanted):
    """JSON stands in JSON as it is, so that its null is one like any other."""
    return {name: (t, [v and document(json.loads(v, parse_float=D, parse_int=D)) for v in values])
            for name, (t, values) in wanted.items() if is_json(t)}


def check_json(raw, wanted, safe_numbers=False):
    rows = parsed(raw)
    assert all(list(row) == list(wanted) for row in rows)
    got = {name: [from_json(t, row[name], safe_numbers) for row in rows] for name, (t, _) in wanted.items()}
    check_columns("json: Python", wanted | documents_of(wanted), got)

    with on_disk(raw, ".json") as path:
        types = {name: duck_type(t, safe_numbers) for name, (t, _) in wanted.items() if duck_type(t, safe_numbers)}
        listed = ", ".join(f"'{name}': '{kind}'" for name, kind in types.items())
        table = duck(f"select * from read_json('{path}', format='array', columns={{{listed}}})").to_arrow_table()
        got = {}
        for name, kind in types.items():
            data_type, column = wanted[name][0], table[name]
            got[name] = text_column(data_type, column) if kind == "VARCHAR" else plain(column.type, column)
        check_columns("json: DuckDB", {name: wanted[name] for name in types}, got)

    import polars

    kinds = {name: polars_type(t, safe_numbers) for name, (t, _) in wanted.items() if polars_type(t, safe_numbers)}
    # Polars looks for every column of the file in the list; what it is not told it would guess.
    frame = polars.read_json(raw, schema_overrides=kinds, infer_schema_length=None)
    got = {}
    for name, kind in kinds.items():
        column = frame[name].to_arrow()
        got[name] = text_column(wanted[name][0], column) if kind == polars.String else plain(column.type, pa.chunked_array([column]))
    check_columns("json: Polars", {name: wanted[name] for name in kinds}, got)


def check_json_text(raw, wanted):
    """With the numbers that a binary double would round as texts."""
    check_json(raw, wanted, safe_numbers=True)


def check_json_strings(raw, wanted):
    """Every value is a string; only nulls are none."""
    rows = parsed(raw)
    assert all(isinstance(value, str) or value is None for row in rows for value in row.values())
    check_columns("json: Python", wanted, cells(wanted, [list(row.values()) for row in rows], list(rows[0])))


def check_json_arrays(raw, wanted):
    """Rows are arrays, in the order of the columns."""
    got = {name: [from_json(t, row[at]) for row in parsed(raw)] for at, (name, (t, _)) in enumerate(wanted.items())}
    check_columns("json: Python", wanted | documents_of(wanted), got)


def check_xml(raw, wanted, named=False):
    import lxml.etree
    import xml.etree.ElementTree

    # XML cannot hold most control characters, not even by reference; the export warns of it.
    wanted = {name: (t, [xml_text(v) if isinstance(v, str) else v for v in values]) for name, (t, values) in wanted.items()}
    strict = lxml.etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    roots = {"lxml": lxml.etree.fromstring(raw, strict), "expat": xml.etree.ElementTree.fromstring(raw)}
    for reader, root in roots.items():
        assert root.tag == "rows" and all(row.tag == "row" for row in root), root.tag
        rows = []
        for row in root:
            assert all(element.tag == "column" for element in row) or not named
            values = {element.get("name") if named else element.tag: element.text or "" for element in row}
            assert len(values) == len(row) and list(values) == [name for name in wanted if name in values]
            rows.append([values.get(name) for name in wanted])
        check_columns(f"xml: {reader}", wanted, cells(wanted, rows, list(wanted)))


def check_xml_named(raw, wanted):
    """With the columns' names in attributes."""
    check_xml(raw, wanted, named=True)


def xml_text(text):
    return "".join("\ufffd" if (ord(c) < 32 and c not in "\t\n\r") or c in "\ufffe\uffff" else c for c in text)


def duck_type(data_type, safe_numbers):
    """What DuckDB is told a column is. Texts are read back as values here. It reads a number through a binary double unless it is an
    integer of 64 bits, so that wide decimals are exact as texts only."""
    if pa.types.is_integer(data_type):
        return ("U" if str(data_type).startswith("u") else "") + {8: "TINYINT", 16: "SMALLINT", 32: "INTEGER", 64: "BIGINT"}[data_type.bit_width]
    if pa.types.is_decimal(data_type):
        return f"DECIMAL({data_type.precision},{data_type.scale})" if safe_numbers or data_type.precision < 16 else None
    if pa.types.is_boolean(data_type):
        return "BOOLEAN"
    if data_type == pa.list_(pa.int64()) or data_type == pa.list_(pa.string()):
        return "BIGINT[]" if data_type.value_type == pa.int64() else "VARCHAR[]"
    if pa.types.is_nested(data_type) or is_json(data_type):
        return None
    return "DOUBLE" if data_type == pa.float64() else "FLOAT" if data_type == pa.float32() else "VARCHAR"


def polars_type(data_type, safe_numbers):
    """What Polars is told a column is. It knows no small integers here, no text for a float, and decimals as texts only."""
    import polars

    if pa.types.is_boolean(data_type):
        return polars.Boolean
    if pa.types.is_integer(data_type):
        return polars.String if safe_numbers else polars.UInt64 if data_type == pa.uint64() else polars.Int64
    if pa.types.is_decimal(data_type):
        return polars.String if safe_numbers else None
    if data_type == pa.list_(pa.string()):
        return polars.List(polars.String)
    if pa.types.is_nested(data_type) or pa.types.is_floating(data_type) or is_json(data_type):
        return None
    return polars.String


def text_column(data_type, column):
    read = Untyped(data_type)
    return [read(text) for text in column.to_pylist()]


def check_avro(raw, wanted):
    import fastavro

    reader = fastavro.reader(io.BytesIO(raw), return_record_name=False)
    fields = reader.writer_schema["fields"]
    rows = list(reader)
    got = {}
    for field in fields:
        data_type = wanted[field["name"]][0]
        got[field["name"]] = [from_avro(data_type, row[field["name"]]) for row in rows]
    check_columns("avro: fastavro", wanted, got)
    # The logical types are the file's own words, which readers without them would lose.
    types = {field["name"]: field["type"][1] for field in fields}
    for name, kind in {"moment": "timestamp-micros", "wall": "timestamp-micros", "day": "date", "time_us": "time-micros",
                       "decimal38": "decimal"}.items():
        if name in wanted and not pa.types.is_string(wanted[name][0]):
            assert types[name]["logicalType"] == kind, types[name]
            assert kind != "decimal" or (types[name]["precision"], types[name]["scale"]) == (38, 10)



def check_avro_polars(raw, wanted):
    """Of a file without maps, which Polars does not read, and without zstd, which it does not either."""
    import polars

    wanted = {name: column for name, column in wanted.items() if not pa.types.is_map(column[0])}
    check_polars("avro: Polars", wanted, polars.read_avro(io.BytesIO(raw)))


def from_avro(data_type, value):
    if value is None:
        return None
    if pa.types.is_timestamp(data_type):
        assert value.tzinfo is UTC, value
        return Moment((value.replace(tzinfo=None) - EPOCH) // dt.timedelta(microseconds=1))
    if pa.types.is_map(data_type):
        return {key: from_avro(data_type.item_type, item) for key, item in value.items()}
    if pa.types.is_list(data_type):
        return [from_avro(data_type.value_type, item) for item in value]
    if pa.types.is_struct(data_type):
        return {field.name: from_avro(field.type, value[field.name]) for field in data_type}
    if pa.types.is_decimal(data_type):
        return scaled(value, data_type)
    return value


def check_polars(reader, wanted, frame, skip=()):
    got = {}
    for name in frame.columns:
        column = frame[name].to_arrow()
        got[name] = plain(column.type, pa.chunked_array([column]))
    check_columns(reader, wanted, got, skip)


def duck(query):
    import duckdb

    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    connection.execute("set autoinstall_known_extensions = false")
    return connection.sql(query)


class on_disk:
    """The file where a reader wants a path."""

    def __init__(self, raw, ending):
        self.raw, self.ending = raw, ending

    def __enter__(self):
        import tempfile

        self.file = tempfile.NamedTemporaryFile(suffix=self.ending)
        self.file.write(self.raw)
        self.file.flush()
        return self.file.name

    def __exit__(self, *_):
        self.file.close()


class Table(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.rows, self.cell = [], None

    def handle_starttag(self, tag, attributes):
        assert tag in ("html", "head", "meta", "title", "style", "body", "table", "thead", "tbody", "tr", "th", "td"), tag
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.cell = ""

    def handle_data(self, data):
        if self.cell is not None:
            self.cell += data

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.rows[-1].append(self.cell)
            self.cell = None


def check_html(raw, wanted):
    table = Table()
    table.feed(raw.decode("utf-8"))
    rows = [[cell or None for cell in row] for row in table.rows]
    # A page cannot hold most control characters, nor a carriage return; the export warns of it.
    wanted = {name: (t, [html_text(v) if isinstance(v, str) else v for v in values]) for name, (t, values) in empty_as_null(wanted).items()}
    check_columns("html: Python", wanted, cells(wanted, rows[1:], rows[0]))


def html_text(text):
    def forbidden(c):
        code = ord(c)
        return (code < 32 and c not in "\t\n\r") or 0x7F <= code < 0xA0 or code & 0xFFFE == 0xFFFE

    return "".join("\ufffd" if forbidden(c) else c for c in text)


def check_xlsx(raw, wanted):
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(raw), read_only=True)
    (sheet,) = book.worksheets
    names, *rows = [list(row) for row in sheet.iter_rows(values_only=True)]
    assert names == list(wanted), names
    wanted = empty_as_null(wanted)
    for at, (name, (data_type, values)) in enumerate(wanted.items()):
        got = [cell_value(data_type, row[at] if at < len(row) else None) for row in rows]
        if pa.types.is_timestamp(data_type) or pa.types.is_time(data_type):
            # Cut to the millisecond, with a warning; texts beside the spreadsheet's calendar are whole.
            values = [cut(v, have) for v, have in zip(values, got)]
        if pa.types.is_floating(data_type):
            values, got = [[None if v is None else v + 0 for v in side] for side in (values, got)]
        compare("xlsx: openpyxl", values, name, data_type, got)
        SEEN["xlsx: openpyxl"] = SEEN.get("xlsx: openpyxl", 0) + len(values)


def cut(value, have):
    if isinstance(value, dt.time):
        return value.replace(microsecond=value.microsecond // 1000 * 1000)
    if isinstance(value, int) and value != have:
        return type(value)(value // 1000 * 1000)
    return value


def cell_value(data_type, cell):
    if cell is None or cell == "":
        return None
    if isinstance(cell, str):
        return Untyped(data_type)(openpyxl_text(cell))
    if pa.types.is_integer(data_type):
        assert int(cell) == cell, cell
        return int(cell)
    if pa.types.is_decimal(data_type):
        return D(repr(cell)).quantize(D(1).scaleb(-data_type.scale))
    if pa.types.is_timestamp(data_type):
        return Moment((cell - EPOCH) // dt.timedelta(microseconds=1))
    if pa.types.is_date(data_type):
        assert cell.time() == dt.time(0), cell
        return cell.date()
    return float_of(data_type, cell) if pa.types.is_floating(data_type) else cell


def openpyxl_text(text):
    import re

    # ECMA-376's escape of characters that XML cannot hold, which openpyxl leaves to its callers.
    return re.sub("_x([0-9A-F]{4})_", lambda found: chr(int(found.group(1), 16)), text)


def check_parquet(raw, wanted):
    table = pq.read_table(io.BytesIO(raw))
    got = {field.name: plain(field.type, table[field.name]) for field in table.schema}
    check_columns("parquet: pyarrow", wanted, got)
    for name, (data_type, _) in wanted.items():
        have = table.schema.field(name).type
        if pa.types.is_decimal(data_type) or pa.types.is_date(data_type) or pa.types.is_integer(data_type):
            assert same_kind(have, data_type), f"{name}: {data_type} became {have}"

    import polars

    check_polars("parquet: Polars", wanted, polars.read_parquet(io.BytesIO(raw)))
    with on_disk(raw, ".parquet") as path:
        table = duck(f"from read_parquet('{path}')").to_arrow_table()
        check_columns("parquet: DuckDB", wanted, {name: plain(table[name].type, table[name]) for name in table.column_names})


def same_kind(have, want):
    if want == pa.uint64():
        return have == pa.decimal128(20, 0)
    if pa.types.is_integer(want):
        return pa.types.is_integer(have) and have.bit_width >= want.bit_width
    if pa.types.is_decimal(want):
        return pa.types.is_decimal(have) and have.scale == want.scale
    return have == want


def check_documents(raw, _):
    """A field that is JSON stands in ndjson as it is, and not as a text."""
    rows = [json.loads(line, parse_float=str, parse_int=str) for line in raw.decode("utf-8").splitlines()]
    wanted = [None if text is None else json.loads(text, parse_float=str, parse_int=str) for text in JSONS]
    assert [row["doc"] for row in rows] == wanted, rows
    assert [int(row["id"]) for row in rows] == list(range(len(JSONS)))
    SEEN["ndjson: Python"] = len(rows)


def check_documents_json(raw, _):
    """And so it does in a document."""
    rows = json.loads(raw.decode("utf-8"), parse_float=str, parse_int=str)
    check_documents("\n".join(json.dumps(row) for row in rows).encode(), _)


def check_documents_csv(raw, _):
    """The same field is its text in csv."""
    rows = list(csv.DictReader(io.StringIO(raw.decode("utf-8"), newline=""), strict=True))
    wanted = [None if text is None else json.loads(text, parse_float=str, parse_int=str) for text in JSONS]
    got = [json.loads(row["doc"], parse_float=str, parse_int=str) if row["doc"] else None for row in rows]
    assert got == wanted, got
    SEEN["csv: Python"] = len(rows)


def check(folder, path, form, packing):
    raw = pathlib.Path(path).read_bytes()
    if packing == "gzip":
        raw = gzip.decompress(raw)
    elif packing == "zip":
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            assert archive.testzip() is None
            (entry,) = archive.namelist()
            raw = archive.read(entry)
    CHECKS[form](raw, source(folder))
    print(", ".join(f"{reader} {count} values" for reader, count in SEEN.items()))


CHECKS = {
    "avro": check_avro, "avro-polars": check_avro_polars, "csv": check_csv, "documents": check_documents,
    "documents-csv": check_documents_csv, "documents-json": check_documents_json, "html": check_html, "json": check_json,
    "json-arrays": check_json_arrays, "json-strings": check_json_strings, "json-text": check_json_text, "ndjson": check_ndjson,
    "ndjson-text": check_ndjson_text, "parquet": check_parquet, "xlsx": check_xlsx, "xml": check_xml, "xml-named": check_xml_named,
}

if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](*sys.argv[2:])
