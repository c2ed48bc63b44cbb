"""Fixtures that several tests share. Compiled packs go to a folder of this run, so that nothing of the user's is read."""
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEDDLE_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def accepted():
    """A function that fails unless heddle-opt parses and verifies a text; returns what it prints."""
    tool = shutil.which("heddle-opt") or ROOT / "build/bin/heddle-opt"

    def check(text):
        done = subprocess.run([tool, "-"], input=text, capture_output=True, text=True)
        assert done.returncode == 0, f"{done.stderr}\n{text}"
        return done.stdout
    return check
