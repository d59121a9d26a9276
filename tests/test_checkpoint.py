"""Checkpoints: bit-exact, and a damaged one is never taken for a whole one."""

import errno
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sosjax import InputError
from sosjax.search import _checkpoint as checkpoint
from sosjax.search._checkpoint import load_checkpoint, save_checkpoint


def state(seed=0):
    values = np.random.default_rng(seed).normal(size=(3, 2)).astype(np.float32)
    values[0, 0] = np.inf
    return {"rows": jnp.asarray(values), "places": [jnp.arange(4)], "done": jnp.asarray(seed)}


def same(one, other):
    leaves = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(
        a.dtype == b.dtype and np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in leaves
    )


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def folder(tmp_path):
    """Return a folder with three checkpoints made, of which two are kept."""
    for generation in (2, 4, 6):
        save_checkpoint(tmp_path / "checkpoints", generation, state(generation))
    return tmp_path / "checkpoints"


def test_round_trip(folder):
    assert names(folder) == ["00000004", "00000006"]
    found, warnings = load_checkpoint(folder, state())
    assert same(found, state(6)) and not warnings
    assert jax.tree.structure(found) == jax.tree.structure(state())


def test_arrays_without_entries_come_back(tmp_path):
    """Weights of a block that is gone are such."""
    given = {"gone": jnp.zeros((0, 3), jnp.int32), "there": jnp.ones(2), "last": jnp.zeros((2, 0))}
    save_checkpoint(tmp_path, 1, given)
    found, warnings = load_checkpoint(tmp_path, given)
    assert same(found, given) and not warnings
    assert jax.tree.map(jnp.shape, found) == jax.tree.map(jnp.shape, given)


@pytest.mark.parametrize(
    "change",
    [
        {"rows": jnp.ones((2, 2))},
        {"rows": jnp.ones((3, 2), jnp.bfloat16)},
        {"places": [jnp.arange(4), jnp.ones(3)]},
        {"places": []},
    ],
)
def test_other_arrays_are_refused(folder, change):
    """Such as those of a table of embeddings of which an earlier version trained more rows."""
    with pytest.raises(InputError) as error:
        load_checkpoint(folder, state() | change)
    assert str(error.value) == (
        f"{folder / '00000006'} must be what this version of sosjax wrote for the same network, "
        "data and settings, got other arrays: begin in a new folder."
    )


def test_no_folder(tmp_path):
    assert load_checkpoint(tmp_path / "none", state()) == (None, [])


def truncated(path):
    path.write_bytes(path.read_bytes()[:-2])


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def removed(path):
    path.unlink()


@pytest.mark.parametrize("damage", [truncated, flipped, removed])
def test_any_damaged_file_is_noticed(damage, folder):
    newest = folder / "00000006"
    files = [path for path in newest.rglob("*") if path.is_file() and path.stat().st_size]
    whole = {path: path.read_bytes() for path in files}
    assert len(files) > 3
    for path in files:
        damage(path)
        found, warnings = load_checkpoint(folder, state())
        assert same(found, state(4)), path
        assert warnings == ["checkpoint 00000006 is damaged: using the one before it"]
        path.write_bytes(whole[path])
    assert same(load_checkpoint(folder, state())[0], state(6))


def test_all_damaged(folder):
    for place in folder.iterdir():
        (place / "SHA256.json").unlink()
    found, warnings = load_checkpoint(folder, state())
    assert found is None and len(warnings) == 2


def test_what_a_kill_left_is_removed(folder):
    left = folder / ".00000008.part.orbax-checkpoint-tmp"
    left.mkdir()
    (left / "some").write_text("")
    assert same(load_checkpoint(folder, state())[0], state(6))
    save_checkpoint(folder, 8, state(8))
    assert names(folder) == ["00000006", "00000008"]


def full_disk(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("when", ["orbax", "manifest", "rename"])
def test_full_disk(when, folder, monkeypatch):
    owner, name = {
        "orbax": (checkpoint.ocp.StandardCheckpointer, "save"),
        "manifest": (checkpoint, "write_json"),
        "rename": (checkpoint.os, "replace"),
    }[when]
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, full_disk)
        with pytest.raises(InputError, match="00000008 cannot be written: .*No space left"):
            save_checkpoint(folder, 8, state(8))
    assert names(folder) == ["00000004", "00000006"]
    assert same(load_checkpoint(folder, state())[0], state(6))


def test_later_damaged_checkpoints_do_not_displace_new_ones(tmp_path):
    for generation in (8, 10):
        save_checkpoint(tmp_path, generation, state(generation))
        next(
            path for path in (tmp_path / f"{generation:08d}").rglob("*") if path.is_file()
        ).unlink()
    for generation in (2, 4):
        save_checkpoint(tmp_path, generation, state(generation))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00000002", "00000004"]
    assert load_checkpoint(tmp_path, state(0))[1] == []


def test_several_threads_save_at_once(tmp_path):
    """As buckets in recovery do; orbax alone fails or hangs here."""

    def save(number):
        for generation in range(8):
            save_checkpoint(tmp_path / str(number), generation, (jnp.int32(generation),))

    threads = [threading.Thread(target=save, args=(one,), daemon=True) for one in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    for number in range(3):
        (last,), warnings = load_checkpoint(tmp_path / str(number), (jnp.int32(0),))
        assert int(last) == 7 and warnings == []
