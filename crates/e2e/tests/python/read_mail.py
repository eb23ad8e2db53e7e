"""Reads a mail with Python's own parser and prints what it says, as JSON."""

import email
import email.policy
import html.parser
import json
import sys


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self.words, self.loads = [], [], []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "href":
                self.links.append(value)
            if name in ("src", "srcset", "style", "background") or name.startswith("on"):
                self.loads.append([tag, name, value])
        if tag in ("script", "style", "link", "iframe", "object"):
            self.loads.append([tag])

    def handle_data(self, data):
        self.words.append(data)


with open(sys.argv[1], "rb") as file:
    mail = email.message_from_binary_file(file, policy=email.policy.default)
plain, rich = mail.get_body(("plain",)), mail.get_body(("html",))
page = Page()
page.feed(rich.get_content())
text = plain.get_content()
json.dump(
    {
        "type": mail.get_content_type(),
        "parts": [part.get_content_type() for part in mail.iter_parts()],
        "headers": {name.lower(): str(value) for name, value in mail.items()},
        "defects": [repr(defect) for part in mail.walk() for defect in part.defects],
        "plain": text,
        "plain_links": [line for line in text.splitlines() if line.startswith("http")],
        "html": "".join(page.words),
        "html_links": page.links,
        "loads": page.loads,
    },
    sys.stdout,
)
