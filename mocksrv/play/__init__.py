# SPDX-License-Identifier: ISC
"""A server that plays a dialogue, octet for octet or by a policy."""
