"""A trainer that may be killed at any moment: python -m tests.training.child KIND FOLDER WORKERS STATE STEPS

It goes on from what STATE holds, and after every step writes there, in one move, what it has seen and the state.
"""

import json
import sys
from itertools import islice
from pathlib import Path

from curation.training.dynamic import DynamicData
from curation.training.static import TrainingData
from tests.training.test_dynamic import CLUSTERS, loss_of


def main(kind, folder, workers, state, steps):
    data = DynamicData(folder, 4) if kind == "dynamic" else TrainingData(folder, 4)
    seen = []
    if Path(state).exists():
        saved = json.loads(Path(state).read_text())
        seen = saved["seen"]
        data.load_state_dict(saved["data"])
    for batch in islice(data.batches(int(workers)), int(steps) - len(seen)):
        seen.append([row["doc_id"] for row in batch])
        if kind == "dynamic":
            data.update({cluster: loss_of(cluster, len(seen)) for cluster in range(CLUSTERS)})
        Path(f"{state}.new").write_text(json.dumps({"seen": seen, "data": data.state_dict()}))
        Path(f"{state}.new").replace(state)


if __name__ == "__main__":
    main(*sys.argv[1:])
