#!/usr/bin/env node
// SPDX-License-Identifier: ISC
// nodemailer for `mocksrv test smtp:COMMAND`: mocksrv(1) says what it is given, and what it tells.

const { MOCKSRV_HOST, MOCKSRV_PORT, MOCKSRV_HELO, MOCKSRV_SENDER, MOCKSRV_RECIPIENTS, MOCKSRV_MESSAGE } = process.env;
const server = { host: MOCKSRV_HOST, port: Number(MOCKSRV_PORT), name: MOCKSRV_HELO };
const transport = require("nodemailer").createTransport({ ...server, tls: { rejectUnauthorized: false } });
const raw = require("fs").readFileSync(MOCKSRV_MESSAGE);
const use8BitMime = raw.some((octet) => octet > 127);
const envelope = { from: MOCKSRV_SENDER, to: MOCKSRV_RECIPIENTS.split("\n"), use8BitMime };
const tell = (failures = []) => failures.forEach((one) => console.log(one.recipient, one.responseCode));

transport.sendMail({ envelope, raw }).then(
  (done) => tell(done.rejectedErrors),
  (error) => {
    tell(error.rejectedErrors);
    console.error(error);
    process.exitCode = Math.trunc(error.responseCode / 100) || 1;
  },
);
