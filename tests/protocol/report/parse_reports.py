#!/usr/bin/env python3
"""Reads the golden reports with Python's email package; run by hand. Exits 1 on a surprise."""
import email
import email.policy
import pathlib
import sys

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "golden" / "report"
failures = 0
for path in sorted(GOLDEN.glob("*.eml")):
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.SMTP)
    parts = message.get_payload()
    types = [part.get_content_type() for part in parts]
    defects = list(message.defects) + [d for part in parts for d in part.defects]
    good = (
        message.get_content_type() == "multipart/report"
        and len(parts) == 3
        and types[1] in ("message/delivery-status", "message/global-delivery-status")
        and not defects
        and message["Auto-Submitted"] == "auto-replied"
        and message["Bcc"] is None
    )
    blocks = []
    if types[1] == "message/delivery-status":
        blocks = [dict(block.items()) for block in parts[1].get_payload()]
        good = good and len(blocks) >= 2 and "Reporting-MTA" in blocks[0]
        good = good and all({"Action", "Final-Recipient", "Status"} <= set(b) for b in blocks[1:])
    failures += not good
    print("ok  " if good else "FAIL", path.name, types, len(blocks), defects)
sys.exit(1 if failures else 0)
