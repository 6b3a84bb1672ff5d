import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.cli import main
from curation.errors import JobError
from curation.job_file import load_job
from curation.storage.store import Store
from curation.storage.uris import has_credentials, redacted, split_uri

SECRET = "sEcReT-0123456789"

HIDING = [
    f"s3://AKIA:{SECRET}@bucket/run",
    f"s3://{SECRET}@bucket/run",
    f"hdfs://user:{SECRET}@host:8020/run",
    f"s3://bucket/run?access_key={SECRET}",
    f"s3://bucket/run?region=us-east-1&secret_key={SECRET}",
    f"s3://bucket/run?X-Amz-Signature={SECRET}",
    f"abfs://container@account/run?sas_token={SECRET}",
    f"https://host/data?sig={SECRET}",
    f"gs://bucket/x?access_token={SECRET}",
]

names = st.text(string.ascii_letters + string.digits + "-.", min_size=1)


@pytest.mark.parametrize("uri", HIDING)
def test_credentials_in_a_uri_are_refused_and_never_repeated(uri, tmp_path, capsys):
    assert has_credentials(uri)
    with pytest.raises(JobError) as caught:
        Store.open(uri)
    assert "AWS_ACCESS_KEY_ID" in str(caught.value)
    assert SECRET not in str(caught.value)
    places = {
        "run_dir": f"run_dir: '{uri}'\nsources: [{{domain: a, path: x}}]",
        "sources.0.path.1": f"run_dir: x\nsources: [{{domain: a, path: [x, '{uri}']}}]",
        "sources.0.facts.home": f"run_dir: x\nsources: [{{domain: a, path: x, facts: {{home: '{uri}'}}}}]",
    }
    for key, text in places.items():
        (tmp_path / "job.yaml").write_text(text)
        with pytest.raises(JobError, match=f"{key}: a URI must not hold credentials") as caught:
            load_job(str(tmp_path / "job.yaml"))
        assert SECRET not in str(caught.value)
    (tmp_path / "job.yaml").write_text(f"run_dir: ['{uri}']\nsources: [{{domain: a, path: x}}]")
    assert main(["run", str(tmp_path / "job.yaml")]) == 2
    assert main(["show", uri]) == 2
    assert SECRET not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    "text",
    [
        "runs/a?access_key=x",
        "/data/user:password@host",
        "s3://bucket/a@b:c/d",
        "s3://bucket/run?region=eu-west-1&endpoint_override=127.0.0.1%3A9000&scheme=http",
        "gs://anonymous@bucket/x",
        "hdfs://user@host:8020/run",
    ],
)
def test_other_texts_are_not_taken_for_credentials(text):
    assert not has_credentials(text)


@given(names, st.lists(names, max_size=3), st.dictionaries(names, names, max_size=3))
def test_a_uri_comes_apart_into_what_it_was_made_of(bucket, folders, query):
    path = "/".join(folders)
    tail = "?" + "&".join(f"{key}={value}" for key, value in query.items()) if query else ""
    uri = split_uri(f"s3://{bucket}/{path}{tail}")
    assert (uri.scheme, uri.authority, uri.path, uri.query) == ("s3", bucket, path, query)
    assert uri.plain == f"s3://{bucket}/{path}".rstrip("/")


def test_what_others_say_is_shown_without_secrets(monkeypatch):
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token-of-the-session")
    said = (
        f"PUT http://user:{SECRET}@host/x?X-Amz-Credential={SECRET}&a=b failed: secret_key: {SECRET}, sent "
        "token-of-the-session, the-secret-key-of-the-tests"
    )
    shown = redacted(said)
    assert SECRET not in shown
    assert "token-of" not in shown
    assert "the-secret-key" not in shown
    assert "host/x" in shown
    assert "&a=b failed" in shown
