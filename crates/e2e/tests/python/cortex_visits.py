"""Compares archives of the same visits, as NDJSON, JSON and CSV, with each other and with the files that
they refer to. Arguments: the folder of the files, one that is missing, and the archives in that order."""

import csv
import io
import json
import pathlib
import subprocess
import sys
import zipfile

scans, missing, *archives = sys.argv[1:]
scans = pathlib.Path(scans)




def loads(text):
    # Numbers as they are written.
    return json.loads(text, parse_float=str, parse_int=str)


def flat(value, name=""):
    """The cells of a document by their columns."""
    if isinstance(value, dict):
        cells = {}
        for key, member in value.items():
            cells.update(flat(member, f"{name}.{key}" if name else key))
        return cells
    if isinstance(value, list):
        cells = {}
        for at, element in enumerate(value):
            cells.update(flat(element, f"{name}.{at}"))
        return cells
    return {name: {True: "true", False: "false", None: ""}.get(value, value)}


def opened(path):
    subprocess.run(["unzip", "-tq", path], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["7z", "t", path], check=True, stdout=subprocess.DEVNULL)
    archive = zipfile.ZipFile(path)
    assert archive.testzip() is None
    manifest = json.loads(archive.read("manifest.json"))
    data = archive.read(manifest["data"]["name"]).decode()
    inner = archive
    if "files.zip" in archive.namelist():
        inner = zipfile.ZipFile(io.BytesIO(archive.read("files.zip")))
        assert inner.testzip() is None
    return data, inner, manifest


def check_files(docs, files, manifest):
    """Every file that a document names is there and is what the folder has, or is told to be missing."""
    listed = {entry["name"]: entry for entry in manifest["files"]["list"]}
    lost = {entry["owner"]: entry for entry in manifest["missing"]}
    names = set(files.namelist())
    found = 0
    for doc in docs:
        scan = doc.get("c_scan")
        if scan is None:
            assert doc["_id"] not in lost
            continue
        assert scan["name"] == "content" and "/" not in scan["filename"]
        if scan["filename"] == pathlib.PurePath(missing).name:
            assert lost[doc["_id"]]["reference"] == missing and lost[doc["_id"]]["reason"]
            assert scan["path"] not in names
            continue
        content = (scans / "scans" / scan["filename"]).read_bytes()
        assert files.read(scan["path"]) == content
        assert listed[scan["path"]]["bytes"] == len(content)
        found += 1
    assert found == len(listed) == manifest["files"]["count"]
    return found, len(lost)


lines, files, manifest = opened(archives[0])
docs = [loads(line) for line in lines.splitlines()]
ids = [doc["_id"] for doc in docs]
assert ids == sorted(set(ids)) and len(ids) == manifest["data"]["rows"] > 1_000
found, lost = check_files(docs, files, manifest)
assert found > 500 and lost > 10

data, files, manifest = opened(archives[1])
together = loads(data)
assert check_files(together, files, manifest) == (found, lost)
for doc, other in zip(docs, together, strict=True):
    if "c_scan" in doc:
        # Inside of files.zip everything is a file.
        assert doc["c_scan"].pop("path") == "files/" + other["c_scan"].pop("path")
assert docs == together

data, files, manifest = opened(archives[2])
rows = list(csv.DictReader(io.StringIO(data)))
columns = set(rows[0])
assert {"_id", "c_vitals.c_pulse", "c_items.0._id", "c_items.2.c_price", "c_creator.c_name", "c_remarks"} <= columns
assert "c_items.3._id" not in columns
for doc, row in zip(docs, rows, strict=True):
    row.pop("c_scan.path")
    assert flat(doc) == {name: cell for name, cell in row.items() if cell != "" or flat(doc).get(name) == ""}, (doc, row)

assert any("c_vitals" in doc for doc in docs) and any("c_vitals" not in doc for doc in docs)
assert any(doc.get("c_items") == [] for doc in docs) and any("c_remarks" in doc for doc in docs)
assert all(doc["c_creator"]["object"] == "c_account" for doc in docs if "c_creator" in doc)
assert all("globex" not in line.lower() for line in lines.splitlines())
print(f"{len(docs)} visits, {found} files, {lost} missing")
