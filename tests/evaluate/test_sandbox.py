"""Code that a model wrote is run where it can do no harm, and passes only if it is right."""

import os
import sqlite3
import subprocess
import sys
import time

import pytest

from confspec_cli.evaluate import sandbox
from confspec_cli.evaluate.sandbox import Program, walls

TESTS = "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(-1) == -2\n"
RIGHT = "def double(n):\n    return 2 * n\n"
WRONG = "def double(n):\n    return n\n"


@pytest.fixture(params=["the kernel's walls", "Python's alone"])
def either(request, monkeypatch):
    """Behind the walls the kernel grants here, and without them."""
    monkeypatch.setattr(sandbox, "USE_KERNEL", request.param == "the kernel's walls")


def passes(code, tests=TESTS, entry_point="double", seconds=sandbox.SECONDS, given=""):
    return sandbox.passes(Program((code,), given), tests, entry_point, seconds)


@pytest.mark.parametrize(
    "below",
    [
        "print(double(int(input())))",
        "import sys; sys.exit(3)",
        "import unittest; unittest.main()",
        "import argparse; a = argparse.ArgumentParser(); a.add_argument('n'); a.parse_args()",
        "while True: pass",
    ],
)
def test_right_code_passes_whatever_its_main_block_does(below):
    assert passes(f"{RIGHT}\nif __name__ == '__main__':\n    {below}\n")


@pytest.mark.parametrize(
    "means",
    [
        "import tempfile\nwith tempfile.TemporaryDirectory() as d: open(d + '/own', 'w').write('x')",
        "import asyncio\nasync def nothing(): pass\nasyncio.run(nothing())",
        "import threading\nthread = threading.Thread(target=int); thread.start(); thread.join()",
        "import subprocess, socket, multiprocessing",
        "from dataclasses import dataclass\n@dataclass\nclass Pair:\n    one: int",
        "import pickle\nclass Own: pass\npickle.loads(pickle.dumps(Own()))",
        "from __future__ import annotations",
        "print('x' * 10**6)",
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()",
    ],
)
def test_code_may_use_what_keeps_to_itself(either, means):
    assert passes(f"{means}\n{RIGHT}")


@pytest.mark.parametrize(
    "harm",
    [
        "import os; os._exit(0)",
        "raise SystemExit(0)",
        "import os\nwhile True: os.fork()",
        "import subprocess; subprocess.run(['true'])",
        "import multiprocessing as m; m.get_context('spawn').Process(target=print).start()",
        "import socket; socket.create_connection(('127.0.0.1', 9))",
        "x = bytearray(1 << 34)",
        "open('big', 'wb').write(bytes(1 << 24))",
        "import os, signal; os.kill(os.getppid(), signal.SIGKILL)",
        "import sys; sys.stdout.write('x' * 10**7); raise ValueError",
        "import ctypes; ctypes.string_at(0)",
        "import os\nfor fd in range(3, 9):\n  try:\n    while True: os.write(fd, b'x' * 65536)\n  except OSError: pass",
        "x = '\\udcff' + y",
    ],
)
def test_code_that_does_harm_fails_and_harms_nothing(either, harm):
    assert not passes(f"{harm}\n{RIGHT}", seconds=4)


@pytest.mark.parametrize("hang", ["while True: pass", "import time; time.sleep(60)"])
def test_code_that_does_not_end_is_ended(hang):
    began = time.monotonic()
    assert not passes(f"{hang}\n{RIGHT}", seconds=1)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    "change",
    [
        "open({kept!r}, 'w')",
        "import os; os.remove({kept!r})",
        "import os; os.rename({kept!r}, 'mine')",
        "import os; os.unlink('kept', dir_fd=os.open({folder!r}, os.O_RDONLY))",
        "import os; os.utime({kept!r}, (0, 0))",
        "import os; os.chmod({kept!r}, 0)",
        "import os; os.open('new', os.O_CREAT | os.O_WRONLY, dir_fd=os.open({folder!r}, os.O_RDONLY))",
        "import os; os.mkfifo({folder!r} + '/new')",
        "import sqlite3; sqlite3.connect({folder!r} + '/new').execute('create table t(x)')",
        "import sqlite3; sqlite3.connect({base!r}).execute('drop table t')",
        "import ssl; ssl.create_default_context().keylog_filename = {folder!r} + '/new'",
        "import _posixshmem, os; _posixshmem.shm_open('/confspec-new', os.O_CREAT | os.O_RDWR, mode=0o600)",
    ],
)
def test_code_changes_nothing_outside_its_folder(either, change, tmp_path):
    kept, base = tmp_path / "kept", tmp_path / "base"
    kept.write_text("something")
    with sqlite3.connect(base) as connection:
        connection.execute("create table t(x)")
    connection.close()
    before = (base.read_bytes(), kept.stat().st_mtime, kept.stat().st_mode)
    code = change.format(kept=str(kept), folder=str(tmp_path), base=str(base))
    assert not passes(f"{code}\n{RIGHT}")
    assert kept.read_text() == "something"
    assert (base.read_bytes(), kept.stat().st_mtime, kept.stat().st_mode) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "kept"]


@pytest.mark.skipif(sys.platform != "linux", reason="pidfds are of Linux")
def test_code_cannot_end_another_process(either):
    with subprocess.Popen(["sleep", "60"]) as other:
        assert not passes(f"import os, signal\nsignal.pidfd_send_signal(os.pidfd_open({other.pid}), 9)\n{RIGHT}")
        assert other.poll() is None
        other.kill()


def test_behind_the_kernels_walls_code_reads_no_file_of_the_user(tmp_path):
    if "Landlock" not in walls():
        pytest.skip("this kernel has no Landlock")
    (tmp_path / "secret").write_text("something")
    assert not passes(f"open({str(tmp_path / 'secret')!r}).read()\n{RIGHT}")


@pytest.mark.parametrize(
    "forged",
    [
        "class All:\n    def __eq__(self, other): return True\ndef double(n): return All()",
        "class All(int):\n    def __eq__(self, other): return True\ndef double(n): return All()",
        "class All(list):\n    def __eq__(self, other): return True\n    def __contains__(self, x): return True\n"
        "def double(n): return All()",
        f"import sys, builtins\nbuiltins.AssertionError = ValueError\n{WRONG}",
        f"import os\nfor fd in range(20):\n  try: os.write(fd, b'passed')\n  except OSError: pass\n{WRONG}",
        f"import os\n{WRONG}\ndef double(n): os._exit(0)",
        "def double(n): raise SystemExit(0)",
        "def check(candidate): pass\n" + WRONG,
        "import gc\ndef double(n):\n    for o in gc.get_objects():\n        if isinstance(o, dict) and 'check' in o:\n"
        "            o['check'] = print\n    return n",
    ],
)
def test_wrong_code_does_not_pass_by_forgery(either, forged):
    assert not passes(forged)


def test_a_handler_of_the_tests_does_not_take_a_process_that_is_gone_for_an_error_they_expect():
    tests = "def check(candidate):\n    try:\n        candidate(1)\n    except BaseException:\n        pass\n"
    assert passes("def double(n): raise ValueError", tests)
    assert not passes("import os\ndef double(n): os._exit(0)", tests)


def test_what_the_problem_gives_is_not_the_models_to_change():
    given = "def twice(n):\n    return n + n\n"
    tests = "def check(candidate):\n    assert twice(candidate(3)) == 12\n"
    assert passes(RIGHT, tests, given=given)
    assert not passes(f"def twice(n): return 12\n{WRONG}", tests, given=given)


@pytest.mark.parametrize(
    ("code", "check"),
    [
        ("def f(xs): xs.append(1)", "xs = [[], 2]; candidate(xs[0]); assert xs == [[1], 2]"),
        ("def f(): raise KeyError('k')", "try:\n        candidate()\n        assert False\n    except KeyError: pass"),
        ("class Own(ValueError): pass\ndef f(): raise Own()", "try: candidate()\n    except ValueError: pass"),
        ("def f(g, x): return g(g(x))", "assert candidate(lambda n: n + 1, 1) == 3"),
        ("def f(kind, x): return kind(x)", "assert candidate(str, 1) == '1'"),
        ("def f(n):\n    yield from range(n)", "assert list(candidate(3)) == [0, 1, 2]"),
        ("from collections import Counter\ndef f(s): return Counter(s)", "assert candidate('aab') == {'a': 2, 'b': 1}"),
        ("from fractions import Fraction\ndef f(): return Fraction(2, 4)", "assert candidate() * 2 == 1"),
        ("def f(): return (1, [2.5], {3}, {'a': None}, b'x', 1j, 10**5000)", "assert candidate()[-1] == 10**5000"),
        ("class P:\n    def __init__(self, a): self.a = a\ndef f(p): return p.a", "assert candidate(P(5)) == 5"),
        ("class f:\n    def __init__(self): self.x = []\n    def add(self, n): self.x.append(n)\n"
         "    def __len__(self): return len(self.x)", "s = candidate(); s.add(1); assert (len(s), s.x) == (1, [1])"),
        ("def f(node): return node.value + 1", "assert candidate(Node(4)) == 5"),
        ("def f(**named): return sorted(named)", "assert candidate(b=1, a=2) == ['a', 'b']"),
        ("def f(d): return d['x'] is True and d['y'] == -0.0", "assert candidate({'x': True, 'y': -0.0}) is True"),
    ],
)  # fmt: skip
def test_tests_can_do_across_the_pipe_what_they_do_beside_the_code(code, check):
    tests = f"class Node:\n    def __init__(self, value): self.value = value\n\ndef check(candidate):\n    {check}\n"
    assert passes(code, tests, "f")


def test_an_entry_point_may_be_an_expression():
    tests = "def check(candidate):\n    assert candidate(2) == 4\n"
    assert passes("class Solution:\n    def double(self, n): return 2 * n\n", tests, "Solution().double")


def test_it_is_told_which_walls_stand(monkeypatch):
    walls.cache_clear()
    monkeypatch.setattr(sandbox, "USE_KERNEL", False)
    assert walls() == "only Python-level limits"
    walls.cache_clear()


@pytest.mark.skipif(sys.platform != "linux", reason="namespaces are of Linux")
def test_where_namespaces_are_refused_landlock_and_seccomp_stand_alone(tmp_path):
    if "Landlock + seccomp" not in walls():
        pytest.skip("this kernel has no Landlock or seccomp")
    (tmp_path / "kept").write_text("something")
    changes = f"import os\nos.chmod({str(tmp_path / 'kept')!r}, 0)\n{RIGHT}"
    script = (
        "from confspec_cli.evaluate.sandbox import Program, passes, walls\n"
        f"tests = {TESTS!r}\n"
        f"print(walls(), *(passes(Program((code,)), tests, 'double') for code in ({RIGHT!r}, {changes!r})))"
    )
    refuse = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
    argv = ["unshare", "-Ur", "sh", "-c", refuse, "sh", sys.executable, "-c", script]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ended = subprocess.run(argv, capture_output=True, text=True, env=environment, check=False)
    if "unshare" in ended.stderr or "max_user_namespaces" in ended.stderr:
        pytest.skip("namespaces cannot be refused here")
    assert ended.stdout == "Landlock + seccomp True False\n"
