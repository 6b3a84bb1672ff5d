import copy
import shlex

import pytest
from pydantic import ValidationError
from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr

from curation.cli import build_parser
from curation.commands import run_command
from curation.job_file import parse_job, parse_yaml
from tests.cluster_configs.crd import GPU, KINDS
from tests.cluster_configs.files import KUBERAY, SECRETS, cluster_spec, documents, image, ray_version, strings


@pytest.mark.parametrize("name", KUBERAY)
def test_fields_are_those_of_the_schemas(name):
    for kind, document in documents(name).items():
        KINDS[kind].model_validate(document)


def worker(spec, group):
    [found] = [item for item in spec["workerGroupSpecs"] if item["groupName"] == group]
    return found


@pytest.mark.parametrize(
    ("break_it", "told"),
    [
        (lambda spec: spec.update(rayVersoin="1"), "rayVersoin"),
        (lambda spec: worker(spec, "gpu").pop("maxReplicas"), "maxReplicas"),
        (lambda spec: worker(spec, "gpu").update(replicas=3), "minReplicas <= replicas"),
        (lambda spec: worker(spec, "gpu")["rayStartParams"].update({"num-gpus": "4"}), "not num-gpus"),
        (lambda spec: worker(spec, "gpu")["rayStartParams"].update({"num-cpus": 0}), "num-cpus"),
        (lambda spec: worker(spec, "gpu")["template"]["spec"]["tolerations"].pop(), "tolerate"),
        (lambda spec: worker(spec, "cpu")["template"]["spec"].update(nodeSelector={"spot": True}), "nodeSelector"),
        (lambda spec: worker(spec, "cpu")["template"]["spec"]["containers"][0].update(image=1), "image"),
    ],
)
def test_the_schema_refuses(break_it, told):
    found = copy.deepcopy(documents("kuberay-raycluster")["RayCluster"])
    break_it(found["spec"])
    with pytest.raises(ValidationError, match=told):
        KINDS["RayCluster"].model_validate(found)


@pytest.mark.parametrize("name", KUBERAY)
def test_the_autoscaler_of_ray_reads_what_we_mean(name):
    cluster = {"metadata": {"name": "curation", "namespace": "default"}, "spec": cluster_spec(name)}
    read = _derive_autoscaling_config_from_ray_cr(cluster)
    types = read["available_node_types"]
    slots = {kind: (node["resources"]["CPU"], node["resources"].get("GPU", 0)) for kind, node in types.items()}
    assert slots == {"headgroup": (0, 0), "cpu": (14, 0), "gpu": (0, 8)}
    assert all(node["min_workers"] == 0 for node in types.values()), "something stays up when nothing is to do"
    assert read["idle_timeout_minutes"] == 5


@pytest.mark.parametrize("name", KUBERAY)
def test_images_are_those_of_the_pinned_ray(name):
    spec = cluster_spec(name)
    assert spec["rayVersion"] == ray_version()
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    for group in groups:
        [container] = group["template"]["spec"]["containers"]
        kind = "cuda" if GPU in container["resources"]["limits"] else "cpu"
        assert container["image"] == image(kind), group


@pytest.mark.parametrize("name", KUBERAY)
def test_pods_have_the_account_of_the_file_and_time_to_end(name):
    found, spec = documents(name), cluster_spec(name)
    for group in [spec["headGroupSpec"], *spec["workerGroupSpecs"]]:
        pod = group["template"]["spec"]
        assert pod["serviceAccountName"] == found["ServiceAccount"]["metadata"]["name"]
        assert 30 < pod["terminationGracePeriodSeconds"] <= 60
    assert not [text for text in strings(found) if SECRETS.search(text)]


def test_both_files_have_the_same_cluster_but_for_the_job_file():
    job, cluster = copy.deepcopy(cluster_spec("kuberay-rayjob")), cluster_spec("kuberay-raycluster")
    pod = job["headGroupSpec"]["template"]["spec"]
    [volume] = pod.pop("volumes")
    [mount] = pod["containers"][0].pop("volumeMounts")
    assert job == cluster
    assert volume["configMap"]["name"] == documents("kuberay-rayjob")["ConfigMap"]["metadata"]["name"]
    assert mount["mountPath"] == "/home/ray/job"


def test_the_job_runs_a_command_of_ours_on_a_job_file_that_is_right():
    found = documents("kuberay-rayjob")
    program, *arguments = shlex.split(found["RayJob"]["spec"]["entrypoint"])
    options = build_parser().parse_args(arguments)
    assert (program, options.command) == ("curation", run_command)
    folder, _, file = options.job.rpartition("/")
    assert folder == "/home/ray/job"
    job = parse_job(parse_yaml(found["ConfigMap"]["data"][file], file), file)
    assert job.run_dir.startswith("gs://"), "all nodes must reach it"
