"""What a recovery keeps while it runs: files that are damaged, and members that diverged."""

from dataclasses import replace
from functools import partial

import pytest
from problem import TASKS, contents, found, make_data, network

from sosjax import Recovery, load_sets, recover
from sosjax.recover import _fine_tune, _kept, _workers

RECOVERY = Recovery(epochs=2, batch=16, rate=1e-2, rounds=1, further=3)


class Killed(BaseException):
    """The process is gone."""


def interrupted(recovery, folder, monkeypatch, after):
    """Recover, and be killed when so many buckets have been kept; return what keeps the folder."""
    run = partial(recover, network(), found(), make_data(), TASKS, recovery, folder=folder)
    written, save = [], _fine_tune.save_tuned

    def killed(place, tuned):
        if len(written) == after:
            raise Killed
        written.append(place)
        save(place, tuned)

    with monkeypatch.context() as patch:
        patch.setattr(_fine_tune, "save_tuned", killed)
        patch.setattr(_workers, "workers", lambda: 1)
        with pytest.raises(Killed):
            run()
    return run, [place / _kept.NAME for place in written]


def test_members_of_a_damaged_file_are_trained_again(tmp_path, monkeypatch):
    run, (file,) = interrupted(RECOVERY, tmp_path / "recovered", monkeypatch, 1)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    told = []
    again = run(progress=told.append)
    warnings = [line["event"] for line in told if line.get("warning")]
    damaged = f"{file} is damaged: its members are trained again"
    assert sum(damaged in one for one in warnings) == 1
    assert contents(again) == contents(recover(network(), found(), make_data(), TASKS, RECOVERY))


def test_who_diverged_is_told_again_and_kept(tmp_path, monkeypatch):
    recovery = replace(RECOVERY, rate=1e30, warmup=0.0)
    run, files = interrupted(recovery, tmp_path / "recovered", monkeypatch, 1)
    first = sum(one.lost for one in _kept.load_tuned(files[0].parent)[0])
    told = []
    run(progress=told.append)
    assert first > 0 and sum("diverged" in line["event"] for line in told) > first
    for task in load_sets(tmp_path / "recovered").tasks:
        assert task.members and all(one.scores.diverged for one in task.members)
