#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Python's smtplib for `mocksrv test smtp:COMMAND`: mocksrv(1) says what it is given, and what it tells."""

import smtplib
import ssl
import sys
from os import environ
from pathlib import Path

recipients = environ["MOCKSRV_RECIPIENTS"].split("\n")
message = Path(environ["MOCKSRV_MESSAGE"]).read_bytes()
header = message.partition(b"\r\n\r\n")[0].decode(errors="ignore")  # SMTPUTF8 is for UTF-8, and for no other 8-bit text
utf8 = not "".join([header, environ["MOCKSRV_SENDER"], *recipients]).isascii()
status = 0
try:
    with smtplib.SMTP(environ["MOCKSRV_HOST"], int(environ["MOCKSRV_PORT"]), environ["MOCKSRV_HELO"]) as smtp:
        smtp.ehlo_or_helo_if_needed()
        if smtp.has_extn("STARTTLS"):
            smtp.starttls(context=ssl._create_unverified_context())
            smtp.ehlo()
        options = ["BODY=8BITMIME"] if smtp.has_extn("8BITMIME") and not message.isascii() else []
        options += ["SMTPUTF8"] if smtp.has_extn("SMTPUTF8") and utf8 else []
        refused = smtp.sendmail(environ["MOCKSRV_SENDER"], recipients, message, options)
except smtplib.SMTPRecipientsRefused as error:
    refused, status = error.recipients, 1  # nobody got it, also those that it does not name
except smtplib.SMTPResponseException as error:
    print(error, file=sys.stderr)
    sys.exit(error.smtp_code // 100)
for recipient, (code, _) in refused.items():
    print(recipient, code)
sys.exit(status)
