"""Reads what LibreOffice made of a workbook: its flat document, with every cell's type."""

import json
import sys
import xml.etree.ElementTree as ET

path, wanted = sys.argv[1], json.load(open(sys.argv[2], encoding="utf-8"))
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"


def shown(element):
    """The text of a paragraph, with its blanks and tabs."""
    text = element.text or ""
    for child in element:
        if child.tag == TEXT + "s":
            text += " " * int(child.get(TEXT + "c", "1"))
        elif child.tag == TEXT + "tab":
            text += "\t"
        elif child.tag == TEXT + "line-break":
            text += "\n"
        else:
            text += shown(child)
        text += child.tail or ""
    return text


def cells(row):
    for cell in row:
        if cell.tag not in (TABLE + "table-cell", TABLE + "covered-table-cell"):
            continue
        # LibreOffice itself makes TRUE() and FALSE() of boolean cells.
        assert cell.get(TABLE + "formula") in (None, "of:=TRUE()", "of:=FALSE()"), cell.attrib
        for _ in range(min(int(cell.get(TABLE + "number-columns-repeated", "1")), 20)):
            yield cell


document = ET.parse(path).getroot()
assert not list(document.iter(TEXT + "a")), "a link"
(table,) = document.iter(TABLE + "table")
rows = iter([row for row in table.iter(TABLE + "table-row") for _ in range(min(int(row.get(TABLE + "number-rows-repeated", "1")), 2))])
header = ["\n".join(shown(p) for p in cell.iter(TEXT + "p")) for cell in list(cells(next(rows)))[:7]]
assert header == wanted["names"], header
for row, got in zip(wanted["rows"], rows):
    got = list(cells(got))[:7]
    types = [cell.get(OFFICE + "value-type") for cell in got]
    values = [cell.get(OFFICE + "value") for cell in got]
    assert types[0] == "float" and float(values[0]) == row[0]
    text = "\n".join(shown(p) for p in got[1].iter(TEXT + "p"))
    # An office document keeps line ends as paragraphs, whatever they were.
    same = (row[1] or "").replace("\r\n", "\n").replace("\r", "\n")
    assert text.replace("\r\n", "\n").replace("\r", "\n") == same, (text, row[1])
    assert types[1] == ("string" if row[1] else types[1]), (types[1], row[1])
    if row[2] is not None:
        assert types[2] == "float" and float(values[2]) == float(row[2])
    assert types[3] == "float" and abs(float(values[3]) - row[3]) <= 1e-12 * abs(row[3])
    if row[4] is not None:
        assert got[4].get(TABLE + "formula") == f"of:={str(row[4]).upper()}()", (row, got[4].attrib)
    assert types[5] == "date" and got[5].get(OFFICE + "date-value") == row[5]
    if row[6] is not None:
        assert types[6] == "date" and got[6].get(OFFICE + "date-value")[:10] == row[6][:10]
print(f"{len(wanted['rows'])} rows")
