"""DDMTOLab's rankings compiled: fronts, crowding, SPEA2's fitness and truncation, learnt rmp.

Each function takes and returns what its namesake in DDMTOLab 1.0.10 (MIT licence, (c) 2025 Jiangtao
Shen) does, with the same values, also among ties and duplicates.
"""
# pyright: reportMissingImports=false

import numpy as np
from numba import njit
from scipy.optimize import minimize_scalar
from scipy.spatial.distance import cdist


@njit(cache=True)
def _fronts(rows):
    """Front numbers, from 1, of different rows in lexicographic order."""
    count, objectives = rows.shape
    front = np.zeros(count, np.int64)
    current, left = 0, count
    while left:
        current += 1
        for i in range(count):
            if front[i]:
                continue
            dominated = False
            for j in range(i - 1, -1, -1):
                if front[j] != current:
                    continue
                m = 1
                while m < objectives and rows[i, m] >= rows[j, m]:
                    m += 1
                dominated = m == objectives
                if dominated or objectives == 2:
                    break
            if not dominated:
                front[i] = current
                left -= 1
    return front


def nd_sort(objs, *args):
    """Front number of each row, as float, and the last number; all rows are sorted."""
    if len(args) == 2 and args[0] is not None and np.any(args[0] > 0):
        raise NotImplementedError("the fast sorting is for problems without constraints")
    if args[-1] < len(objs):
        raise NotImplementedError("the fast sorting sorts all rows")
    order = np.lexsort(objs.T[::-1])
    ordered = objs[order]
    new = np.empty(len(objs), bool)
    new[0] = True
    np.any(ordered[1:] != ordered[:-1], axis=1, out=new[1:])
    fronts = _fronts(ordered[new])
    front_no = np.empty(len(objs))
    front_no[order] = fronts[np.cumsum(new) - 1]
    return front_no, int(fronts.max())


@njit(cache=True)
def _crowd(objs, order, starts):
    """Crowding distance where a front's values differ; marks the fronts where some are equal."""
    count, objectives = objs.shape
    crowd, tied = np.zeros(count), np.zeros(len(starts) - 1, np.bool_)
    for f in range(len(starts) - 1):
        front = order[starts[f] : starts[f + 1]]
        size = len(front)
        if size < 2:
            crowd[front] = np.inf
            continue
        for m in range(objectives):
            values = np.empty(size)
            for i in range(size):
                values[i] = objs[front[i], m]
            rank = np.argsort(values)
            for i in range(1, size):
                if values[rank[i]] == values[rank[i - 1]]:
                    tied[f] = True
            if tied[f]:
                break
            spread = values[rank[-1]] - values[rank[0]]
            crowd[front[rank[0]]] = np.inf
            crowd[front[rank[-1]]] = np.inf
            for i in range(1, size - 1):
                gap = values[rank[i + 1]] - values[rank[i - 1]]
                crowd[front[rank[i]]] += gap / spread
    return crowd, tied


def _crowd_of_tied(objs):
    """Crowding distance inside one front, with NumPy's own order among equal values."""
    crowd = np.zeros(len(objs))
    for values in objs.T:
        rank = np.argsort(values)
        crowd[rank[0]] = crowd[rank[-1]] = np.inf
        ordered = values[rank]
        spread = ordered[-1] - ordered[0]
        if spread > 0:
            crowd[rank[1:-1]] += (ordered[2:] - ordered[:-2]) / spread
    return crowd


def crowding_distance(pop_obj, front_no=None):
    """Crowding distance of each row inside its front."""
    if front_no is None:
        front_no = np.ones(len(pop_obj))
    order = np.argsort(front_no, kind="stable")
    ordered = front_no[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    starts = np.append(starts, len(ordered))
    crowd, tied = _crowd(pop_obj, order, starts)
    for f in np.flatnonzero(tied):
        front = order[starts[f] : starts[f + 1]]
        crowd[front] = _crowd_of_tied(pop_obj[front])
    return crowd


@njit(cache=True)
def _raw_fitness(objs, violation):
    """SPEA2's raw fitness: the strengths of all that dominate a row, added."""
    count, objectives = objs.shape
    dominates = np.zeros((count, count), np.bool_)
    strength = np.zeros(count, np.int64)
    for i in range(count):
        for j in range(i + 1, count):
            better, worse = violation[i] < violation[j], violation[i] > violation[j]
            if not (better or worse):
                for m in range(objectives):
                    better |= objs[i, m] < objs[j, m]
                    worse |= objs[i, m] > objs[j, m]
            if better and not worse:
                dominates[i, j] = True
                strength[i] += 1
            elif worse and not better:
                dominates[j, i] = True
                strength[j] += 1
    raw = np.zeros(count)
    for j in range(count):
        for i in range(count):
            if dominates[j, i]:
                raw[i] += strength[j]
    return raw


def _distances(objs):
    distance = cdist(objs, objs)
    np.fill_diagonal(distance, np.inf)
    return distance


def spea2_fitness(pop_obj, pop_con=None):
    """SPEA2's fitness of each row; its density uses the neighbour floor(sqrt(N))."""
    count = len(pop_obj)
    violation = np.zeros(count) if pop_con is None else np.maximum(0, pop_con).sum(axis=1)
    k = min(max(1, int(np.floor(np.sqrt(count)))) - 1, count - 1)
    near = np.partition(_distances(pop_obj), k, axis=1)[:, k]
    return _raw_fitness(pop_obj, violation) + 1.0 / (near + 2.0)


def mkta_fitness(self, objs, cvs):
    """`MTDE_MKTA._cal_spea2_fitness`: its density uses the neighbour after floor(sqrt(N))."""
    k = max(0, min(int(np.floor(np.sqrt(len(objs)))), len(objs) - 1))
    near = np.partition(_distances(objs), k, axis=1)[:, k]
    return _raw_fitness(objs, cvs) + 1.0 / (near + 2)


@njit(cache=True)
def _sorted_row(distance, alive, row):
    count = 0
    kept = np.empty(len(alive))
    for j in range(len(alive)):
        if alive[j]:
            kept[count] = distance[row, j]
            count += 1
    return np.sort(kept[:count])


@njit(cache=True)
def _second(distance, alive, row):
    """The second smallest distance of a row to the living, a tie counted twice."""
    least = second = np.inf
    for j in range(len(alive)):
        if alive[j]:
            value = distance[row, j]
            if value < least:
                least, second = value, least
            elif value < second:
                second = value
    return second


@njit(cache=True)
def _most_crowded(distance, alive, nearest):
    """The first row whose sorted distances to the living are least, compared in order."""
    least = np.inf
    for i in range(len(alive)):
        if alive[i] and nearest[i] < least:
            least = nearest[i]
    best, best_second = -1, np.inf
    for i in range(len(alive)):
        if not alive[i] or nearest[i] > least:
            continue
        second = _second(distance, alive, i)
        if best < 0 or second < best_second:
            best, best_second = i, second
        elif second == best_second:
            mine, its = _sorted_row(distance, alive, i), _sorted_row(distance, alive, best)
            for j in range(len(mine)):
                if mine[j] != its[j]:
                    if mine[j] < its[j]:
                        best = i
                    break
    return best


@njit(cache=True)
def _survivors(distance, keep):
    count = len(distance)
    alive, nearest = np.ones(count, np.bool_), np.empty(count)
    for i in range(count):
        nearest[i] = distance[i].min()
    for _ in range(count - keep):
        gone = _most_crowded(distance, alive, nearest)
        alive[gone] = False
        for i in range(count):
            if alive[i] and distance[i, gone] == nearest[i]:
                least = np.inf
                for j in range(count):
                    if alive[j] and distance[i, j] < least:
                        least = distance[i, j]
                nearest[i] = least
    return alive


def spea2_truncation(pop_obj, N):
    """Places of the N rows that remain when the most crowded is removed again and again."""
    if len(pop_obj) <= N:
        return np.arange(len(pop_obj))
    return np.flatnonzero(_survivors(_distances(pop_obj), N))


def mkta_truncation(self, objs, k):
    """`MTDE_MKTA._truncation`: places of the k rows to delete."""
    return np.flatnonzero(~_survivors(_distances(objs), len(objs) - k))


@njit(cache=True)
def _densities(rows, mean, deviation, genes):
    """Product of a row's normal densities over the first genes, gene after gene."""
    density = np.ones(len(rows))
    for k in range(len(rows)):
        for gene in range(genes):
            z = (rows[k, gene] - mean[gene]) / deviation[gene]
            density[k] *= np.exp(-(z**2) / 2.0) / np.sqrt(2 * np.pi) / deviation[gene]
    return density


def learn_rmp(subpops, dims):
    """`MO_MFEA_II.learnRMP`: the matrix [T, T] that makes the populations [N, D] likeliest."""
    tasks = len(subpops)
    matrix = np.eye(tasks)
    models = []
    for rows in subpops:
        noise = np.random.rand(int(np.floor(0.1 * len(rows))), max(dims))  # noqa: NPY002
        united = np.vstack([rows, noise])
        models.append((np.mean(united, axis=0), np.std(united, axis=0, ddof=1)))
    for i in range(tasks):
        for j in range(i + 1, tasks):
            pair, chosen = (subpops[i], subpops[j]), (models[i], models[j])
            genes = min(dims[i], dims[j])
            p = [[_densities(rows, mean, std, genes) for mean, std in chosen] for rows in pair]
            share = 0.5 * (tasks - 1)

            def cost(rmp, p=p, share=share):
                other = share * rmp / tasks
                first = np.sum(-np.log(p[0][0] * (1 - other) + p[0][1] * other))
                return first + np.sum(-np.log(p[1][0] * other + p[1][1] * (1 - other)))

            best = minimize_scalar(cost, bounds=(0, 1), method="bounded").x
            rmp = min(max(0, best + np.random.normal(0, 0.01)), 1)  # noqa: NPY002
            matrix[i, j] = matrix[j, i] = rmp
    return matrix
