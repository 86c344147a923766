# SPDX-License-Identifier: ISC
"""What happened, for people."""
