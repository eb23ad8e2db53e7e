"""Opens an encrypted archive with pyzipper, an implementation of WinZip's AES that Outhaul's authors did not write.

passwords.py ARCHIVE PASSWORD WANTED

The archive has one entry, encrypted with 256 bits and without a checksum of its content (AE-2), that is the file WANTED byte for byte; other
passwords do not open it, and neither does a reader that knows no encryption see anything of it.
"""

import pathlib
import sys

import pyzipper


def main(path, password, wanted):
    wanted = pathlib.Path(wanted).read_bytes()
    with pyzipper.AESZipFile(path) as archive:
        (entry,) = archive.infolist()
        assert (entry.wz_aes_version, entry.wz_aes_strength, entry.CRC) == (2, 3, 0), entry
        assert entry.file_size == len(wanted), entry
        for wrong in ("", "x", password + "x", password.upper()):
            try:
                archive.read(entry, pwd=wrong.encode())
            except (RuntimeError, pyzipper.zipfile.BadZipFile):
                continue
            raise SystemExit(f"{path}: {wrong!r} opens it")
        assert archive.read(entry, pwd=password.encode()) == wanted, path
    text = pathlib.Path(path).read_bytes()
    assert not wanted or wanted[:64] not in text


if __name__ == "__main__":
    main(*sys.argv[1:])
