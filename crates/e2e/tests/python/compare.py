"""Compares an exported file with the source, value for value, by readers that Outhaul's authors did not write.

compare.py DEMO_FOLDER TENANT OBJECT csv|html|Excel FILE plain|zip as-in-source|any-order

The source is read by polars from the demo's Parquet files; the file by Python's csv, html.parser or openpyxl. Rows must
come in the order of the source (unless in any), without the rows that are marked as deleted. Null and empty text look alike in these formats.
"""

import csv
import datetime
import decimal
import html.parser
import io
import pathlib
import sys
import tomllib
import zipfile
import zoneinfo

import openpyxl
import polars

folder, tenant, name, form, path, packing, order = sys.argv[1:]
MASK = "*****"
with open(pathlib.Path(folder) / "outhaul.toml", "rb") as file:
    tenants = tomllib.load(file)["tenants"]
# Workbooks have no zones: moments stand in them as the tenant's own wall clock shows them.
ZONE = next(zoneinfo.ZoneInfo(entry.get("zone", "UTC")) for entry in tenants if entry["id"] == tenant)
csv.field_size_limit(1 << 30)


def source():
    data = pathlib.Path(folder) / "data"
    files = sorted(data.glob(f"{name}.parquet")) + sorted((data / name).glob("*.parquet"))
    assert files, f"no Parquet file of {name} below {data}"
    frame = polars.concat([polars.read_parquet(file) for file in files])
    frame = frame.filter(polars.col("tenant") == tenant)
    if "Deleted" in frame.columns:
        frame = frame.filter(~polars.col("Deleted").fill_null(False))
    return frame


class Table(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.rows, self.cell = [], None

    def handle_starttag(self, tag, attributes):
        assert tag not in ("script", "a", "img"), tag
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


def exported():
    raw = pathlib.Path(path).read_bytes()
    if packing == "zip":
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            assert archive.testzip() is None
            (entry,) = archive.namelist()
            raw = archive.read(entry)
    if form == "csv":
        return list(csv.reader(io.StringIO(raw.decode("utf-8"), newline="")))
    if form == "html":
        table = Table()
        table.feed(raw.decode("utf-8"))
        return table.rows
    book = openpyxl.load_workbook(io.BytesIO(raw), read_only=True)
    rows = []
    for sheet in book.worksheets:
        lines = sheet.iter_rows(values_only=True)
        header = next(lines)
        if not rows:
            rows.append(list(header))
        rows.extend(list(line) for line in lines)
    return rows


def canonical(value, like, naive):
    """A value of either side as something that compares, given a source value of that column."""
    if value is None or value == "":
        return None
    if value == MASK:
        return MASK
    if isinstance(like, bool):
        return str(value).lower()
    if isinstance(like, (int, float, decimal.Decimal)):
        number = decimal.Decimal(repr(value) if isinstance(value, float) else str(value))
        return number.normalize() + 0
    if isinstance(like, datetime.datetime):
        if isinstance(value, str):
            value = datetime.datetime.fromisoformat(value)
        if naive:
            value = value.astimezone(ZONE).replace(tzinfo=None) if value.tzinfo else value
            # A workbook keeps moments as days in binary fractions.
            return round((value - datetime.datetime(1970, 1, 1)).total_seconds())
        return round(value.timestamp())
    if isinstance(like, datetime.date):
        return str(value.date() if isinstance(value, datetime.datetime) else value)
    return str(value)


frame = source()
rows = exported()
header, rows = rows[0], rows[1:]
assert len(rows) == frame.height, f"{len(rows)} rows in the file, {frame.height} in the source"
if order == "any-order":
    # Ids are one of a kind.
    key = header.index(f"{name}.Id")
    rows.sort(key=lambda row: row[key])
    frame = frame.sort("Id")
cells = 0
for at, heading in enumerate(header):
    field = heading.split(".", 1)[1]
    column = frame[field].to_list()
    like = next((value for value in column if value is not None), None)
    for line, (want, row) in enumerate(zip(column, rows)):
        got = row[at] if at < len(row) else None
        naive = isinstance(got, datetime.datetime) and got.tzinfo is None
        a, b = canonical(want, like, naive), canonical(got, like, naive)
        if b == MASK and a is not None:
            continue
        if a != b:
            raise SystemExit(f"{heading} of row {line}: {want!r} in the source, {got!r} in the file")
        cells += 1
print(f"{len(rows)} rows, {cells} cells equal")
