# SPDX-License-Identifier: ISC
"""Shared by all tests. The cases of mocksrv's own tests are played against their own client, not against Qremote."""

import os

import pytest
from hypothesis import settings

collect_ignore_glob = ["mocksrv/cases/*"]

# The same examples every time, and no database of them in the repository. To search for more:
# pytest --hypothesis-profile=explore
settings.register_profile("house", derandomize=True, database=None, deadline=None)
settings.register_profile("explore", max_examples=10000, database=None, deadline=None)
settings.load_profile("house")


# Seconds within which a server of aiosmtpd has to start. Its own limit is five, however busy the machine is.
os.environ.setdefault("AIOSMTPD_CONTROLLER_TIMEOUT", "120")


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker that test_spec.py looks for."""
    config.addinivalue_line("markers", "spec(clause, ...): the clauses of man/Qremote.8 that the test proves")
    config.addinivalue_line("markers", "valgrind: takes valgrind and minutes; `make valgrind` runs it")
    config.addinivalue_line("markers", "browser: takes Chromium and axe-core; `make browser` runs it")
    config.addinivalue_line("markers", "teeth: takes minutes; `make teeth` runs it")
    config.addinivalue_line("markers", "slow: takes long for what it proves; `make ci` runs it")
