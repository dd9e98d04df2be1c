"""The other end of `session.py`: starts it for a store, tells it what to do, and waits for its answers."""

import json
import os
import subprocess
import threading
from pathlib import Path

from passes import ONE_THREAD

SESSION = Path(__file__).resolve().parent / "session.py"


class Failed(Exception):
    """What was asked for could not be done; the message says why."""


class Child:
    """A session in a process of its own, to be used in a `with`. `one_thread` holds libraries to that; else they take what they take."""

    def __init__(self, options, name, data, folder, words=False, one_thread=True):
        command = [options.venv / "bin" / "python", SESSION, name, data, folder, *(["--words"] if words else [])]
        self.timeout = options.timeout
        self.log = (options.results / f"{name}.log").open("a")
        self.process = subprocess.Popen(
            command,
            env={**os.environ, **(ONE_THREAD if one_thread else {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )

    def ask(self, do, **arguments):
        """The answer to one command. Raises Failed, also where the process ends or takes longer than it may."""
        watch = threading.Timer(self.timeout, self.process.kill)
        watch.start()
        try:
            self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            watch.cancel()
        if not line:
            raise Failed(f"{do}: the process ended with {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(f"{do}: {answer['error']}")
        return answer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.process.stdin.close()
            self.process.wait(timeout=60)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        self.log.close()
