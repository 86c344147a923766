# SPDX-License-Identifier: ISC
"""From the text of a case to what it means; no sockets."""
