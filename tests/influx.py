"""A real InfluxDB engine for tests: Debian's 1.6, with the write API of 2.x before it.

1.6 has line protocol and InfluxQL, but no `/api/v2`. nginx stands before it as a shim that maps
`/api/v2/write` to `/write`, as InfluxDB 1.8 does by itself, and looks at the token. So what is
written with influxdb-client, and what is asked in InfluxQL, meets a real engine; buckets, Flux and
setup are not covered by it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.parts import need

TOKEN = "a-token-of-tests"
ORG, BUCKET = "fedbed", "fedbed"
_PATIENCE_S = 30.0
_SHIM = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_max_body_size 64m;
  # In memory: nginx's worker may not write into a folder of root's.
  client_body_buffer_size 8m; proxy_max_temp_file_size 0;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  map $arg_precision $unit {{ default n; s s; ms ms; us u; ns n; }}
  map $http_authorization $is_known {{ default 0; "Token {token}" 1; "Bearer {token}" 1; }}
  server {{
    listen 127.0.0.1:{port};
    default_type application/json;
    set $no_token '{{"code":"unauthorized","message":"unauthorized access"}}';
    location = /api/v2/write {{
      if ($is_known = 0) {{ return 401 $no_token; }}
      if ($arg_bucket != {bucket}) {{ return 404 '{{"code":"not found","message":"no bucket"}}'; }}
      proxy_set_header Authorization "";
      set $args "db=$arg_bucket&precision=$unit";
      rewrite ^ /write break;
      proxy_pass http://127.0.0.1:{behind};
    }}
    location = /query {{
      if ($is_known = 0) {{ return 401 $no_token; }}
      proxy_set_header Authorization "";
      proxy_pass http://127.0.0.1:{behind};
    }}
    location = /health {{ return 200 '{{"name":"influxdb","status":"pass"}}'; }}
    location / {{ return 501; }}
  }}
}}
"""


@dataclass
class Influx:
    """A running engine; `url` is that of the shim, which wants TOKEN and knows BUCKET."""

    folder: Path
    port: int
    behind: int
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list, repr=False)

    @property
    def url(self) -> str:
        """Where clients reach it."""
        return f"http://127.0.0.1:{self.port}"

    def query(self, text: str) -> list[dict[str, Any]]:
        """Return the rows of an InfluxQL query, tags included; RuntimeError with what it says."""
        arguments = urllib.parse.urlencode({"db": BUCKET, "q": text, "epoch": "ns"})
        address = f"http://127.0.0.1:{self.behind}/query?{arguments}"
        try:
            # POST, so that CREATE and DROP pass, too.
            with urllib.request.urlopen(urllib.request.Request(address, b""), timeout=30) as reply:
                (answer,) = json.load(reply)["results"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(error.read().decode()) from error
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return [
            {**series.get("tags", {}), **dict(zip(series["columns"], row, strict=True))}
            for series in answer.get("series", [])
            for row in series["values"]
        ]

    def write(self, lines: str) -> None:
        """Write lines in line protocol with nanoseconds; past the shim."""
        address = f"http://127.0.0.1:{self.behind}/write?db={BUCKET}&precision=n"
        with urllib.request.urlopen(
            urllib.request.Request(address, lines.encode()), timeout=30
        ) as reply:
            reply.read()

    def start(self) -> None:
        """Start the engine and the shim; what was written before is there again."""
        assert not self._processes
        for start in (self._start_engine, self._start_shim):
            self._processes.append(start())

    def stop(self) -> None:
        """End both."""
        while self._processes:
            _end(self._processes.pop())

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run both for as long as the statement lasts."""
        try:
            self.start()
            yield
        finally:
            self.stop()

    def _start_engine(self) -> subprocess.Popen[bytes]:
        config = self.folder / "influxdb.conf"
        config.write_text(
            f"""
            reporting-disabled = true
            bind-address = "127.0.0.1:{_free_port()}"
            [meta]
            dir = "{self.folder}/meta"
            [data]
            dir = "{self.folder}/data"
            wal-dir = "{self.folder}/wal"
            query-log-enabled = false
            [http]
            bind-address = "127.0.0.1:{self.behind}"
            log-enabled = false
            [monitor]
            store-enabled = false
            """
        )
        process = _start(["influxd", "-config", str(config)], self.folder / "influxd.log")
        _wait_for(self.behind, process)
        self.query(f"CREATE DATABASE {BUCKET}")
        return process

    def _start_shim(self) -> subprocess.Popen[bytes]:
        folder = self.folder / "shim"
        folder.mkdir(exist_ok=True)
        config = folder / "nginx.conf"
        config.write_text(
            _SHIM.format(
                folder=folder, token=TOKEN, port=self.port, behind=self.behind, bucket=BUCKET
            )
        )
        command = ["nginx", "-c", str(config), "-p", str(folder), "-e", str(folder / "error.log")]
        process = _start(command, folder / "out.log")
        _wait_for(self.port, process)
        return process


@contextmanager
def influx(folder: Path) -> Iterator[Influx]:
    """Run an InfluxDB with files in `folder`; skip where it isn't installed."""
    need(shutil.which("influxd") is not None, "the package influxdb is not installed")
    need(shutil.which("nginx") is not None, "the package nginx-light is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    made = Influx(folder, _free_port(), _free_port())
    with made.running():
        yield made


def _start(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        # A session of its own, so that nginx's worker goes with it.
        return subprocess.Popen(
            command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with exit code {process.returncode}")
        time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} doesn't listen on port {port}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
