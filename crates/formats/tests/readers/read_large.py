"""Reads an archive whose entries are larger than 4 GiB, checksums included."""

import json
import sys
import zipfile

path, wanted = sys.argv[1], json.load(open(sys.argv[2], encoding="utf-8"))
with zipfile.ZipFile(path) as archive:
    assert [info.file_size for info in archive.infolist()] == wanted["bytes"]
    assert archive.testzip() is None
print(f"{sum(wanted['bytes'])} bytes")
