"""Pure mathematics on costs [P, K], all minimised: fronts, crowding and indicators of quality.

Everything runs in `jit` and `vmap`. Rows that are not finite are failed or padding: behind every
front, and nothing to any indicator.
"""

from ._crowding import crowding_distance as crowding_distance
from ._distance import epsilon as epsilon
from ._distance import igd as igd
from ._distance import igd_plus as igd_plus
from ._distance import legacy_igd as legacy_igd
from ._dominance import dominates as dominates
from ._dominance import fronts as fronts
from ._dominance import nondominated as nondominated
from ._hypervolume import hypervolume as hypervolume
from ._indicators import log_hypervolume as log_hypervolume
from ._score import mean_standard_score as mean_standard_score
from ._spread import spread as spread
from ._thinning import thin as thin
from ._truncation import truncate as truncate
