"""Where the table of a curation debt is kept.

With its units in `probe/<key>/debt.json`; in the results of the last probe, if there is one; and named by
`probe/debt.json`, so that a later probe finds it.
"""

from __future__ import annotations

from typing import Any

from curation.probe.results import LATEST, results_name
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
    latest = store.read_json(LATEST)
    results = latest and store.read_json(results_name(latest["key"]))
    if results:
        store.write_json(results_name(latest["key"]), results | {"debt": debt})


def latest_debt(store: Store) -> dict[str, Any] | None:
    """The last debt of a run, or None."""
    named = store.read_json(LATEST_DEBT)
    found: dict[str, Any] | None = named and store.read_json(f"probe/{named['key']}/debt.json")
    return found
