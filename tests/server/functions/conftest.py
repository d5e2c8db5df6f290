# SPDX-License-Identifier: MIT
"""The function library, with a clock that a test can hold beside that of the module."""

from __future__ import annotations

import pytest

from functions import Functions
from harness import Client


@pytest.fixture
def functions(db: Client) -> Functions:
    """The library in the shared server, its clock held at the same instant as the module's."""
    return Functions(db)
