"""Where the table of a curation debt is kept.

With its units in `probe/<key>/debt.json`, named by `probe/debt.json`: the page of the report shows it from there.
"""

from __future__ import annotations

from typing import Any

from curation.storage.store import Store

#: Names the last debt of a run.
LATEST_DEBT = "probe/debt.json"
#: Folder of the states that trainings go on from.
STATES = "states"


def keep_debt(store: Store, folder: str, debt: dict[str, Any]) -> None:
    """Commits a debt; the states of its trainings are of no more use."""
    store.write_json(f"{folder}/debt.json", debt)
    store.remove_folder(f"{folder}/{STATES}")
    store.write_json(LATEST_DEBT, {"key": folder.rpartition("/")[2]})
