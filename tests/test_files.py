"""Files: whole or not there, whoever dies; texts and JSON whoever wrote them; every refusal names the file."""

import os
import signal
import stat
import subprocess
import sys
import threading

import pytest

from tinymaskrcnn.errors import ConfigError, DataError, shown
from tinymaskrcnn.files import (
    parse_json,
    put_in_place,
    read_json,
    read_lines,
    read_text,
    sweep,
    whole_file,
    write_whole,
)


def test_a_file_is_the_old_or_the_new_one(tmp_path):
    path = write_whole(tmp_path / "a.txt", "old")
    with pytest.raises(KeyboardInterrupt), whole_file(path, "w", encoding="utf-8") as file:
        file.write("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"


def test_a_path_may_be_a_text(tmp_path):
    name = str(tmp_path / "a.txt")
    assert write_whole(name, "one") == tmp_path / "a.txt" and read_text(name) == "one"
    with whole_file(name, "w", encoding="utf-8") as file:
        file.write("[2]")
    assert read_json(name) == [2] and read_lines(name) == ["[2]"]
    with pytest.raises(DataError, match=r"none: there is no such file"):
        read_text(str(tmp_path / "none"))


def test_the_bytes_are_on_the_disk_before_the_name_and_the_name_before_the_end(tmp_path, monkeypatch):
    synced, sync, path = [], os.fsync, tmp_path / "a.txt"

    def noting(handle):
        status = os.fstat(handle)
        synced.append((stat.S_ISDIR(status.st_mode), status.st_size, path.exists()))
        sync(handle)

    monkeypatch.setattr(os, "fsync", noting)
    write_whole(path, "whole")
    assert [folder for folder, _, _ in synced] == [False, True]
    assert synced[0][1:] == (5, False) and synced[1][2]  # all of the file under its temporary name, then its folder


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="nobody counts open files here")
def test_writing_leaves_nothing_open(tmp_path):
    write_whole(tmp_path / "a.txt", "x")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        write_whole(tmp_path / "a.txt", "x")
        with pytest.raises(KeyError), whole_file(tmp_path / "a.txt"):
            raise KeyError
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_folder_that_cannot_be_opened_is_no_problem(tmp_path, monkeypatch):
    opened = os.open

    def refusing(path, flags, *more, **options):
        if os.path.isdir(path) and flags == os.O_RDONLY:
            raise PermissionError(13, "not for you", str(path))
        return opened(path, flags, *more, **options)

    monkeypatch.setattr(os, "open", refusing)
    assert write_whole(tmp_path / "a.txt", "whole").read_text() == "whole"


def test_a_lone_surrogate_is_written_as_its_number(tmp_path):
    assert write_whole(tmp_path / "a.txt", "é \ud800").read_bytes() == "é \\ud800".encode()


@pytest.mark.parametrize("links", [True, False])
def test_a_new_file_takes_no_name_that_somebody_has(tmp_path, monkeypatch, links):
    def no_links(*_):
        raise OSError(95, "Operation not supported")

    if not links:
        monkeypatch.setattr(os, "link", no_links)
    path = tmp_path / "a.txt"
    with whole_file(path, "w", new=True) as file:
        file.write("mine")
    with pytest.raises(FileExistsError) as caught, whole_file(path, "w", new=True) as file:
        file.write("other")
    assert str(caught.value.filename) == str(path) and path.read_text() == "mine"
    (tmp_path / "gone").symlink_to("nowhere")
    with pytest.raises(FileExistsError), whole_file(tmp_path / "gone", "w", new=True):
        pass
    with pytest.raises(FileExistsError), whole_file(tmp_path / "b.txt", "w", new=True):
        (tmp_path / "b.txt").write_text("theirs")  # taken while we wrote
    assert sorted(os.listdir(tmp_path)) == ["a.txt", "b.txt", "gone"]


def test_what_is_put_in_place_is_on_the_disk_before(tmp_path, monkeypatch):
    done = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append("sync"), sync(handle)))
    monkeypatch.setattr(os, "replace", lambda *names: (done.append("replace"), replace(*names)))
    (tmp_path / "a.part").write_bytes(b"whole")
    (tmp_path / "a").write_bytes(b"old")
    put_in_place(tmp_path / "a.part", tmp_path / "a")
    assert done == ["sync", "replace", "sync"] and (tmp_path / "a").read_bytes() == b"whole"
    assert os.listdir(tmp_path) == ["a"]


def test_what_a_killed_process_left_is_swept(tmp_path):
    program = f"""
import os, signal
from tinymaskrcnn.files import whole_file
with whole_file({str(tmp_path / "a.txt")!r}) as file:
    file.write(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", program]).returncode == -signal.SIGKILL
    (left,) = os.listdir(tmp_path)
    living = tmp_path / f".a.txt.{os.getppid()}.tmp"  # of a process that still writes
    living.write_bytes(b"")
    stranger = tmp_path / ".a.txt.old.tmp"
    stranger.write_bytes(b"")
    write_whole(tmp_path / "a.txt", "whole")
    assert left not in os.listdir(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted(["a.txt", living.name, stranger.name])


@pytest.mark.parametrize("name", ["a.txt", "a" * 240 + ".txt", "猫" * 80 + ".txt", "é" * 127])
def test_long_names_are_written_and_swept(tmp_path, name):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    with pytest.raises(KeyboardInterrupt), whole_file(tmp_path / name) as file:
        (temporary,) = os.listdir(tmp_path)
        raise KeyboardInterrupt
    assert len(os.fsencode(temporary)) <= 255
    left = [temporary.replace(str(os.getpid()), str(dead.pid)), temporary]  # ours: of a process that had our number
    if len(os.fsencode(name)) < 240:
        left.append(f".{name}.{dead.pid}.tmp")  # as versions before wrote them
    for file in left:
        (tmp_path / file).write_bytes(b"half")
    write_whole(tmp_path / name, "whole")
    assert os.listdir(tmp_path) == [name]
    with pytest.raises(OSError, match="too long") as caught:
        write_whole(tmp_path / (name + "a" * 255), "x")
    assert caught.value.filename == str(tmp_path / (name + "a" * 255))


def test_threads_write_one_file(tmp_path):
    path, problems = tmp_path / "a.txt", []

    def write(letter):
        try:
            for _ in range(100):
                write_whole(path, letter * 1000)
        except OSError as problem:
            problems.append(problem)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == [] and os.listdir(tmp_path) == ["a.txt"]
    assert path.read_text() in {letter * 1000 for letter in "abc"}


def test_a_write_within_a_write_of_the_same_file(tmp_path):
    path = tmp_path / "a.txt"
    with whole_file(path) as file:
        write_whole(path, "inner")
        file.write(b"outer")
        assert path.read_text() == "inner"
    assert path.read_text() == "outer" and os.listdir(tmp_path) == ["a.txt"]


def test_a_pipe_stays_a_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to("pipe")
    for path in (pipe, tmp_path / "link"):
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        try:
            write_whole(path, "through")
            assert os.read(reader, 100) == b"through"
        finally:
            os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode) and sorted(os.listdir(tmp_path)) == ["link", "pipe"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no such device here")
def test_an_error_of_a_device_names_it(tmp_path):
    (tmp_path / "full").symlink_to("/dev/full")  # by a link: were it replaced, the device itself would stay
    with pytest.raises(OSError, match="No space left") as caught:
        write_whole(tmp_path / "full", "x")
    assert caught.value.filename == str(tmp_path / "full") and (tmp_path / "full").is_symlink()


@pytest.mark.parametrize("old", ["old", None])
def test_a_link_stays_and_its_target_is_written(tmp_path, old):
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "a.txt", tmp_path / "link"
    if old:
        target.write_text(old)
    (tmp_path / "middle").symlink_to("far/a.txt")
    link.symlink_to(tmp_path / "middle")
    write_whole(link, "new")
    assert link.is_symlink() and (tmp_path / "middle").is_symlink()
    assert target.read_text() == "new" and os.listdir(tmp_path / "far") == ["a.txt"]


def test_a_link_to_itself_is_an_error_and_stays(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError) as caught:
        write_whole(tmp_path / "loop", "x")
    assert str(caught.value.filename) == str(tmp_path / "loop") and (tmp_path / "loop").is_symlink()


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755, 0o444])
def test_permissions_stay(tmp_path, mode):
    path = tmp_path / "a.txt"
    path.write_text("old")
    path.chmod(mode)
    with whole_file(path) as file:
        assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == mode  # what is secret is so from the beginning
        file.write(b"new")
    assert stat.S_IMODE(path.stat().st_mode) == mode and path.read_text() == "new"


def test_a_new_file_has_the_usual_permissions(tmp_path):
    (tmp_path / "usual").touch()
    write_whole(tmp_path / "new", "x")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_sweeping_a_folder_that_is_not_there(tmp_path):
    sweep(tmp_path / "no" / "file")


def test_an_error_names_the_file_and_not_its_temporary_name(tmp_path):
    with pytest.raises(OSError) as caught:
        write_whole(tmp_path / "no" / "a.txt", "x")
    assert caught.value.filename == str(tmp_path / "no" / "a.txt")


def test_an_error_of_something_else_in_the_block_keeps_its_own_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="other"), whole_file(tmp_path / "a.txt"):
        open(tmp_path / "other")
    with pytest.raises(OSError, match="^image file is truncated$"), whole_file(tmp_path / "a.txt"):
        raise OSError("image file is truncated")  # as Pillow says it
    with pytest.raises(IsADirectoryError, match="is a folder"):
        write_whole(tmp_path, "x")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_texts_of_notepad_excel_and_powershell(tmp_path, encoding):
    path = tmp_path / "names.txt"
    path.write_bytes("Käse\n猫\n".encode(encoding))
    assert read_text(path) == "Käse\n猫\n"


def test_big_endian_utf_16_with_its_mark(tmp_path):
    path = tmp_path / "names.txt"
    path.write_bytes(b"\xfe\xff" + "猫".encode("utf-16-be"))
    assert read_text(path) == "猫"


@pytest.mark.parametrize("contents", ["Käse".encode("latin1"), b"\xff\xfea", b"\xff"])
def test_what_is_no_text_is_refused_by_name(tmp_path, contents):
    path = tmp_path / "names.txt"
    path.write_bytes(contents)
    with pytest.raises(ConfigError, match=r"names.txt: is not a text in UTF-8") as caught:
        read_text(path, error=ConfigError)
    byte, place = {b"K": ("e4", 1), b"\xff": ("ff", 0)}.get(contents[:1], ("61", 2))
    if contents[:2] == b"\xff\xfe":  # the mark of UTF-16, and half a sign
        byte, place = "61", 2
    assert f"(byte 0x{byte} at place {place}); save it" in str(caught.value)


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_text(tmp_path / "none")
    with pytest.raises(DataError, match="is a folder"):
        read_text(tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        read_text("a\0b")


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("[1, 2", "line 1, column"),
        ("[" * 200_000, "nested too deep"),
        ('[{"b": 7, "a": 1, "a": 1, "a": 3}]', "'a' twice, with 1 and 3; it begins with 'b': 7"),
        ('{"a": 1, "a": true}', "'a' twice, with 1 and True"),
        ('{"a": {"b": 1}, "a": {"b": 1, "c": 2}}', "'a' twice"),
        ('{"' + "b" * 999 + '": "' + "c" * 999 + '", "a": [' + "1," * 999 + '1], "a": "' + "d" * 999 + '"}', "twice"),
        ("[NaN]", "NaN is not a number"),
        ("[-Infinity]", "Infinity is not a number"),
        ("[1e400]", "too large"),
        ("1" + 400 * "0", "401 digits"),
        ("", "line 1"),
    ],
)
def test_json_that_means_nothing_here(tmp_path, text, sentence):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(DataError, match=sentence) as caught:
        read_json(path)
    assert str(caught.value).startswith(str(path)) and len(str(caught.value)) < 500


def test_json_with_a_mark_reads(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes('{"a": [1, 2.5, "ä"]}'.encode("utf-16"))
    assert read_json(path) == {"a": [1, 2.5, "ä"]}
    assert parse_json("[-1, 1e3]", "here") == [-1, 1000.0]


def test_a_key_that_says_the_same_twice_loses_nothing():
    assert parse_json('{"id": 1, "a": 2, "id": 1, "id": 1}', "here") == {"id": 1, "a": 2}
    assert parse_json('{"a": {"b": [1], "c": 2}, "a": {"c": 2, "b": [1]}}', "here") == {"a": {"b": [1], "c": 2}}


def test_shown_is_short_and_prints():
    assert shown("cat") == "'cat'"
    assert len(shown("x" * 10_000)) <= 65
    assert shown("\ud800").isascii()


def test_lines_end_where_an_editor_ends_them(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes("\ufeffa b\r\nc\u2028d\r\n\n  e\x0cf \rg".encode())
    assert read_lines(path) == ["a b", "c\u2028d", "e\x0cf", "g"]
    path.write_bytes("\ufeffcat\r\n\ufeffdog\n\ufeff\n".encode())  # two files put together by a shell
    assert read_lines(path) == ["cat", "dog"]


def test_zero_bytes_are_no_text(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes("cat\n".encode("utf-16-le"))
    with pytest.raises(DataError, match="list.txt: is not a text in UTF-8 .it holds zero bytes"):
        read_lines(path)
