"""Reads an archive of rows and files, by zipfile and by whatever else unpacks zip files here."""

import io
import json
import shutil
import subprocess
import sys
import zipfile

path, wanted = sys.argv[1], json.load(open(sys.argv[2], encoding="utf-8"))

for command in (["unzip", "-tqq", path], ["7z", "t", "-bso0", path]):
    if shutil.which(command[0]):
        subprocess.run(command, check=True)

with zipfile.ZipFile(path) as archive:
    assert archive.testzip() is None
    assert archive.namelist() == wanted["names"], archive.namelist()[:5]
    files = archive
    if wanted["together"]:
        info = archive.getinfo("files.zip")
        # Stored in blocks: five bytes for each 64 KiB.
        assert info.file_size <= info.compress_size <= info.file_size * 1.2 + 7, info
        files = zipfile.ZipFile(io.BytesIO(archive.read("files.zip")))
        assert files.testzip() is None
        assert len(files.namelist()) == wanted["count"]
    for name, text in wanted["texts"].items():
        assert files.read(name).decode() == text, name
    assert len(files.read(wanted["large"])) == wanted["large_bytes"]
print(f"{wanted['count']} files")
