# SPDX-License-Identifier: ISC
"""What is around a client under test: network, names, files."""
