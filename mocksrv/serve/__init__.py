# SPDX-License-Identifier: ISC
"""A server to try any client against."""
