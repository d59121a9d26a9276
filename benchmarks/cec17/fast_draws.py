"""NumPy's legacy random draws inside numba, number for number.

The peers draw from `np.random` one individual at a time. These functions walk the same Mersenne
twister (MT19937) in compiled code: `borrow` takes the state of NumPy's global generator, the others
draw from it exactly as NumPy's `RandomState` does, and `give_back` puts it back where they left
off. So a compiled loop consumes the same stream as the Python loop it replaces.
"""
# pyright: reportMissingImports=false

from typing import Any

import numpy as np
from numba import njit

WORDS = 624


def borrow() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the state of NumPy's global generator: key [624], [place, has normal], [normal]."""
    state: Any = np.random.get_state()  # noqa: NPY002
    _, key, place, has_normal, normal = state
    return key, np.array([place, has_normal]), np.array([normal])


def give_back(key: np.ndarray, place: np.ndarray, normal: np.ndarray) -> None:
    """Set NumPy's global generator to the state that the draws have reached."""
    state = ("MT19937", key, int(place[0]), int(place[1]), float(normal[0]))
    np.random.set_state(state)  # noqa: NPY002


@njit(cache=True)
def _refill(key):
    for i in range(WORDS):
        y = (key[i] & np.uint32(0x80000000)) | (key[(i + 1) % WORDS] & np.uint32(0x7FFFFFFF))
        twisted = key[(i + 397) % WORDS] ^ (y >> np.uint32(1))
        if y & np.uint32(1):
            twisted = twisted ^ np.uint32(0x9908B0DF)
        key[i] = twisted


@njit(cache=True)
def word(key, place):
    """Draw 32 random bits."""
    if place[0] == WORDS:
        _refill(key)
        place[0] = 0
    y = key[place[0]]
    place[0] += 1
    y = np.uint32(y ^ (y >> np.uint32(11)))
    y = np.uint32(y ^ (np.uint32(y << np.uint32(7)) & np.uint32(0x9D2C5680)))
    y = np.uint32(y ^ (np.uint32(y << np.uint32(15)) & np.uint32(0xEFC60000)))
    return np.uint32(y ^ (y >> np.uint32(18)))


@njit(cache=True)
def uniform(key, place):
    """Draw from [0, 1) as `np.random.rand()`."""
    high = np.int64(word(key, place) >> np.uint32(5))
    low = np.int64(word(key, place) >> np.uint32(6))
    return (high * 67108864.0 + low) / 9007199254740992.0


@njit(cache=True)
def uniforms(key, place, count):
    """Draw `count` numbers as `np.random.rand(count)`."""
    drawn = np.empty(count)
    for i in range(count):
        drawn[i] = uniform(key, place)
    return drawn


@njit(cache=True)
def below(key, place, bound):
    """Draw from 0..bound-1 as `np.random.randint(bound)`: masked bits until they fit."""
    largest = np.uint32(bound - 1)
    if largest == 0:
        return 0
    mask = largest
    for shift in (1, 2, 4, 8, 16):
        mask |= mask >> np.uint32(shift)
    while True:
        value = word(key, place) & mask
        if value <= largest:
            return np.int64(value)


@njit(cache=True)
def standard_normal(key, place, normal):
    """Draw as `np.random.standard_normal()`: the polar method, which keeps every second number."""
    if place[1]:
        place[1] = 0
        kept = normal[0]
        normal[0] = 0.0
        return kept
    while True:
        x1 = 2.0 * uniform(key, place) - 1.0
        x2 = 2.0 * uniform(key, place) - 1.0
        square = x1 * x1 + x2 * x2
        if square < 1.0 and square != 0.0:
            break
    factor = np.sqrt(-2.0 * np.log(square) / square)
    normal[0] = factor * x1
    place[1] = 1
    return factor * x2


@njit(cache=True)
def standard_cauchy(key, place, normal):
    """Draw as `np.random.standard_cauchy()`: the ratio of two normal numbers."""
    above = standard_normal(key, place, normal)
    return above / standard_normal(key, place, normal)
