# SPDX-License-Identifier: ISC
"""`make bench`: what a delivery costs with Qremote and with other mail clients, side by side."""
