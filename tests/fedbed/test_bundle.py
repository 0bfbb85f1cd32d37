from __future__ import annotations

import io
import os
import random
import threading
import zipfile
from pathlib import Path

import pytest

from fedbed import bundle
from fedbed.errors import ExperimentError, PayloadError


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    (folder / "pkg").mkdir(parents=True)
    (folder / "pyproject.toml").write_text("[project]")
    (folder / "pkg" / "client.py").write_text("app = 1\n")
    (folder / "pkg" / "__init__.py").touch()
    return folder


def tree(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def bundled(tmp_path: Path, files: list[tuple[str, bytes]], method: int = 0) -> Path:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files:
            archive.writestr(zipfile.ZipInfo(name), data, method)
    path = tmp_path / "bundle"
    path.write_bytes(buffer.getvalue())
    return path


def test_round_trip(app: Path, tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    path.write_bytes(bundle.pack(app))
    folder = bundle.unpack(path, tmp_path / "apps")
    assert tree(folder) == tree(app)
    stamp = (folder / "pkg/client.py").stat().st_mtime_ns
    assert bundle.unpack(path, tmp_path / "apps") == folder
    assert (folder / "pkg/client.py").stat().st_mtime_ns == stamp
    assert [p.name for p in (tmp_path / "apps").iterdir()] == [folder.name]


def test_the_same_folder_gives_the_same_bytes(app: Path, tmp_path: Path) -> None:
    first = bundle.pack(app)
    other = tmp_path / "elsewhere"
    for name in ["pkg/client.py", "pyproject.toml", "pkg/__init__.py"]:
        (other / name).parent.mkdir(parents=True, exist_ok=True)
        (other / name).write_bytes((app / name).read_bytes())
        os.utime(other / name, (1, 1))
        (other / name).chmod(0o755)
    assert bundle.pack(other) == first
    (other / "pkg/client.py").write_text("app = 2\n")
    assert bundle.pack(other) != first


def test_what_is_no_source_stays_out(app: Path, tmp_path: Path) -> None:
    before = bundle.pack(app)
    for name in ["__pycache__/a.pyc", ".git/config", "venv/x", "runs/1/model", ".env"]:
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        (app / name).write_text("x")
    (tmp_path / "secret").write_text("x")
    (app / "link").symlink_to(tmp_path / "secret")
    (app / "folder").symlink_to(tmp_path)
    assert bundle.pack(app) == before


def test_limits_when_packing(app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (app / "weights.bin").open("wb") as f:
        f.truncate(bundle.MAX_BYTES)
    with pytest.raises(ExperimentError, match="larger than 32 MiB: keep data and models out"):
        bundle.pack(app)
    (app / "weights.bin").unlink()
    monkeypatch.setattr(bundle, "MAX_FILES", 2)
    with pytest.raises(ExperimentError, match="more than 2 files"):
        bundle.pack(app)


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/evil", "a\\..\\evil", "folder/", "a/../b"]
)
def test_a_path_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    path = bundled(tmp_path, [("fine.py", b""), (name, b"" if name.endswith("/") else b"x")])
    with pytest.raises(PayloadError, match="names a file outside its folder"):
        bundle.unpack(path, tmp_path / "deep" / "apps")
    assert list((tmp_path / "deep" / "apps").iterdir()) == []
    assert not list(tmp_path.rglob("evil"))


def test_limits_when_unpacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = bundled(tmp_path, [("a", bytes(bundle.MAX_BYTES + 1))], zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 100_000
    with pytest.raises(PayloadError, match="too large"):
        bundle.unpack(bomb, tmp_path / "apps")
    monkeypatch.setattr(bundle, "MAX_FILES", 2)
    many = bundled(tmp_path, [(f"f{n}", b"") for n in range(3)])
    with pytest.raises(PayloadError, match="too large"):
        bundle.unpack(many, tmp_path / "apps")


@pytest.mark.parametrize(
    "files",
    [[("a", b""), ("a/b", b"")], [("a/b", b""), ("a", b"")], [(".", b"x")]],
)
def test_names_that_contradict_each_other(tmp_path: Path, files: list[tuple[str, bytes]]) -> None:
    with pytest.raises(PayloadError):
        bundle.unpack(bundled(tmp_path, files), tmp_path / "apps")
    assert list((tmp_path / "apps").iterdir()) == []


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_packers_are_refused(tmp_path: Path, method: int) -> None:
    with pytest.raises(PayloadError, match="in a way that is not ours"):
        bundle.unpack(bundled(tmp_path, [("a", b"x" * 100)], method), tmp_path / "apps")


def test_damage_is_one_kind_of_error(app: Path, tmp_path: Path) -> None:
    whole = bundle.pack(app)
    rng = random.Random(1)
    path = tmp_path / "bundle"
    refused = 0
    for round_ in range(400):
        data = bytearray(whole)
        if round_ % 4 == 0:
            del data[rng.randrange(len(data)) :]
        else:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        try:
            bundle.unpack(path, tmp_path / "apps")
        except PayloadError:
            refused += 1
    assert refused > 200


def test_unpacked_by_many_at_once(app: Path, tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    path.write_bytes(bundle.pack(app))
    barrier = threading.Barrier(8)
    folders: list[Path] = []

    def unpack() -> None:
        barrier.wait()
        folders.append(bundle.unpack(path, tmp_path / "apps"))

    threads = [threading.Thread(target=unpack) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(folders) == 8
    assert len(set(folders)) == 1
    assert tree(folders[0]) == tree(app)
    assert list((tmp_path / "apps").iterdir()) == [folders[0]]
