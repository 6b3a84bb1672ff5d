import multiprocessing

from curation.storage import remote

ROOT = "s3://bucket/key?scheme=http&endpoint_override=127.0.0.1:9&region=us-east-1"


def test_a_client_is_kept_and_a_forked_process_gets_its_own():
    filesystem, path = remote.filesystem(ROOT)
    assert path == "bucket/key"
    assert remote.filesystem(ROOT)[0] is filesystem
    with multiprocessing.get_context("fork").Pool(1, _inherit, (filesystem,)) as pool:
        assert pool.apply(_is_inherited) is False
    assert remote.filesystem(ROOT)[0] is filesystem


def _inherit(filesystem):
    global inherited
    inherited = filesystem


def _is_inherited():
    return remote.filesystem(ROOT)[0] is inherited
