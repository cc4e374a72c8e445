import pytest
from fsspec.implementations.memory import MemoryFileSystem

from tlf.data.ranges import find, open_object, retries
from tlf.errors import DataError, StoppedError


@pytest.fixture
def memory(monkeypatch):
    """A file system that fsspec has in memory."""
    monkeypatch.setattr(MemoryFileSystem, "store", {})
    monkeypatch.setattr(MemoryFileSystem, "pseudo_dirs", [""])
    monkeypatch.setattr(retries, "_FIRST_WAIT", 0.001)
    monkeypatch.setattr(retries, "LIMIT", 0.02)
    system = MemoryFileSystem()
    for name in ("a-0.tar", "a-1.tar", "b.tar"):
        system.pipe_file(f"/data/{name}", b"abcdef")
    return system


def test_files_are_found_and_their_ranges_read(memory):
    assert find("memory://data/a-*.tar") == ("memory://data/a-0.tar", "memory://data/a-1.tar")
    assert find("memory://data/{b,none}.tar") == ("memory://data/b.tar", "memory://data/none.tar")
    found = open_object("memory://data/b.tar")
    assert (found.size, found.read(2, 3), found.read(2, 0)) == (6, b"cde", b"")


def test_what_is_not_there_is_refused(memory):
    for address in ("memory://data/none.tar", "memory://data/none-*.tar"):
        with pytest.raises(DataError, match="there is no "):
            open_object(find(address)[0])
    with pytest.raises(DataError, match="memory://data must be a file, got a folder"):
        open_object("memory://data")


def test_a_changed_file_is_refused(memory):
    found = open_object("memory://data/b.tar")
    memory.pipe_file("/data/b.tar", b"ABCDEF")
    with pytest.raises(DataError, match=r"memory://data/b\.tar has changed since it was first"):
        found.read(0, 6)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError("no"), "it is not allowed; check the address"),
        (TimeoutError(), "TimeoutError; tried .* times in"),
        (ConnectionResetError("reset"), "reset; tried .* times in"),
        (OSError(5, "Internal"), "Internal; tried .* times in"),
        (KeyError("https://me:pw@host/x"), "'https://host/x'; check the address"),
    ],
)
def test_errors_of_libraries_are_told_in_plain_words(memory, monkeypatch, error, message):
    def fails(self, path, **options):
        raise error

    found = open_object("memory://data/b.tar")
    monkeypatch.setattr(MemoryFileSystem, "cat_file", fails)
    with pytest.raises(DataError, match=rf"cannot read memory://data/b\.tar: .*{message}"):
        found.read(0, 1)


def test_a_request_to_stop_is_none_of_them(memory, monkeypatch):
    def stops(self, path, **options):
        raise StoppedError("runs/a", "Ctrl-C")

    found = open_object("memory://data/b.tar")
    monkeypatch.setattr(MemoryFileSystem, "cat_file", stops)
    with pytest.raises(StoppedError):
        found.read(0, 1)


def test_packages_that_are_missing_are_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "s3fs", None)
    with pytest.raises(DataError, match=r"s3://b/a\.tar needs s3fs; write: pip install 'tlf\[rem"):
        open_object("s3://b/a.tar")
    with pytest.raises(DataError, match="cannot read nothing://b: Protocol not known: nothing"):
        open_object("nothing://b")


@pytest.fixture
def s3(monkeypatch):
    """What s3fs needs to know, but for the address of a server."""
    s3fs = pytest.importorskip("s3fs", reason="s3fs is missing: pip install 'tlf[remote]'")
    s3fs.S3FileSystem.clear_instance_cache()  # one of another test knows another server
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr(retries, "LIMIT", 1.0)
    return s3fs


@pytest.fixture
def storage(server, s3, monkeypatch):
    """S3 by a server that fails as it is told."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    server.files["/bucket/a.tar"] = bytes(range(100))
    return server


@pytest.mark.slow
@pytest.mark.parametrize("fault", [500, 503, "cut", "hang_up"])
def test_what_passes_in_s3_is_tried_again(storage, fault):
    found = open_object("s3://bucket/a.tar")
    storage.faults.extend([fault, fault])
    assert found.read(10, 20) == bytes(range(10, 30))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (403, "it is not allowed"),
        (404, "there is no such file"),
        (500, "tried"),
        ("whole", "not those"),
    ],
)
def test_what_does_not_pass_in_s3_is_told(storage, fault, message):
    found = open_object("s3://bucket/a.tar")
    storage.always = fault
    with pytest.raises(DataError, match=message):
        found.read(10, 20)


@pytest.mark.slow
def test_a_forked_process_reads_s3_with_a_loop_of_its_own(storage, forked):
    found = open_object("s3://bucket/a.tar")
    assert found.read(1, 2) == b"\1\2"
    assert forked(lambda: found.read(3, 4) == bytes((3, 4, 5, 6)))


@pytest.mark.slow
def test_s3_is_read(s3, monkeypatch):
    moto = pytest.importorskip("moto.server", reason="moto is missing: pip install 'tlf[test]'")
    server = moto.ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        check_storage(s3.S3FileSystem(use_listings_cache=False))
    finally:
        server.stop()


def check_storage(storage):
    storage.mkdir("bucket")
    names = [f"bucket/train-{number}.tar" for number in range(3)]
    for number, name in enumerate(names):
        storage.pipe_file(name, bytes(range(number, 100 + number)))
    assert find("s3://bucket/train-*.tar") == tuple(f"s3://{name}" for name in names)
    found = open_object("s3://bucket/train-1.tar")
    assert (found.size, found.read(3, 4)) == (100, bytes((4, 5, 6, 7)))
    storage.pipe_file(names[1], bytes(100))
    with pytest.raises(DataError, match="has changed since it was first read"):
        found.read(3, 4)
    with pytest.raises(DataError, match=r"cannot read s3://bucket/none\.tar: there is no such"):
        open_object("s3://bucket/none.tar")
    with pytest.raises(DataError, match=r"there is no file s3://bucket/none-\*\.tar"):
        find("s3://bucket/none-*.tar")
