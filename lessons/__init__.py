# SPDX-License-Identifier: ISC
"""Lessons on SMTP, with what was really said on the wire: `make lessons`."""
