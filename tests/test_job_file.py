import json

import pytest

from curation.config import Job
from curation.errors import JobError
from curation.job_file import dump_job, load_job, parse_job, parse_yaml
from curation.stages.learned_weights import learns

BASE = "run_dir: out\nsources: [{domain: web, path: data/}]\n"
CAP = "{token: x y, max_share: 0.1}"
MANY = ", ".join(f"{{token: t{n}, max_share: 0.1}}" for n in range(33))


def write(tmp_path, text):
    path = tmp_path / "job.yaml"
    path.write_text(text)
    return str(path)


def fault(tmp_path, text, *overrides):
    with pytest.raises(JobError) as caught:
        load_job(write(tmp_path, text), list(overrides))
    return str(caught.value)


def test_defaults_are_written_out_and_read_back(tmp_path):
    job = load_job(write(tmp_path, BASE))
    again = load_job(write(tmp_path, dump_job(job)))
    assert again == job
    assert "tolerance: 0.0001" in dump_job(job)


def test_the_schema_describes_every_key():
    def walk(node, path):
        for name, field in node.get("properties", {}).items():
            section = schema["$defs"].get(field.get("$ref", "").rsplit("/", 1)[-1], {})
            assert field.get("description") or section.get("description"), f"{path}.{name} has no description"

    schema = Job.model_json_schema()
    walk(schema, "job")
    for name, section in schema["$defs"].items():
        walk(section, name)
    json.dumps(schema)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BASE + "samplin: {clip: 3}", "samplin: unknown key; did you mean 'sampling'"),
        (BASE + "sampling: {clp: 3}", "sampling.clp: unknown key; did you mean 'clip'"),
        (BASE + "sampling: {budget: {epoch: 1}}", "sampling.budget.epoch: unknown key; did you mean 'epochs'"),
        (BASE + "sampling: {clip: 0}", "sampling.clip: input should be greater than or equal to 1 (it is 0)"),
        (BASE + "sampling: {clip: true}", "sampling.clip: true is not a value for this key"),
        (BASE + "sampling: {clip: 2.5}", "sampling.clip"),
        (BASE + "sampling: {order: random}", "sampling.order: input should be 'general_to_specific'"),
        (BASE + "sampling: {budget: {epochs: 1, tokens: 5}}", "either epochs or tokens"),
        (BASE + "sampling: {budget: {}}", "either epochs or tokens"),
        (BASE + "sampling: {budget: {epochs: 6}}", "raise the clip or lower the budget"),
        (BASE + "sampling: {budget: {epochs: .inf}}", "sampling.budget.epochs"),
        (BASE + "sampling: {order: curriculum}", "needs quality.column"),
        (BASE + "sampling: {token_caps: [{token: ' ', max_share: 0.1}]}", "token_caps.0.token: "),
        (BASE + "sampling: {token_caps: [{token: x, max_share: 1}]}", "max_share: input should be less than 1"),
        (BASE + "sampling: {token_caps: [{token: x, max_share: 0}]}", "max_share: input should be greater than 0"),
        (BASE + "sampling: {token_caps: [{token: x}]}", "token_caps.0.max_share: missing"),
        (BASE + f"sampling: {{token_caps: [{CAP}, {{token: ' X  y', max_share: 0.2}}]}}", "'X y' is there twice"),
        (BASE + f"sampling: {{interleave: random, token_caps: [{CAP}]}}", "keeps no token cap"),
        (BASE + f"sampling: {{max_cluster_share: 0.5, token_caps: [{CAP}]}}", "together with token_caps"),
        (BASE + f"sampling: {{token_caps: [{MANY}]}}", "token_caps: List should have at most 32 items"),
        (BASE + f"phases: [{{budget: {{epochs: 1}}, token_caps: [{CAP}, {CAP}]}}]", "is there twice"),
        (BASE + "quality: {column: q, scale: [5, 0]}", "worst < best"),
        (BASE + "embedding: {precision: fp8}", "embedding.precision"),
        (BASE + "output: {validation: {fraction: 0.6}}", "output.validation.fraction: input should be less than"),
        (BASE + "output: {validation: {fraction: 0}}", "output.validation.fraction: input should be greater than 0"),
        (BASE + "output: {validation: {min_documents: -1}}", "output.validation.min_documents"),
        (BASE + "output: {validation: {share: 0.1}}", "output.validation.share: unknown key"),
        (BASE + "output: {repetition: weights}", "output.repetition: input should be 'copies' or 'weight'"),
        (BASE + "clustering: {fit_rows: some}", "clustering.fit_rows"),
        (BASE + "run_dir: twice", "stands twice"),
        ("sources: [{domain: web, path: x}]", "run_dir: missing"),
        ("run_dir: x", "sources: missing"),
        ("run_dir: x\nsources: []", "sources: "),
        ("run_dir: x\nsources: [{path: x}]", "sources.0.domain: missing"),
        ("run_dir: x\nsources: [{domain: a, path: x, keep_columns: [text]}]", "a name that the shards need"),
        (
            "run_dir: x\nsources: [{domain: a, path: x, weight: 1}, {domain: a, path: y, weight: 2}]",
            "different weights",
        ),
        ("run_dir: [", "not valid YAML"),
        ("just words", "a mapping of keys"),
        ("", "a mapping of keys"),
        ("a: &x [1]\nb: *x", "aliases"),
        ("d: 2024-99-99", "not valid YAML"),
        ("a: !!bool x", "not valid YAML"),
        ("a: !!int ''", "not valid YAML"),
        ("a: !!timestamp x", "not valid YAML"),
        ('a: "\\UFFFFFFFF"', "not valid YAML"),
        ("seed: " + "59:" * 2000 + "59.5", "a number of more than 100 characters, line 1"),
        ("seed: 0x" + "f" * 10_000, "a number of more than 100 characters"),
        ('a: "\\ud800"', "half of a surrogate pair"),
        (BASE + "<<: {seed: 3}", "merge keys"),
        (BASE + "ru[n: 3", "ru[n: unknown key"),
        (BASE + "str: 3", "str: unknown key"),
        (BASE + "resources: {gpus_per_actor: .inf}", "resources.gpus_per_actor: input should be a finite number"),
        (BASE + "tokens: {bytes_per_token: 1.0e-300}", "tokens.bytes_per_token"),
        (BASE + "clustering: {clusters: 1" + "0" * 60 + "}", "clustering.clusters"),
        ("x: " + "[" * 5000, "nested too deeply"),
        ("run_dir: !!python/object/apply:os.system [ls]", "not valid YAML"),
    ],
)
def test_a_fault_names_its_key(tmp_path, text, said):
    assert said in fault(tmp_path, text)


def test_all_faults_are_named_at_once(tmp_path):
    message = fault(tmp_path, BASE + "sampling: {clp: 1}\nembedding: {max_tokens: 0}")
    assert len(message.splitlines()) == 2


def test_a_file_that_is_too_large_is_not_parsed(tmp_path):
    assert "at most 1,048,576 bytes" in fault(tmp_path, "x: [" + "1," * 600_000 + "]")
    with pytest.raises(JobError, match="at most 1,048,576 bytes"):
        load_job("/dev/zero")


def test_thousands_of_faults_are_not_all_named(tmp_path):
    message = fault(tmp_path, BASE + "".join(f"k{i}: 1\n" for i in range(3000)))
    assert len(message.splitlines()) == 21
    assert message.endswith("and 2980 faults more")


@pytest.mark.parametrize("raw", [b"\xff\xfea\0", b"run_dir: \xe9", b"\0" * 50])
def test_a_file_in_another_encoding_is_named(tmp_path, raw):
    path = tmp_path / "job.yaml"
    path.write_bytes(raw)
    with pytest.raises(JobError, match=r"job\.yaml: (can't read the job file|not valid YAML)"):
        load_job(str(path))


def test_overrides(tmp_path):
    path = write(tmp_path, BASE)
    job = load_job(path, ["sampling.clip=3", "sampling.budget.tokens=100", "sources.0.weight=2.5", "seed=7"])
    assert (job.sampling.clip, job.sampling.budget.tokens, job.sampling.budget.epochs) == (3, 100, None)
    assert (job.sources[0].weight, job.seed) == (2.5, 7)


@pytest.mark.parametrize("override", ["clip", "=3", "sources.5.weight=1", "sources.x=1", "run_dir.deep=1"])
def test_a_wrong_override_is_named(tmp_path, override):
    assert f"--set {override}" in fault(tmp_path, BASE, override)


def test_a_file_that_is_not_there():
    with pytest.raises(JobError, match="No such file"):
        load_job("/nowhere/job.yaml")


def test_values_keep_their_types():
    job = parse_job(parse_yaml(BASE + "clustering: {fit_rows: 10_000, tolerance: 1.0e-3}", "x"), "x")
    assert (job.clustering.fit_rows, job.clustering.tolerance) == (10_000, 1e-3)


def test_tokens_are_capped_for_all_phases_or_for_each(tmp_path):
    noir, us = "{token: 'Caf\u0065\u0301  noir', max_share: 0.1}", "{token: US, max_share: 0.2, case: true}"
    caps = f"sampling: {{token_caps: [{noir}, {us}]}}\n"
    job = load_job(write(tmp_path, BASE + caps))
    assert [(cap.token, cap.case) for cap in job.capped_tokens] == [("Caf\u00e9 noir", False), ("US", True)]
    phases = "phases: [{budget: {epochs: 1}, token_caps: [{token: us, max_share: 0.3}]}, {budget: {epochs: 1}}]"
    job = load_job(write(tmp_path, BASE + caps + phases))
    assert [cap.token for cap in job.capped_tokens] == ["us", "Caf\u00e9 noir", "US"]
    none = load_job(write(tmp_path, BASE + caps + "phases: [{budget: {epochs: 1}, token_caps: []}]"))
    assert none.capped_tokens == []
    halves = [f"{{budget: {{epochs: 1}}, token_caps: [{{token: a{n}, max_share: 0.1}}]}}" for n in range(33)]
    assert "cap 33 tokens; 32 can be" in fault(tmp_path, BASE + f"phases: [{', '.join(halves)}]")


TWO = "run_dir: out\nsources: [{domain: web, path: data/}, {domain: news, path: news/}]\n"
OF_CLUSTERS, OF_DOMAINS = "sampling.cluster_weights=learned", "blending.weights=learned"
ALL_MINE = "sampling.exclude=[{domain: news, reason: x}]"


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ([OF_CLUSTERS, "blending.weights=even"], "one mixture, of clusters or of domains"),
        (["learning.target=validation"], "give both or neither"),
        (["learning.validation.path=x.jsonl"], "give both or neither"),
        (["learning.trials=20", "learning.rounds=4"], "4 rounds need at least 32 trials"),
        (["learning.target=macro"], "learning.target"),
        ([OF_DOMAINS, "sampling.min_cluster_share=0.001"], "min_cluster_share or max_cluster_share is set"),
        ([OF_DOMAINS, "sampling.max_cluster_share=0.5"], "min_cluster_share or max_cluster_share is set"),
        ([OF_DOMAINS, ALL_MINE], "blending.weights is learned, and there is one domain to draw from"),
        ([OF_CLUSTERS, ALL_MINE], "learning.target is macro_domain, and there is one domain"),
        ([OF_CLUSTERS, ALL_MINE, "learning.target=worst_domain"], "use learning.target: macro_cluster"),
        ([OF_CLUSTERS, "clustering.clusters=20001"], "sampling.cluster_weights: learned groups the clusters, at most"),
        ([OF_DOMAINS, "clustering.clusters=20001", "learning.target=macro_cluster"], "at most 20,000 of them"),
    ],
)
def test_what_learned_weights_can_not_be(tmp_path, overrides, told):
    assert told in fault(tmp_path, TWO, *overrides)


@pytest.mark.parametrize(
    "overrides",
    [
        [OF_CLUSTERS, "sampling.max_cluster_share=0.5"],
        [OF_CLUSTERS, ALL_MINE, "learning.target=macro_cluster"],
        [OF_CLUSTERS, "clustering.clusters=[50000, 500]", "clustering.grouping=kmeans"],
        [OF_DOMAINS, "clustering.clusters=20001"],
        ["clustering.clusters=20001", "learning.target=macro_cluster"],
    ],
)
def test_what_learned_weights_can_be(tmp_path, overrides):
    load_job(write(tmp_path, TWO), overrides)


def test_learned_weights_are_of_domains_or_of_clusters(tmp_path):
    path = write(tmp_path, TWO)
    assert learns(load_job(path)) is None
    assert learns(load_job(path, ["blending.weights=learned"])) == "domains"
    assert learns(load_job(path, ["sampling.cluster_weights=learned"])) == "clusters"
    phases = "phases=[{budget: {epochs: 1}}, {budget: {epochs: 1}, weights: learned}]"
    assert learns(load_job(path, [phases])) == "domains"


@pytest.mark.parametrize(
    ("clusters", "said"),
    [([7, 6, 5, 4, 3, 2, 1], "at most 6 items"), ([5], "at least 2 items"), (0, "greater than or equal to 1")],
)
def test_of_what_a_value_may_be_the_fault_is_told_of_what_it_is(clusters, said):
    with pytest.raises(JobError, match=said):
        parse_job({"run_dir": "run", "sources": [], "clustering": {"clusters": clusters}}, "job.yaml")
