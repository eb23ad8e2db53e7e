"""Runs tap-zuora against ZUORA_BASE: only its base address and its pause between polls differ."""

import os
import sys

import tap_zuora
import tap_zuora.client
import tap_zuora.sync

base = os.environ["ZUORA_BASE"].rstrip("/") + "/"
tap_zuora.client.URLS = {
    region: [base] if isinstance(urls, list) else base
    for region, urls in tap_zuora.client.URLS.items()
}
tap_zuora.sync.DEFAULT_POLL_INTERVAL = 0.05
sys.exit(tap_zuora.main())
