"""The Data of the application that answers right now: pages are registered once, applications may be several."""

from __future__ import annotations

from typing import cast

from flask import current_app

from dashboard.data import Data

KEY = "checkrein.data"


def data() -> Data:
    """Return the Data of the running application."""
    return cast(Data, current_app.config[KEY])
