"""Reads a pdf of a table with poppler's pdftotext, every cell of every page, and some pages with pypdf.

Arguments: the file, the expected rows as JSON ({"title", "header", "rows"}), and the password if it
has one. Cells of a row stand on one line of pdftotext's raw order, with a blank between them.
"""

import json
import subprocess
import sys

from pypdf import PdfReader
from pypdf.errors import FileNotDecryptedError

path, wanted = sys.argv[1], json.load(open(sys.argv[2], encoding="utf-8"))
password = sys.argv[3] if len(sys.argv) > 3 else None


def text(*more):
    return subprocess.run(
        ["pdftotext", "-raw", "-enc", "UTF-8", *more, path, "-"], capture_output=True, text=True
    )


def line(cells):
    return " ".join(cell for cell in cells if cell)


reader = PdfReader(path)
if password is None:
    assert not reader.is_encrypted
    done = text()
else:
    assert reader.is_encrypted
    try:
        reader.pages[0]
        raise SystemExit("a page was read without the password")
    except FileNotDecryptedError:
        pass
    assert reader.decrypt("not it") == 0, "another password opened it"
    assert reader.decrypt(password) != 0, "the password did not open it"
    assert text().returncode != 0, "poppler opened it without the password"
    assert text("-upw", "not it").returncode != 0, "poppler opened it with another password"
    done = text("-upw", password)
assert done.returncode == 0, done.stderr
assert done.stderr == "", done.stderr

pages = done.stdout.split("\f")
assert pages.pop() == "", "something stands behind the last page"
assert len(pages) == len(reader.pages), (len(pages), len(reader.pages))
header, at = line(wanted["header"]), 0
rows_of_page = []
for number, page in enumerate(pages, 1):
    lines = page.rstrip("\n").split("\n")
    if number == 1 and wanted["title"]:
        assert lines.pop(0) == wanted["title"], page[:200]
    assert lines.pop(0) == header, f"page {number} begins with {page[:100]!r}"
    assert lines.pop() == f"{number} / {len(pages)}", f"page {number} ends with {page[-40:]!r}"
    for read in lines:
        assert read == line(wanted["rows"][at]), (number, at, read, wanted["rows"][at])
        at += 1
    rows_of_page.append(at)
assert at == len(wanted["rows"]), (at, len(wanted["rows"]))

# pypdf puts blanks and ends of lines where it likes.
for number in {1, (len(pages) + 1) // 2, len(pages)}:
    first = rows_of_page[number - 2] if number > 1 else 0
    expected = [wanted["title"]] if number == 1 else []
    expected += wanted["header"]
    for row in wanted["rows"][first : rows_of_page[number - 1]]:
        expected += row
    expected += [f"{number} / {len(pages)}"]
    read = "".join(reader.pages[number - 1].extract_text().split())
    assert read == "".join("".join(expected).split()), f"pypdf, page {number}: {read[:200]}"
assert reader.metadata.title == (wanted["title"] or "Export"), reader.metadata
print(f"{len(pages)} pages, {at} rows")
