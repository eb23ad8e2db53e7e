"""Every responseFormat and what CONFIG says of it, read back by third-party readers and compared, value for value, with the demo's files.

zoho_formats.py large|options|passwords BASE_URL ACCOUNT_JSON DEMO_FOLDER TENANT OUT_FOLDER [ROWS]

`large` exports all of InvoiceItem, at least ROWS rows of it, in every format; `options` and `passwords` export smaller views.
"""

import io
import json
import pathlib
import sys
import time

import zoho_readers as read
from zoho_client import Zoho
from zoho_source import View

what, base, account, folder, tenant, out, *least = sys.argv[1:]
zoho, out = Zoho(base, json.loads(account)), pathlib.Path(out)
# The footer's numbers stand on every page; what differs from page to page is left out above.
PAGES = {"responseFormat": "pdf", "showTitle": 2, "leftHeader": 0, "rightHeader": 0, "centerFooter": 4}


def path_of(name):
    return f"/restapi/v2/bulk/workspaces/{zoho.account['workspace_id']}/views/{zoho.account['views'][name]}/data"


def same(what, view, names, got, where=None):
    """What was read is what the source has."""
    have_names, rows = got
    assert have_names is None or list(have_names) == names, (what, have_names)
    wanted, rows = view.rows(names, where), sorted(rows)
    assert len(rows) == len(wanted), f"{what}: {len(rows)} rows of {len(wanted)}"
    for have, want in zip(rows, wanted):
        assert have == want, f"{what}: {[pair for pair in zip(names, have, want) if pair[1] != pair[2]]}"
    return len(rows)


def is_of(kind, wanted):
    assert kind.split(";")[0] == wanted, kind


WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def check_pdf(raw, view, names, password=None):
    import pypdf

    file = out / "pages.pdf"
    file.write_bytes(raw)
    lines, count = read.lines_of_pdf(file, names, password)
    wanted = view.rows(names)
    shown = sorted(read.line(row) for row in wanted)
    assert len(lines) == len(wanted), f"pdf: {len(lines)} lines of {len(wanted)} rows"
    for have, want in zip(sorted(lines), shown):
        assert have == want, (have, want)
    reader = pypdf.PdfReader(file, password=password)
    assert len(reader.pages) == count
    # pypdf puts blanks and ends of lines where it likes.
    ids = {row[0] for row in wanted}
    for number in sorted({0, count // 2, count - 1}):
        text = "".join(reader.pages[number].extract_text().split())
        assert text.startswith("".join("".join(names).split())) and text.endswith(f"{number + 1}/{count}"), text[:100]
        assert sum(1 for id in ids if id in text) >= 1
    return len(lines), count


def large():
    view = View(folder, tenant, "InvoiceItem")
    names = view.shown()
    types = {name: view.type(name) for name in names}
    some = ["Id", "Charge Amount", "Currency", "Charge Name", "Unit Price", "Tax Code", "Service Start Date", "Created Date"]
    everything = "\"Id\" is not null"
    path = path_of("InvoiceItem")
    tasks = [
        ("csv", {"responseFormat": "csv"}, "text/csv", lambda raw: same("csv", view, names, read.of_csv(raw))),
        ("json", {"responseFormat": "json"}, "application/json", lambda raw: same("json", view, names, read.of_json(raw))),
        ("json arrays", {"responseFormat": "json", "keyValueFormat": False, "criteria": everything}, "application/json",
         lambda raw: same("json arrays", view, names, read.of_json_arrays(raw, path, everything))),
        ("xml", {"responseFormat": "xml"}, "application/xml", lambda raw: same("xml", view, names, read.of_xml(raw, path))),
        ("xml elements", {"responseFormat": "xml", "keyValueFormat": True}, "application/xml",
         lambda raw: same("xml elements", view, names, read.of_xml_elements(raw))),
        ("xls", {"responseFormat": "xls"}, WORKBOOK, lambda raw: same("xls", view, names, read.of_workbook(raw, types))),
        ("html", {"responseFormat": "html"}, "text/html", lambda raw: same("html", view, names, read.of_html(raw))),
        ("pdf", {**PAGES, "selectedColumns": some, "paperStyle": "Landscape"}, "application/pdf", lambda raw: check_pdf(raw, view, some)),
    ]
    # Five at once, as many as there may be.
    for part in (tasks[:5], tasks[5:]):
        begun = time.monotonic()
        jobs = [zoho.of_view("InvoiceItem", config) for _, config, _, _ in part]
        for job, (name, _, kind, check) in zip(jobs, part):
            raw, shown = zoho.download(job)
            seconds = time.monotonic() - begun
            is_of(shown, kind)
            found = check(raw)
            rows = found[0] if isinstance(found, tuple) else found
            assert rows >= int(least[0]), (name, rows)
            if name == "csv":
                assert same("csv by polars", view, names, read.of_csv_by_polars(raw)) == rows
            print(f"{name}: {found} rows read, {len(raw)} bytes, there after {seconds:.1f} s, compared in {time.monotonic() - begun - seconds:.1f} s")


def options():
    contacts, accounts = View(folder, tenant, "Contact"), View(folder, tenant, "Account")

    def of(name, **config):
        return zoho.download(zoho.of_view(name, config))[0]

    names = ["City", "Address1", "Id", "First Name", "Last Name"]
    ends = {0: "\r\n", 1: "\n", 2: "\r"}
    count = 0
    for number, delimiter in enumerate(",\t; |"):
        end = number % 3
        for quoted, quote in ((None, '"'), (1, '"'), ("0", "'")):
            config = {"delimiter": number, "recordDelimiter": str(end), "includeHeader": quoted != 1, "selectedColumns": names}
            if quoted is not None:
                config["quoted"] = quoted
            raw = of("Contact", **config)
            same(config, contacts, names, read.of_csv(raw, delimiter, ends[end], quote, header=quoted != 1))
            first = raw.decode().split(ends[end])[0]
            if quoted is not None:
                assert first[0] == first[-1] == quote and first.count(f"{quote}{delimiter}{quote}") >= 4, first
            count += 1
    # Hidden columns: Notes. All formats but html have them, unless somebody says otherwise.
    hidden, shown = accounts.shown(), accounts.shown(hidden=False)
    assert set(hidden) - set(shown) == {"Notes"}
    for config, wanted, reader in [
        ({}, hidden, read.of_csv),
        ({"showHiddenCols": False}, shown, read.of_csv),
        ({"responseFormat": "json", "showHiddenCols": "false"}, shown, read.of_json),
        ({"responseFormat": "html"}, shown, read.of_html),
        ({"responseFormat": "html", "showHiddenCols": True}, hidden, read.of_html),
        ({"showHiddenCols": False, "selectedColumns": ["Notes", "Id"]}, ["Notes", "Id"], read.of_csv),
    ]:
        same(config, accounts, wanted, reader(of("Account", **config)))
        count += 1
    # Columns with personal data come when they are asked for, and masked.
    methods = View(folder, tenant, "PaymentMethod")
    (secret,) = set(methods.names) - set(methods.shown())
    assert read.of_csv(of("PaymentMethod"))[0] == methods.shown()
    for config in ({"showPersonalCols": True}, {"selectedColumns": [secret]}):
        names, rows = read.of_csv(of("PaymentMethod", **config))
        at = names.index(secret)
        values = {row[at] for row in rows}
        assert values <= {"", "*****"} and "*****" in values, values
        count += 1
    # No rows are a file all the same.
    none = {"criteria": "\"Id\" = 'none'", "selectedColumns": ["Id", "Name"]}
    assert of("Account", **none) == b"Id,Name\r\n"
    assert json.loads(of("Account", **none, responseFormat="JSON")) == {"data": []}
    assert json.loads(of("Account", **none, responseFormat="json", keyValueFormat="false"))["response"]["result"] == {"column_order": ["Id", "Name"], "rows": []}
    assert b"<rows" in of("Account", **none, responseFormat="Xml")
    assert of("Account", **none, responseFormat="pdf").startswith(b"%PDF-")
    for config, heads, captions in [({"includeHeader": False}, 0, 1), ({"includeTitle": 2}, 2, 0), ({"includeTitle": 1}, 2, 1)]:
        page = of("Account", **none, **config, responseFormat="html")
        assert (page.count(b"<th "), page.count(b"<caption")) == (heads, captions), (config, page)
    print(f"{count} ways to write a view, each read back")


def passwords():
    import msoffcrypto
    import pypdf
    import pyzipper

    word = "öffne dich, Sesam 42"
    view = View(folder, tenant, "Contact")
    names = ["Id", "First Name", "City", "Created Date"]
    types = {name: view.type(name) for name in names}
    path = path_of("Contact")
    readers = {
        "csv": read.of_csv,
        "json": read.of_json,
        "xml": lambda raw: read.of_xml(raw, path),
        "html": read.of_html,
        "xls": lambda raw: read.of_workbook(raw, types),
    }
    wrong = ("x", word[:-1], word.upper(), "")
    for form in (*readers, "pdf"):
        config = {"responseFormat": form, "selectedColumns": names, "password": word}
        raw, kind = zoho.download(zoho.of_view("Contact", {**PAGES, **config} if form == "pdf" else config))
        assert view.rows(["Id"])[0][0].encode() not in raw
        if form == "pdf":
            is_of(kind, "application/pdf")
            reader = pypdf.PdfReader(io.BytesIO(raw))
            assert reader.is_encrypted and all(reader.decrypt(other) == 0 for other in wrong)
            check_pdf(raw, view, names, word)
        elif form == "xls":
            is_of(kind, WORKBOOK)
            for other in (*wrong, word):
                book, plain = msoffcrypto.OfficeFile(io.BytesIO(raw)), io.BytesIO()
                try:
                    book.load_key(password=other, verify_password=True)
                    book.decrypt(plain, verify_integrity=True)
                except (msoffcrypto.exceptions.InvalidKeyError, msoffcrypto.exceptions.DecryptionError):
                    assert other != word
                    continue
                assert other == word, other
            same(form, view, names, readers[form](plain.getvalue()))
        else:
            is_of(kind, "application/zip")
            with pyzipper.AESZipFile(io.BytesIO(raw)) as archive:
                (entry,) = archive.infolist()
                assert (entry.wz_aes_version, entry.wz_aes_strength) == (2, 3) and entry.filename.endswith("." + form), entry
                for other in wrong:
                    try:
                        archive.read(entry, pwd=other.encode())
                    except (RuntimeError, pyzipper.zipfile.BadZipFile):
                        continue
                    raise SystemExit(f"{form}: {other!r} opens it")
                same(form, view, names, readers[form](archive.read(entry, pwd=word.encode())))
    print(f"{len(readers) + 1} formats with a password, each opened with it and with none of {len(wrong)} others")


{"large": large, "options": options, "passwords": passwords}[what]()
