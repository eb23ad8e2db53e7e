"""Files of the Zoho dialect in the eyes of readers that Outhaul's authors did not write: each answers the names of the columns, and the rows as
texts. A workbook's numbers and dates are texts here too, with the digits of the source's types."""

import csv
import datetime as dt
import decimal
import html.parser
import io
import json
import re
import subprocess

import pyarrow as pa

D = decimal.Decimal


def of_csv(raw, delimiter=",", line_end="\r\n", quote='"', header=True):
    text = raw.decode("utf-8")
    assert text.endswith(line_end), text[-20:]
    if line_end == "\n":
        assert "\r" not in text
    elif line_end == "\r":
        assert "\n" not in text
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quotechar=quote, strict=True))
    names = rows.pop(0) if header else None
    return names, [tuple(row) for row in rows]


def of_csv_by_polars(raw):
    import polars

    frame = polars.read_csv(raw, infer_schema=False).fill_null("")
    return frame.columns, frame.rows()


def of_json(raw):
    """{"data": [{...}, ...]}"""
    document = json.loads(raw)
    assert list(document) == ["data"], list(document)
    rows = document["data"]
    names = list(rows[0])
    assert all(list(row) == names for row in rows)
    return names, [tuple(row.values()) for row in rows]


def of_json_arrays(raw, path, criteria):
    """{"response": {"uri": ..., "result": {"column_order": [...], "rows": [[...], ...]}}}"""
    document = json.loads(raw)
    response = document["response"]
    assert list(document) == ["response"] and (response["uri"], response["action"]) == (path, "EXPORT"), response["uri"]
    assert response.get("criteria") == criteria, response["criteria"]
    return response["result"]["column_order"], [tuple(row) for row in response["result"]["rows"]]


def of_xml(raw, path):
    """<response uri action><result><rows><row><column name="Col">"""
    import lxml.etree

    assert raw.startswith(b"<?xml "), raw[:60]
    root = lxml.etree.fromstring(raw, lxml.etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False))
    assert root.tag == "response" and dict(root.attrib) == {"uri": path, "action": "EXPORT"}, dict(root.attrib)
    (result,) = root
    (rows,) = result
    assert (result.tag, rows.tag) == ("result", "rows")
    names = [column.get("name") for column in rows[0]]
    found = []
    for row in rows:
        assert row.tag == "row" and [column.get("name") for column in row] == names
        found.append(tuple(column.text or "" for column in row))
    return names, found


def of_xml_elements(raw):
    """<result><rows><row><Col>"""
    import lxml.etree

    assert raw.startswith(b"<result>"), raw[:60]
    root = lxml.etree.fromstring(raw, lxml.etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False))
    (rows,) = root
    assert rows.tag == "rows"
    tags = [column.tag for column in rows[0]]
    found = []
    for row in rows:
        assert row.tag == "row" and [column.tag for column in row] == tags
        found.append(tuple(column.text or "" for column in row))
    # A character that has no place in a name is written by its number (ISO/IEC 9075-14).
    return [re.sub("_x([0-9A-F]{4})_", lambda number: chr(int(number[1], 16)), tag) for tag in tags], found


class Table(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.rows, self.cell, self.tags = [], None, set()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.cell = []

    def handle_data(self, data):
        if self.cell is not None:
            self.cell.append(data)

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.rows[-1].append("".join(self.cell))
            self.cell = None


def of_html(raw):
    table = Table()
    table.feed(raw.decode("utf-8"))
    table.close()
    # A part of a page, and not a page.
    assert table.tags <= {"style", "div", "table", "caption", "thead", "tbody", "tr", "th", "td"}, table.tags
    names, *rows = table.rows
    return names, [tuple(row) for row in rows]


def of_workbook(raw, types):
    """`types` are the source's, by the names of the columns."""
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(raw), read_only=True)
    (sheet,) = book.worksheets
    names, *rows = sheet.iter_rows(values_only=True)
    kinds = [types[name] for name in names]
    return list(names), [tuple(cell(kind, value) for kind, value in zip(kinds, row + (None,) * len(kinds))) for row in rows]


def cell(kind, value):
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if pa.types.is_decimal(kind):
        return str(D(repr(value)).quantize(D(1).scaleb(-kind.scale)))
    if pa.types.is_date(kind):
        assert value.time() == dt.time(0), value
        return value.date().isoformat()
    if pa.types.is_timestamp(kind):
        return value.isoformat() + "Z"
    assert pa.types.is_integer(kind) and int(value) == value, (kind, value)
    return str(int(value))


def lines_of_pdf(path, header, password=None):
    """The rows as lines, their cells with a blank between them, and how many pages there are; by poppler. The headings stand on every page, and
    below it its number and that of all."""
    command = ["pdftotext", "-raw", "-enc", "UTF-8", *(["-upw", password] if password else []), str(path), "-"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    pages = done.stdout.split("\f")
    assert pages.pop() == ""
    found = []
    for number, page in enumerate(pages, 1):
        lines = page.rstrip("\n").split("\n")
        assert lines.pop(0) == " ".join(header), f"page {number} begins with {page[:100]!r}"
        assert lines.pop() == f"{number} / {len(pages)}", f"page {number} ends with {page[-40:]!r}"
        found += lines
    return found, len(pages)


def line(row):
    """A row as pdftotext shows it."""
    return " ".join(" ".join(row).split())
