"""Inflates raw deflate streams with Python's zlib, and gzip members with gunzip and zip archives
with unzip where they are installed."""

import json
import pathlib
import shutil
import subprocess
import sys
import zlib

folder, wanted = pathlib.Path(sys.argv[1]).parent, json.load(open(sys.argv[2], encoding="utf-8"))
for case in wanted["streams"]:
    inflate = zlib.decompressobj(-15)
    raw = inflate.decompress((folder / f"{case}.deflate").read_bytes())
    assert inflate.eof and not inflate.unused_data, case
    assert raw == (folder / case).read_bytes(), case
# The archive has the file twice.
for program, option, name, times in (("gunzip", "-c", "a.csv.gz", 1), ("unzip", "-p", "a.zip", 2)):
    if shutil.which(program) is None:
        print(f"{program} is not installed")
        continue
    done = subprocess.run([program, option, folder / name], check=True, capture_output=True)
    assert done.stdout == (folder / "a.csv").read_bytes() * times, program
print(f"{len(wanted['streams'])} streams")
