"""For programs whose addresses are built in: requests to zuora.com and what is below it go to ZUORA_BASE.

Python imports a module of this name at its start when the folder is on PYTHONPATH. Requests to any other
host are refused, so that a test talks to nobody else.
"""

import os
import urllib.parse

import requests.adapters

BASE = urllib.parse.urlsplit(os.environ["ZUORA_BASE"])
send_anywhere = requests.adapters.HTTPAdapter.send


def send(adapter, request, **options):
    asked = urllib.parse.urlsplit(request.url)
    if not f".{asked.hostname}".endswith(".zuora.com"):
        raise requests.exceptions.InvalidURL(f"{asked.hostname} is no host of Zuora's")
    request.url = asked._replace(scheme=BASE.scheme, netloc=BASE.netloc).geturl()
    return send_anywhere(adapter, request, **options)


requests.adapters.HTTPAdapter.send = send
