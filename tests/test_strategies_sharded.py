"""A population that is shared out among devices evolves as on one."""

import json
import os
import subprocess
import sys
from pathlib import Path


def test_eight_devices_give_what_one_gives():
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", Path(__file__).with_name("sharded.py")],
        env=os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["devices"] == 8
    assert len(told["differences"]) == 3
    # Sums over individuals may be rounded otherwise.
    assert max(told["differences"].values()) < 1e-4
