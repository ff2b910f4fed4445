"""Workers of several machines share a database: PostgreSQL, where it is installed."""

import os
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager

import pytest
from tuning_helpers import let_fit, result, start_worker

pytest.importorskip("psycopg")
if not (shutil.which("initdb") and shutil.which("postgres")):
    pytest.skip("needs PostgreSQL: initdb and postgres", allow_module_level=True)


@contextmanager
def server(folder):
    """Run a server of its own on a socket in `folder`; PostgreSQL refuses to run as root."""
    user = {"user": "nobody"} if os.geteuid() == 0 else {}
    if user:
        shutil.chown(folder, "nobody")
    data = folder / "data"
    subprocess.run(
        ["initdb", "-D", data, "-U", "me", "-A", "trust"], check=True, capture_output=True, **user
    )
    running = subprocess.Popen(
        ["postgres", "-D", data, "-k", folder, "-c", "listen_addresses="],
        stderr=subprocess.DEVNULL,
        **user,
    )
    try:
        deadline = time.monotonic() + 20
        while not (folder / ".s.PGSQL.5432").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        yield f"postgresql+psycopg://me@/postgres?host={folder}"
    finally:
        running.send_signal(signal.SIGINT)  # "fast": it does not wait for clients to leave
        running.wait()


@pytest.fixture
def database(tmp_path_factory):
    # Sockets have short paths, and another user has to get there.
    folder = tmp_path_factory.mktemp("pg")
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(parent.stat().st_mode | 0o055)
    with server(folder) as url:
        yield url


def test_workers_that_start_together_share_a_new_postgresql(database):
    workers = [start_worker(database, pause=0.05) for _ in range(3)]
    let_fit(*workers)
    found = [result(worker) for worker in workers]
    assert found[0] == found[1] == found[2]
    assert len(found[0][2]) == 9
