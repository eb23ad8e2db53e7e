"""Unpacks an archive and looks where its files went."""

import json
import os
import sys
import tempfile
import zipfile

path, wanted = sys.argv[1], json.load(open(sys.argv[2], encoding="utf-8"))
with zipfile.ZipFile(path) as archive:
    assert archive.testzip() is None
    assert archive.namelist() == wanted["names"]
    for info in archive.infolist():
        assert info.external_attr >> 16 == 0o100644, "a regular file"
    with tempfile.TemporaryDirectory() as folder:
        archive.extractall(folder)
        assert sorted(os.listdir(folder)) == sorted(wanted["names"])
print(f"{len(wanted['names'])} names")
