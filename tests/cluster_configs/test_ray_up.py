import copy

import pytest
from pydantic import ValidationError
from ray.autoscaler._private.util import fillout_defaults, prepare_config, validate_config

from tests.cluster_configs import gcp
from tests.cluster_configs.files import FOLDER, RAY_UP, SECRETS, documents, image, strings

CLOUDS = ["aws", "gcp"]
#: GPUs and virtual CPUs of the machine types that the files name.
MACHINES = {"m7i.8xlarge": (32, 0), "p4d.24xlarge": (96, 8), "n2-standard-32": (32, 0), "a2-highgpu-8g": (96, 8)}


def config(name):
    return documents(name)[""]


def nodes(name):
    """The node types of a file, and which one is the head."""
    found = config(name)
    return found["available_node_types"], found["head_node_type"]


@pytest.mark.parametrize("name", RAY_UP)
def test_ray_takes_it(name):
    prepared = prepare_config(config(name))
    validate_config(prepared)
    assert prepared["head_node_type"] in prepared["available_node_types"]


@pytest.mark.parametrize("name", RAY_UP)
def test_ray_would_refuse_a_misspelling(name):
    import jsonschema

    wrong = config(name) | {"idle_timeout_minuets": 5}
    with pytest.raises(jsonschema.ValidationError, match="idle_timeout_minuets"):
        validate_config(prepare_config(wrong))


@pytest.mark.parametrize("name", CLOUDS)
def test_ray_would_refuse_a_misspelled_key_of_a_node_type(name):
    import jsonschema

    wrong = copy.deepcopy(config(name))
    wrong["available_node_types"]["gpu"]["max_worker"] = 1
    with pytest.raises(jsonschema.ValidationError, match="max_worker"):
        validate_config(prepare_config(wrong))


@pytest.mark.parametrize("name", RAY_UP)
def test_nothing_is_left_to_defaults_that_install_another_ray(name):
    filled = fillout_defaults(config(name))
    commands = [text for key, value in filled.items() if key.endswith("commands") for text in strings(value)]
    assert commands
    assert not [command for command in commands if "pip install" in command]


@pytest.mark.parametrize("name", RAY_UP)
def test_the_head_takes_no_work_and_listens_to_itself(name):
    [start] = [command for command in config(name)["head_start_ray_commands"] if "--head" in command]
    assert "--num-cpus=0" in start
    assert "--num-gpus=0" in start
    assert "--autoscaling-config=~/ray_bootstrap_config.yaml" in start, "or no worker ever comes"
    assert "--dashboard-host" not in start, "its default is this machine alone; `ray dashboard` forwards it"


@pytest.mark.parametrize("name", RAY_UP)
def test_every_process_must_show_the_token(name):
    found = config(name)
    assert found["file_mounts"] == {"~/.ray/auth_token": "~/.ray/auth_token"}
    if "docker" in found:
        assert "-e RAY_AUTH_MODE=token" in found["docker"]["run_options"]
    else:
        starts = [*found["head_start_ray_commands"], *found["worker_start_ray_commands"]]
        assert all("RAY_AUTH_MODE=token" in start for start in starts if "ray start" in start)


@pytest.mark.parametrize("name", RAY_UP)
def test_it_holds_no_credentials(name):
    text = (FOLDER / f"{name}.yaml").read_text()
    assert not SECRETS.search(text)
    assert SECRETS.search(text + "\naws_secret_access_key: wJalrXUtnFEMI"), "the pattern finds nothing"


@pytest.mark.parametrize("name", CLOUDS)
def test_workers_come_and_go(name):
    types, head = nodes(name)
    workers = {kind: node for kind, node in types.items() if kind != head}
    assert config(name)["max_workers"] == sum(node["max_workers"] for node in workers.values())
    assert 0 < config(name)["idle_timeout_minutes"] <= 10
    assert all(node["min_workers"] == 0 for node in workers.values())


@pytest.mark.parametrize("name", CLOUDS)
def test_slots_are_those_of_the_machines_and_gpu_nodes_have_none_for_other_work(name):
    types, head = nodes(name)
    assert types[head]["resources"] == {"CPU": 0}
    for kind in ("cpu", "gpu"):
        settings = types[kind]["node_config"]
        cpus, gpus = MACHINES[settings.get("InstanceType", settings.get("machineType"))]
        wanted = {"CPU": 0, "GPU": gpus} if kind == "gpu" else {"CPU": cpus}
        assert types[kind]["resources"] == wanted


@pytest.mark.parametrize("name", CLOUDS)
def test_images_are_those_of_the_pinned_ray(name):
    types, _ = nodes(name)
    assert config(name)["docker"]["image"] == image("cpu")
    assert types["gpu"]["docker"]["worker_image"] == image("cuda")
    assert "docker" not in types["cpu"]


def test_aws_would_take_the_machines():
    """Against the model of EC2 that boto3 sends requests by; Ray itself does not look."""
    import botocore.session
    from botocore.validate import ParamValidator

    client = botocore.session.get_session().get_service_model("ec2")
    shape = client.operation_model("RunInstances").input_shape
    types, head = nodes("aws")
    for kind, node in types.items():
        settings = node["node_config"] | {"MinCount": 1, "MaxCount": 1}
        assert not (report := ParamValidator().validate(settings, shape)).has_errors(), report.generate_report()
        assert settings["IamInstanceProfile"]["Name"], "a role, so that no keys are needed"
        assert settings["ImageId"].startswith("resolve:ssm:/aws/service/deeplearning/ami/x86_64/")
        assert settings.get("InstanceMarketOptions") == (None if kind == head else {"MarketType": "spot"})
    wrong = types["gpu"]["node_config"] | {"InstanceTyp": "p4d.24xlarge", "MinCount": 1, "MaxCount": 1}
    assert "InstanceTyp" in ParamValidator().validate(wrong, shape).generate_report()


def test_gcp_would_take_the_machines():
    types, head = nodes("gcp")
    for kind, node in types.items():
        (gcp.Head if kind == head else gcp.Worker).model_validate(node["node_config"])
    wrong = types["gpu"]["node_config"] | {"scheduling": [{"preemptible": True}]}
    with pytest.raises(ValidationError, match="scheduling"):
        gcp.Worker.model_validate(wrong)
    project = config("gcp")["provider"]["project_id"]
    accounts = {node["node_config"]["serviceAccounts"][0]["email"] for kind, node in types.items() if kind != head}
    assert accounts == {f"ray-autoscaler-sa-v1@{project}.iam.gserviceaccount.com"}


def test_local_has_two_workers():
    prepared = prepare_config(config("local"))
    [node] = prepared["available_node_types"].values()
    assert (node["min_workers"], node["max_workers"]) == (2, 2) == (2, len(config("local")["provider"]["worker_ips"]))
