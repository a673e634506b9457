"""Signing keys: made once however many processes come first, and the same for all."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from tailrace.access.signing import load_signing_keys

PROGRAM = """
import sys
from tailrace.access.signing import load_signing_keys
from tailrace.database.pool import Database
database = Database(sys.argv[1], size=1)
sys.stdin.read()
keys = load_signing_keys(database)
print(keys.token.thumbprint(), keys.link.hex())
database.close()
"""


def described(keys):
    return f"{keys.token.thumbprint()} {keys.link.hex()}"


def test_two_processes_that_make_them_at_once_get_the_same(database, database_url):
    command = [sys.executable, "-c", PROGRAM, database_url]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in processes:
        process.stdin.close()
    found = {process.stdout.read().strip() for process in processes}
    for process in processes:
        process.stdout.close()
        assert process.wait(60) == 0
    assert found == {described(load_signing_keys(database))}
    [row] = database.execute("SELECT count(*) AS keys FROM signing_keys")
    assert row.keys == 2


def test_threads_that_make_them_at_once_get_the_same(database):
    together = Barrier(4)

    def load(_):
        together.wait()
        return described(load_signing_keys(database))

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(load, range(4)))) == 1


def test_a_missing_one_is_made_and_the_other_kept(database):
    before = load_signing_keys(database)
    database.execute("DELETE FROM signing_keys WHERE purpose = 'link'")
    after = load_signing_keys(database)
    assert after.token.thumbprint() == before.token.thumbprint()
    assert after.link != before.link
    assert len(after.link) == 32
