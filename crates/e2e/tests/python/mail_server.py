"""A mail server on loopback that keeps what it takes.

usage: mail_server.py FOLDER PORT none|starttls|tls [USER PASSWORD]

Each mail it takes is FOLDER/NUMBER.eml, written under another name first. With TLS its authority is
FOLDER/ca.pem. It prints its port and serves until its standard input ends. What it answers is told
by the receiver's name:

  never@...   550, always
  busyN@...   451 the first N times, then it is taken
  hang@...    the first time the mail is taken and the answer never comes
"""

import asyncio
import collections
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Handler:
    def __init__(self, folder):
        self.folder = folder
        self.asked = collections.Counter()
        self.taken = len([name for name in os.listdir(folder) if name.endswith(".eml")])

    async def handle_RCPT(self, server, session, envelope, address, options):
        name = address.split("@")[0]
        self.asked[name] += 1
        if name == "never":
            return f"550 5.1.1 no mailbox {address} here"
        if name.startswith("busy") and self.asked[name] <= int(name[4:]):
            return "451 4.2.1 mailbox busy, try again"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.taken += 1
        part = os.path.join(self.folder, f"{self.taken}.part")
        with open(part, "wb") as file:
            file.write(envelope.content)
        os.rename(part, os.path.join(self.folder, f"{self.taken}.eml"))
        name = envelope.rcpt_tos[0].split("@")[0]
        if name == "hang" and self.asked[name] == 1:
            await asyncio.sleep(3600)
        return "250 taken"


def context(folder):
    import trustme

    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(os.path.join(folder, "ca.pem"))
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(found)
    return found


async def serve():
    folder, port, tls = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    options, wrapped = {}, None
    if tls == "tls":
        wrapped = context(folder)
    if tls == "starttls":
        options.update(tls_context=context(folder), require_starttls=True)
    if len(sys.argv) > 4:
        wanted = (sys.argv[4].encode(), sys.argv[5].encode())

        def authenticate(server, session, envelope, mechanism, data):
            return AuthResult(success=(data.login, data.password) == wanted, handled=False)

        # Encryption from the first byte is not known to the protocol.
        options.update(authenticator=authenticate, auth_required=True)
        options["auth_require_tls"] = tls == "starttls"
    handler = Handler(folder)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(handler, **options), "127.0.0.1", port, ssl=wrapped
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(serve())
