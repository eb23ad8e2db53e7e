"""Reads a workbook (also inside a zip) with openpyxl and with pandas."""

import datetime
import decimal
import io
import json
import sys
import zipfile

import openpyxl

path, wanted = sys.argv[1], json.load(open(sys.argv[2], encoding="utf-8"))


def contents():
    if path.endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            for name in archive.namelist():
                yield archive.read(name)
    else:
        yield open(path, "rb").read()


def check(got, row):
    assert got[0].value == row[0]
    # An empty text and an empty cell are one and the same to openpyxl.
    assert (got[1].value or "") == (row[1] or ""), (got[1].value, row[1])
    assert got[1].data_type in ("s", "inlineStr", "n") and got[1].data_type != "f"
    if row[2] is None:
        assert got[2].value is None
    else:
        assert decimal.Decimal(str(got[2].value)) == decimal.Decimal(row[2]), (got[2].value, row[2])
    assert got[3].value == row[3]
    assert got[4].value == row[4] and (row[4] is None or got[4].data_type == "b")
    assert got[5].is_date and got[5].value.date().isoformat() == row[5]
    if row[6] is None:
        assert got[6].value is None
    else:
        at = datetime.datetime.fromisoformat(row[6])
        assert got[6].is_date and abs(got[6].value - at) < datetime.timedelta(milliseconds=1)


for content in contents():
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        assert package.testzip() is None
        names = package.namelist()
        assert not any("externalLink" in name or "vba" in name for name in names), names
        for name in names:
            part = package.read(name)
            assert b"<f>" not in part and b"<f " not in part and b"hyperlink" not in part.split(b"<sheetData>")[0]
    workbook = openpyxl.load_workbook(io.BytesIO(content))
    count = 0
    for at, sheet in enumerate(workbook.worksheets):
        assert sheet.title == ("Sheet" if at == 0 else f"Sheet {at + 1}")
        rows = sheet.iter_rows()
        assert [cell.value for cell in next(rows)] == wanted["names"]
        for got in rows:
            check(got, wanted["rows"][count])
            count += 1
    assert count == len(wanted["rows"]), count

    import pandas

    frame = pandas.read_excel(io.BytesIO(content), sheet_name=0)
    assert list(frame.columns) == wanted["names"]
    assert str(frame["day"].dtype).startswith("datetime64")
print(f"{count} rows in {len(workbook.worksheets)} sheets")
