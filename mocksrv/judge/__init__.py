# SPDX-License-Identifier: ISC
"""What came of a case with a client, at the level of the RFCs."""
