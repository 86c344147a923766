#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""aiosmtplib for `mocksrv test smtp:COMMAND`: mocksrv(1) says what it is given, and what it tells."""

import asyncio
import sys
from os import environ
from pathlib import Path

import aiosmtplib

recipients = environ["MOCKSRV_RECIPIENTS"].split("\n")
message = Path(environ["MOCKSRV_MESSAGE"]).read_bytes()
header = message.partition(b"\r\n\r\n")[0].decode(errors="ignore")  # SMTPUTF8 is for UTF-8, and for no other 8-bit text
utf8 = not "".join([header, environ["MOCKSRV_SENDER"], *recipients]).isascii()


async def deliver() -> dict:
    server = {"hostname": environ["MOCKSRV_HOST"], "port": int(environ["MOCKSRV_PORT"])}
    async with aiosmtplib.SMTP(**server, local_hostname=environ["MOCKSRV_HELO"], validate_certs=False) as smtp:
        await smtp._ehlo_or_helo_if_needed()
        options = ["BODY=8BITMIME"] if smtp.supports_extension("8BITMIME") and not message.isascii() else []
        options += ["SMTPUTF8"] if smtp.supports_extension("SMTPUTF8") and utf8 else []
        refused, _ = await smtp.sendmail(environ["MOCKSRV_SENDER"], recipients, message, mail_options=options)
        return refused


try:
    refused = asyncio.run(deliver())
except aiosmtplib.SMTPRecipientsRefused as error:
    refused = {one.recipient: one.args for one in error.recipients}
except aiosmtplib.SMTPResponseException as error:
    print(error, file=sys.stderr)
    sys.exit(error.code // 100)
for recipient, (code, *_) in refused.items():
    print(recipient, code)
