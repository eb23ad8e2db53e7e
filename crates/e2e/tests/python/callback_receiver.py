"""A receiver of callbacks on loopback that writes down what it hears.

usage: callback_receiver.py FOLDER PORT SECRET [NAME]

With a name it is encrypted, with a certificate for that name; its authority is FOLDER/ca.pem. Each
request is a line of FOLDER/requests.jsonl: method, path, headers, body, and whether the library
of Standard Webhooks takes its signature for good. It prints its port and serves until its standard
input ends. What it answers is told by the first part of the path:

  /gone/...    410, always
  /busyN/...   503 the first N times for a path, then 204
  /moved/...   302 to /stolen
  /hang/...    the first time for a path the answer never comes
  others       200, with a body
"""

import collections
import http.server
import json
import os
import ssl
import sys
import threading

import standardwebhooks


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder, secret = sys.argv[1], sys.argv[3]
    asked, lock = collections.Counter(), threading.Lock()

    def verified(self, body):
        try:
            webhook = standardwebhooks.Webhook(self.secret)
            webhook.verify(body, dict(self.headers), json_parse=False)
            return True
        except standardwebhooks.WebhookVerificationError as error:
            return str(error)

    def serve(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        heard = {
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": body,
            "verified": self.verified(body),
        }
        with self.lock:
            self.asked[self.path] += 1
            count = self.asked[self.path]
            with open(os.path.join(self.folder, "requests.jsonl"), "a") as file:
                file.write(json.dumps(heard) + "\n")
        word = self.path.split("/")[1]
        if word == "hang" and count == 1:
            threading.Event().wait(3600)
        if word == "gone":
            return self.answer(410)
        if word.startswith("busy") and count <= int(word[4:]):
            return self.answer(503)
        if word == "moved":
            return self.answer(302, {"Location": "/stolen"})
        return self.answer(200)

    do_GET = do_POST = serve

    def answer(self, status, headers=()):
        body = b"a secret of the receiver"
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, address):
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, address)


def encrypt(server, folder, name):
    import trustme

    authority = trustme.CA()
    authority.cert_pem.write_to_path(os.path.join(folder, "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)


server = Server(("127.0.0.1", int(sys.argv[2])), Handler)
if len(sys.argv) > 4:
    encrypt(server, sys.argv[1], sys.argv[4])
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
