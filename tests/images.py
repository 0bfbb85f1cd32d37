"""Container images made of Debian packages, for tests: no image registry is asked for anything.

Packages are unpacked, not installed: none of their scripts runs, so an image of another
architecture takes as long as one of this machine's.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from tests.parts import need

PACKAGES = (
    "bash",
    "coreutils",
    "python3-minimal",
    "python3",
    "python3-numpy",
    "python3-psutil",
    "python3-yaml",
)
_TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def need_docker() -> None:
    """Skip the test where no container can be run."""
    need(shutil.which("docker") is not None, "docker is not installed")
    answered = subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=60)
    need(answered.returncode == 0, "no docker daemon answers")


def need_arm64() -> None:
    """Skip the test where programs for 64-bit Arm can't be run, not even by emulation."""
    if os.uname().machine != "aarch64":
        registered = Path("/proc/sys/fs/binfmt_misc/qemu-aarch64").exists()
        need(registered, "no emulation of 64-bit Arm is registered with the kernel (binfmt_misc)")


def debian(architecture: str, packages: tuple[str, ...] = PACKAGES) -> str:
    """Return the name of an image with these packages of the host's Debian, made once."""
    need(shutil.which("apt-get") is not None, "only Debian's packages make an image")
    release = Path("/etc/os-release").read_text() + Path("/etc/debian_version").read_text()
    wanted = hashlib.sha256(f"{release} {architecture} {packages}".encode()).hexdigest()[:12]
    name = f"fedbed-test-{architecture}:{wanted}"
    found = subprocess.run(["docker", "image", "inspect", name], capture_output=True, check=False)
    if found.returncode != 0:
        with tempfile.TemporaryDirectory(prefix="fedbed-image-") as folder:
            root = Path(folder) / "root"
            _unpack(architecture, packages, Path(folder) / "apt", root)
            _load(architecture, name, root, Path(folder))
    return name


def _unpack(architecture: str, packages: tuple[str, ...], apt: Path, root: Path) -> None:
    """Fetch packages with all that they need, by an apt that knows of no installed package."""
    for place in ("state/lists/partial", "cache/archives/partial"):
        (apt / place).mkdir(parents=True)
    (apt / "status").touch()
    options = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Install-Recommends": "0",
        "APT::Sandbox::User": "root",
        "Dir::State": str(apt / "state"),
        "Dir::State::status": str(apt / "status"),
        "Dir::Cache": str(apt / "cache"),
        "Debug::NoLocking": "1",
    }
    command = ["apt-get", "-q", "-y", *(f"-o{key}={value}" for key, value in options.items())]
    for action in (["update"], ["install", "--download-only", *packages]):
        subprocess.run([*command, *action], check=True, capture_output=True, timeout=600)
    root.mkdir()
    for name in ("bin", "sbin", "lib"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    if architecture == "amd64":
        (root / "usr" / "lib64").mkdir()
        (root / "lib64").symlink_to("usr/lib64")
    for package in sorted((apt / "cache" / "archives").glob("*.deb")):
        with subprocess.Popen(
            ["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE
        ) as files:
            unpack = ["tar", "--keep-directory-symlink", "-C", str(root), "-xf", "-"]
            subprocess.run(unpack, stdin=files.stdout, check=True)
    # What the packages' scripts would have done and numpy needs: choose among alternatives.
    libraries = root / "usr/lib" / _TRIPLETS[architecture]
    for library in ("blas", "lapack"):
        (libraries / f"lib{library}.so.3").symlink_to(f"{library}/lib{library}.so.3")
    (root / "tmp").chmod(0o1777)


def _load(architecture: str, name: str, root: Path, folder: Path) -> None:
    """Hand a root file system to docker; `docker import` would call it the host's architecture."""
    layer = folder / "layer.tar"
    subprocess.run(["tar", "--numeric-owner", "-C", str(root), "-cf", str(layer), "."], check=True)
    with layer.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    config = json.dumps(
        {
            "architecture": architecture,
            "os": "linux",
            "config": {"Env": [_PATH]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        }
    ).encode()
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = [{"Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"]}]
    archive = folder / "image.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(layer, "layer.tar")
        for file_name, data in (
            (config_name, config),
            ("manifest.json", json.dumps(manifest).encode()),
        ):
            info = tarfile.TarInfo(file_name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    subprocess.run(["docker", "load", "--quiet", "--input", str(archive)], check=True, timeout=300)
