"""An estimate as a whole, without Ray: sizes, machines, prices, what is printed, and the rates that are measured."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from curation.cli import main
from curation.errors import JobError, RunError
from curation.estimate import measure, plan, starts
from curation.estimate.corpus import corpus_of
from curation.estimate.plan import estimate, work_of, written_bytes
from curation.estimate.profiles import Network, Reading, network_of, profile_rates
from curation.estimate.rates import Starts
from curation.estimate.text import deadline_lines, span
from curation.estimate.writing import Written
from curation.job_file import load_job
from curation.pipeline import STAGES, stage_fingerprint
from curation.stages import documents
from curation.storage.store import Marker
from tests.corpus import job
from tests.tokenizers_made import byte_level

NODES = ["cost.cpu_node={cpus: 4, price: 2.0}", "cost.gpu_node={cpus: 8, gpus: 2, price: 20.0}", "cost.currency=EUR"]
QUICK = Starts(process=1.0, code=1.0, planning=1.0, torch=1.0, data=1.0, models=1.0, load=0.5, metrics=1.0)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    return job(folder, folder / "run")


@pytest.fixture(scope="module")
def corpus(path):
    return corpus_of(load_job(path))


@pytest.fixture
def read_once(corpus, monkeypatch):
    """Reading takes a process of its own: the second that it takes is spent once."""
    monkeypatch.setattr(plan, "corpus_of", lambda job: corpus)


@pytest.fixture
def planned(path, read_once):
    """On a GPU node and a CPU node, with a deadline that they meet."""
    return estimate(load_job(path, NODES), "a100", None, 3600.0)


def test_sizes_are_those_of_the_corpus(corpus):
    by_name = {domain.name: domain for domain in corpus.domains}
    assert (by_name["web"].documents, by_name["web"].exact) == (400, True)
    assert by_name["news"].documents == pytest.approx(90, rel=0.05)
    assert by_name["books"].documents == pytest.approx(43, rel=0.3)  # compressed: a proportion of packed bytes
    assert corpus.files == 4
    assert corpus.text_bytes == pytest.approx(sum(len(t) for d in corpus.domains for t in d.texts), rel=0.1)
    assert corpus.splits(10**9) == 4
    assert corpus.splits(20_000) > 6


def test_texts_are_taken_in_proportion_to_the_domains(corpus):
    some = corpus.texts(100)
    assert len(some) == pytest.approx(100, abs=3)
    web = set(corpus.domains[0].texts)
    assert sum(text in web for text in some) == pytest.approx(100 * 400 / corpus.documents, abs=2)
    assert len(corpus.texts(10**9)) == sum(len(domain.texts) for domain in corpus.domains)


def test_nodes_are_those_of_the_job_file(planned):
    cluster = planned.cluster
    assert (cluster.cpu_nodes, cluster.gpu_nodes) == (1, 1)
    assert (cluster.cpus, cluster.gpu_node_cpus, cluster.gpus) == (4, 8, 2)
    assert (cluster.cpu_price, cluster.gpu_price, planned.currency) == (2.0, 20.0, "EUR")
    assert [one for one, _ in planned.options] == [cluster]


def test_machines_that_do_not_fit_the_hardware_are_refused(path, read_once):
    loaded = load_job(path)
    with pytest.raises(JobError, match="no GPU"):
        estimate(loaded, "cpu", (1, 1))
    with pytest.raises(JobError, match=r"--nodes 2\+1"):
        estimate(loaded, "h100", (2, 0))
    assert estimate(loaded, "h100", (0, 1)).cluster.cpu_nodes == 0


def test_what_is_printed(path, capsys, read_once):
    command = ["plan", path, "--hardware", "a100", "--nodes", "2+1", "--deadline", "1h"]
    assert main([*command, *(part for one in NODES for part in ("--set", one))]) == 0
    printed = capsys.readouterr().out
    assert "2 CPU nodes of 4 CPUs and 1 GPU node of 8 CPUs and 2 GPUs" in printed
    assert all(f" {stage.name} " in printed for stage in STAGES)
    assert "EUR" in printed
    assert "In 1h00m: 1 CPU node of 4 CPUs and 1 GPU node" in printed
    assert main(["plan", path, "--hardware", "cpu"]) == 0
    assert "EUR" not in capsys.readouterr().out


def test_a_deadline_that_nothing_meets_names_what_is_in_the_way(planned):
    [line] = deadline_lines(replace(planned, options=[]), 5.0)
    longest = max(planned.ideal, key=lambda time: time.seconds)
    assert longest.stage in line
    assert "No number of nodes" in line


def test_spectral_groups_take_a_second_fit_and_are_cut_twice(path, corpus, read_once):
    levels = "clustering.clusters=[300, 45, 30]"
    asked = {name: load_job(path, [levels, f"clustering.grouping={name}"]) for name in ("ward", "spectral")}
    assert [work_of(job, corpus, 16, Written()).cut for job in asked.values()] == [0, 75]
    ward, spectral = ({time.stage: time for time in estimate(job, "cpu").times} for job in asked.values())
    rates = profile_rates("cpu", Reading(None, 1, 1, 1), 300, 16)
    assert (
        spectral["centroids"].serial - ward["centroids"].serial > 0.6 * 25 * corpus.documents / rates.assigned_documents
    )
    assert spectral["clusters"].serial > ward["clusters"].serial
    assert spectral["centroids"].disk == 2 * ward["centroids"].disk


def test_durations_are_short():
    assert [span(seconds) for seconds in (0.04, 3.21, 9.96, 75, 7200)] == ["0.0s", "3.2s", "10s", "1m15s", "2h00m"]


def test_prices_are_part_of_no_fingerprint(path):
    plain, priced = load_job(path), load_job(path, NODES)
    markers = {stage.name: Marker(stage.name, "", [], {}) for stage in STAGES}
    for stage in STAGES:
        assert stage_fingerprint(stage, plain, markers) == stage_fingerprint(stage, priced, markers)


@pytest.mark.parametrize("wrong", ["cost.cpu_node={cpus: 4}", "cost.gpu_node={price: -1}", "cost.currency=dollars"])
def test_a_wrong_price_is_told(path, wrong):
    with pytest.raises(JobError, match="cost"):
        load_job(path, [wrong])


def test_measured_rates_are_positive_and_of_the_job_s_encoder(path, monkeypatch, read_once):
    monkeypatch.setattr(measure, "measured_starts", lambda load, neural: QUICK)
    found = estimate(load_job(path, ["quality.scorer=heuristics", "blending.weights=auto"]))
    seconds = {time.stage: time.seconds for time in found.times}
    assert all(value > 0 for value in seconds.values())
    assert seconds["profiles"] > 0.05
    assert sum(seconds.values()) < 60
    assert "here" in found.note
    assert not found.cluster.priced
    assert found.machines.startswith("this machine")


def test_languages_are_no_part_of_the_rate_of_documents(path, corpus, monkeypatch):
    monkeypatch.setattr(documents, "detect", None)  # they have a rate of their own
    measure._described(load_job(path, ["clustering.within=language"]), corpus.texts(50))


def test_rates_of_k_means_fall_with_clusters_and_dimensions():
    few, many = (measure._clustered(clusters, 64, "cpu") for clusters in (8, 800))
    assert many[1] < few[1]
    assert many[2] < few[2]


def test_starts_are_those_of_a_fresh_process(monkeypatch):
    monkeypatch.setattr(starts, "STEPS", dict.fromkeys(starts.STEPS, ("json",)) | {"planning": ("decimal",)})
    found = starts.measured_starts(0.5, neural=False)
    assert (found.load, found.models) == (0.5, 0.0)
    assert starts.JOINING < found.process < 10
    assert all(getattr(found, field.name) >= 0 for field in fields(found))
    monkeypatch.setattr(starts, "STEPS", {"ray": ("no_such_module",)})
    with pytest.raises(RunError, match="no_such_module"):
        starts.measured_starts(0.5, neural=False)


def test_the_network_s_sizes_are_read_from_the_model_s_folder(tmp_path):
    assert network_of(tmp_path) is None
    (tmp_path / "config.json").write_text('{"num_hidden_layers": 6, "hidden_size": 384, "intermediate_size": 1536}')
    assert network_of(tmp_path) == Network(6, 384, 1536)
    (tmp_path / "config.json").write_text('{"vocab_size": 5}')
    assert network_of(tmp_path) is None


def test_what_is_written_is_what_is_held_out_and_what_phases_draw(path):
    phases = "phases=[{budget: {epochs: 1.5}}, {budget: {tokens: 100}}]"
    assert written_bytes(load_job(path, [phases]), 1000.0, 4.0) == 1900
    held = "output.validation={fraction: 0.1}"
    assert written_bytes(load_job(path, [phases, held]), 1000.0, 4.0) == pytest.approx(100 + 900 * 1.5 + 400)
    weight = "output.repetition=weight"
    assert written_bytes(load_job(path, [phases, held, weight]), 1000.0, 4.0) == pytest.approx(100 + 900 + 400)


def test_shards_have_the_size_and_the_name_of_their_format(path, read_once, corpus, tmp_path):
    tokenizer = tmp_path / "tokenizer.json"
    tokenizer.write_bytes(byte_level())
    formats = {"parquet": [], "jsonl": [], "index": [], "megatron": [f"tokens.tokenizer={tokenizer}"]}
    share = {}
    for name, more in formats.items():
        asked = load_job(path, [f"output.format={name}", "output.validation={fraction: 0.1}", *more])
        [shards] = [time for time in estimate(asked, "cpu").times if time.stage == "shards"]
        assert shards.note.startswith(name)
        share[name] = shards.disk / corpus.text_bytes
        work = work_of(asked, corpus, 16, Written())
        assert work.prefixes == (6 if name == "megatron" else 0)  # three domains, for training and for validation
        assert (work.searched_bytes > 0) == (name == "index")
    # Its tokens are hardly longer than a character, and take two bytes.
    assert share["index"] < share["parquet"] < share["jsonl"] < share["megatron"]
