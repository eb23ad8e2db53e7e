"""Opens an encrypted workbook with msoffcrypto-tool and reads it with openpyxl.

Arguments: the file (or a zip archive with it), the password, and the number of rows below the header.
"""

import io
import sys
import zipfile

import msoffcrypto
import olefile
import openpyxl

path, password, rows = sys.argv[1], sys.argv[2], int(sys.argv[3])
data = open(path, "rb").read()
if path.endswith(".zip"):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        (name,) = archive.namelist()
        data = archive.read(name)

names = ["/".join(part) for part in olefile.OleFileIO(data).listdir()]
assert sorted(names) == sorted(
    [
        "EncryptionInfo",
        "EncryptedPackage",
        "\x06DataSpaces/Version",
        "\x06DataSpaces/DataSpaceMap",
        "\x06DataSpaces/DataSpaceInfo/StrongEncryptionDataSpace",
        "\x06DataSpaces/TransformInfo/StrongEncryptionTransform/\x06Primary",
    ]
), names



def text(at):
    numbers = (at * 6364136223846793005 + part * part for part in range(1, 13))
    return "".join(f"{number * 2862933555777941757 % 2**64:016x}" for number in numbers)


office = msoffcrypto.OfficeFile(io.BytesIO(data))
assert office.is_encrypted()
try:
    office.load_key(password=password + "x", verify_password=True)
    raise SystemExit("another password opened it")
except msoffcrypto.exceptions.InvalidKeyError:
    pass
office.load_key(password=password, verify_password=True)
plain = io.BytesIO()
office.decrypt(plain, verify_integrity=True)

sheet = openpyxl.load_workbook(plain, read_only=True).worksheets[0]
read = list(sheet.iter_rows(values_only=True))
assert read[0] == ("id", "text"), read[0]
assert len(read) == rows + 1, (len(read), rows)
for at, row in enumerate(read[1:]):
    assert row == (at, text(at)), (at, row)
print(f"{rows} rows in {len(data)} bytes")
