"""DDMTOLab's variation operators compiled: the same draws in the same order, a generation at once.

Every function here stands in for a Python loop over individuals in DDMTOLab 1.0.10 (MIT licence,
(c) 2025 Jiangtao Shen) and follows its arithmetic step by step; `key`, `place` and `normal` are the
borrowed state of NumPy's generator (`fast_draws`). Decisions of T tasks come as [T, N, D] with the
genes beyond a task's own never read.
"""
# pyright: reportMissingImports=false

import numpy as np
from numba import njit

from .fast_draws import below, standard_cauchy, standard_normal, uniform, uniforms


@njit(cache=True)
def _clip(value, low, high):
    return low if value < low else (high if value > high else value)


@njit(cache=True)
def crossover(key, place, first, second, eta, child, sibling):
    """Simulated binary crossover of two rows, half of the genes untouched."""
    genes = len(first)
    u = uniforms(key, place, genes)
    beta = np.empty(genes)
    for i in range(genes):
        if u[i] <= 0.5:
            beta[i] = (2 * u[i]) ** (1 / (eta + 1))
        else:
            beta[i] = (2 * (1 - u[i])) ** (-1 / (eta + 1))
    for i in range(genes):
        if below(key, place, 2):
            beta[i] = -beta[i]
    for i in range(genes):
        if uniform(key, place) < 0.5:
            beta[i] = 1.0
        b, x, y = beta[i], first[i], second[i]
        child[i] = _clip(0.5 * ((1 + b) * x + (1 - b) * y), 0.0, 1.0)
        sibling[i] = _clip(0.5 * ((1 + b) * y + (1 - b) * x), 0.0, 1.0)


@njit(cache=True)
def mutation(key, place, row, eta):
    """Polynomial mutation of a row in place, one gene of D on average."""
    genes = len(row)
    chance, power = 1 / genes, eta + 1.0
    for i in range(genes):
        if uniform(key, place) < chance:
            u = uniform(key, place)
            if u <= 0.5:
                base = 2 * u + (1 - 2 * u) * (1 - row[i]) ** power
                row[i] += base ** (1 / power) - 1
            else:
                base = 2 * (1 - u) + 2 * (u - 0.5) * row[i] ** power
                row[i] += 1 - base ** (1 / power)
    for i in range(genes):
        row[i] = _clip(row[i], 0.0, 1.0)


@njit(cache=True)
def _partner(key, place, factors, parent):
    """Draw another row of the parent's task."""
    same = 0
    for j in range(len(factors)):
        same += factors[j] == factors[parent] and j != parent
    left = below(key, place, same)
    for j in range(len(factors)):
        if factors[j] == factors[parent] and j != parent:
            if left == 0:
                return j
            left -= 1
    return parent


@njit(cache=True)
def assortative_mating(key, place, decs, factors, order, rmp, within):
    """The mating loop of MO_MFEA, and with `within` that of MO_MFEA_II.

    Returns the children [P, D] and their skill factors [P].
    """
    children, child_factors = np.empty_like(decs), np.empty_like(factors)
    spare = np.empty(decs.shape[1])
    for i in range(0, len(order), 2):
        p, q = order[i], order[i + 1]
        s, t = factors[p], factors[q]
        if s == t or uniform(key, place) < rmp[s, t]:
            crossover(key, place, decs[p], decs[q], 2.0, children[i], children[i + 1])
            chosen = t if below(key, place, 2) else s
            child_factors[i] = chosen
            child_factors[i + 1] = s if chosen == t else t
            continue
        for j in range(2):
            parent = order[i + j]
            if within:
                mate = _partner(key, place, factors, parent)
                crossover(key, place, decs[parent], decs[mate], 2.0, children[i + j], spare)
            else:
                children[i + j] = decs[parent]
            mutation(key, place, children[i + j], 5.0)
            child_factors[i + j] = factors[parent]
    return children, child_factors


@njit(cache=True)
def ga_pairs(key, place, parents, eta_crossover, eta_mutation):
    """Crossover of row j with row j + half, then mutation of both: an even number of rows."""
    half = len(parents) // 2
    children = np.empty_like(parents)
    for j in range(half):
        child, sibling = children[2 * j], children[2 * j + 1]
        crossover(key, place, parents[j], parents[half + j], eta_crossover, child, sibling)
        mutation(key, place, child, eta_mutation)
        mutation(key, place, sibling, eta_mutation)
    return children


@njit(cache=True)
def _disturbed(key, place, normal, old, tau1, tau2):
    """Parameters F, CR, TR, KP of a child: noise around the parent's, now and then drawn anew."""
    new = np.empty(4)
    for j in range(4):
        new[j] = old[j] + 0.1 * standard_normal(key, place, normal)
        if j == 0:
            new[j] = _clip(new[j], 0.2, 1.2)
        elif j < 3:
            new[j] = _clip(new[j], 0.0, 1.0)
    if new[3] < 0:
        new[3] = 1 + new[3]
    elif new[3] > 1:
        new[3] = new[3] - 1
    for j in range(4):
        if uniform(key, place) < (tau1 if j < 2 else tau2):
            fresh = uniform(key, place)
            new[j] = 0.2 + fresh if j == 0 else fresh
    return new


@njit(cache=True)
def _skip(index, excluded):
    """Turn an index into the list without three sorted rows into an index into all."""
    for one in np.sort(excluded):
        if index >= one:
            index += 1
    return index


@njit(cache=True)
def _by_rank(key, place, rank, first, second):
    """Draw a row other than two, rows of better rank more often."""
    count = len(rank)
    for _ in range(1000):
        x = below(key, place, count)
        if x != first and x != second and uniform(key, place) < (count - rank[x]) / count:
            return x
    return -1


@njit(cache=True)
def _transferred(key, place, decs, dims, mean, std, task, counts, direct):
    """Draw a row of another task, as it is or moved from that task's model to this one's."""
    k = below(key, place, len(dims))
    while k == task:
        k = below(key, place, len(dims))
    source = decs[k, below(key, place, counts[k])]
    genes, known = dims[task], min(dims[task], dims[k])
    row = np.empty(genes)
    for i in range(known):
        row[i] = source[i] if direct else (source[i] - mean[k, i]) / std[k, i]
    for i in range(known, genes):
        row[i] = uniform(key, place)
    if not direct:
        for i in range(genes):
            row[i] = mean[task, i] + std[task, i] * row[i]
    return row


@njit(cache=True)
def mkta_generation(key, place, normal, decs, dims, counts, params, rank, mean, std, task, taus):
    """`MTDE_MKTA._generation`: children [N, D] of a task and their parameters [N, 4].

    `params` [N, 4] holds F, CR, TR, KP. The fallback after a thousand refused draws by rank, which
    has a chance of about 1e-300, ends in an error instead.
    """
    count, genes = counts[task], dims[task]
    own = decs[task]
    children, new_params = np.empty((count, genes)), np.empty((count, 4))
    for i in range(count):
        new = _disturbed(key, place, normal, params[i], taus[0], taus[1])
        new_params[i] = new
        x1 = _by_rank(key, place, rank, i, i)
        x2 = _by_rank(key, place, rank, i, x1)
        if x1 < 0 or x2 < 0:
            raise RuntimeError("no row was accepted by rank")
        x3 = _skip(below(key, place, count - 3), np.array([i, x1, x2]))
        second = own[x2]
        if uniform(key, place) < new[2]:
            second = _transferred(key, place, decs, dims, mean, std, task, counts, new[3] > 0.5)
        sure = below(key, place, genes)
        for j in range(genes):
            value = own[i, j]
            if uniform(key, place) < new[1] or j == sure:
                value = own[x1, j] + new[0] * (second[j] - own[x3, j])
            children[i, j] = _clip(value, 0.0, 1.0)
    return children, new_params


@njit(cache=True)
def _repaired(key, place, row, parent):
    """Draw genes outside [0, 1] anew between the parent's and the bound they crossed."""
    genes = len(row)
    if np.any(row < 0):
        drawn = uniforms(key, place, genes)
        for i in range(genes):
            if row[i] < 0:
                row[i] = drawn[i] * parent[i]
    if np.any(row > 1):
        drawn = uniforms(key, place, genes)
        for i in range(genes):
            if row[i] > 1:
                row[i] = parent[i] + drawn[i] * (1 - parent[i])
    for i in range(genes):
        row[i] = _clip(row[i], 0.0, 1.0)


@njit(cache=True)
def _dck_parameters(key, place, normal, old, tau):
    """Parameters F, CR, TRD of a child: Cauchy and normal noise, now and then drawn anew."""
    new = np.empty(3)
    new[0] = old[0] + 0.1 * standard_cauchy(key, place, normal)
    while new[0] <= 0:
        new[0] = old[0] + 0.1 * standard_cauchy(key, place, normal)
    new[0] = min(1.0, new[0])
    for j in range(1, 3):
        new[j] = _clip(old[j] + 0.1 * standard_normal(key, place, normal), 0.0, 1.0)
    for j in range(3):
        if uniform(key, place) < tau:
            new[j] = uniform(key, place)
    return new


@njit(cache=True)
def _diversified(key, place, dec, speed, low, high, own_low, own_high):
    """A winner of another task, perhaps reversed, mapped to this task's region and mutated."""
    row, vel = dec.copy(), speed.copy()
    if uniform(key, place) < 0.5:
        row = (low + high) - row
        vel = -vel
    for i in range(len(row)):
        width, own_width = high[i] - low[i], own_high[i] - own_low[i]
        if width > 1e-20:
            row[i] = (row[i] - low[i]) / width * own_width + own_low[i]
            vel[i] = vel[i] / width * own_width
        else:
            row[i], vel[i] = own_low[i], 0.0
    mutation(key, place, row, 20.0)
    return row, vel


@njit(cache=True)
def _donors(key, place, i, winners, union):
    """Three different places other than i: two among the winners, one in the union."""
    x1 = below(key, place, winners)
    while x1 == i:
        x1 = below(key, place, winners)
    x2 = below(key, place, winners)
    while x2 in (i, x1):
        x2 = below(key, place, winners)
    x3 = below(key, place, union)
    while x3 in (i, x1, x2):
        x3 = below(key, place, union)
    return x1, x2, x3


@njit(cache=True)
def dck_de(key, place, normal, decs, vel, params, winners, union, task, low, high, tau):
    """`MTEA_DCK._generation_de`: children, velocities [W, D] and parameters F, CR, TRD [W, 3]."""
    own, speed, chosen = decs[task], vel[task], winners[task]
    count, genes = len(chosen), decs.shape[2]
    children, velocities = np.empty((count, genes)), np.empty((count, genes))
    new_params = np.empty((count, 3))
    for i in range(count):
        w = chosen[i]
        new = _dck_parameters(key, place, normal, params[w], tau)
        new_params[i] = new
        x1, x2, x3 = _donors(key, place, i, count, len(union))
        a, b, c = chosen[x1], chosen[x2], union[x3]
        row, rate = own[w], speed[w]
        if uniform(key, place) < new[2] and len(decs) > 1:
            k = below(key, place, len(decs) - 1)
            k += k >= task
            source = winners[k, x1 % winners.shape[1]]
            row, rate = _diversified(
                key, place, decs[k, source], vel[k, source], low[k], high[k], low[task], high[task]
            )
        row = row + new[0] * (own[a] - row) + new[0] * (own[b] - own[c])
        rate = rate + new[0] * (speed[a] - rate) + new[0] * (speed[b] - speed[c])
        keep_row = uniforms(key, place, genes) >= new[1]
        keep_rate = uniforms(key, place, genes) >= new[1]
        keep_row[below(key, place, genes)] = False
        keep_rate[below(key, place, genes)] = False
        children[i] = np.where(keep_row, own[w], row)
        velocities[i] = np.where(keep_rate, speed[w], rate)
        _repaired(key, place, children[i], own[w])
    return children, velocities, new_params


@njit(cache=True)
def dck_cso(key, place, decs, vel, winners, losers, task, rate):
    """`MTEA_DCK._generation_cso`: children and velocities [L, D] of the losers."""
    own, speed, genes = decs[task], vel[task], decs.shape[2]
    count = losers.shape[1]
    children, velocities = np.empty((count, genes)), np.empty((count, genes))
    for i in range(count):
        loser, winner = losers[task, i], winners[task, i]
        leader = own[winner].copy()
        if uniform(key, place) < rate and len(decs) > 1:
            k = below(key, place, len(decs) - 1)
            k += k >= task
            other = decs[k, winners[k, below(key, place, winners.shape[1])]]
            drawn = uniforms(key, place, genes)
            share = uniform(key, place)
            for j in range(genes):
                if not drawn[j] < share:
                    leader[j] = other[j]
        inertia = uniform(key, place)
        pull = uniform(key, place)
        velocities[i] = inertia * speed[loser] + pull * (leader - own[loser])
        children[i] = own[loser] + velocities[i]
        _repaired(key, place, children[i], own[loser])
    return children, velocities
