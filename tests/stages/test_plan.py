import numpy as np

from curation.job_file import parse_job
from curation.stages.eligible import Cells, Eligible
from curation.stages.plan import domain_use


def test_what_is_used_of_each_domain():
    rng = np.random.default_rng(0)
    clusters, domains, size = 5, 3, 400
    cluster, domain = rng.integers(clusters, size=size), rng.integers(domains - 1, size=size)
    tokens, used = rng.integers(1, 99, size), rng.integers(4, size=size).astype(np.int16)
    cell = (cluster * domains + domain).astype(np.int32)
    documents = Eligible(
        np.arange(size), cell, tokens.astype(np.int32), tokens.astype(np.int32), None, None, np.array([size])
    )
    shape = (clusters, domains)
    cells = Cells(np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.full(shape, -1, np.int16))
    job = parse_job({"run_dir": "x", "sources": [{"domain": name, "path": name} for name in "abc"]}, "job")
    found = domain_use(job, documents, cells, used)
    assert found == [
        {
            "domain": name,
            "draws": int(used[domain == d].sum()),
            "used_documents": int((used[domain == d] > 0).sum()),
            "unique_tokens": int(tokens[(domain == d) & (used > 0)].sum()),
        }
        for d, name in enumerate("abc")
    ]
    assert found[2] == {"domain": "c", "draws": 0, "used_documents": 0, "unique_tokens": 0}
