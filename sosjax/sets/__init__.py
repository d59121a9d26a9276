"""What is kept: for every task a Pareto set of members, and the choice among them.

`SetOfSets.select` takes a preference: `Best`, `Knee`, `Weighted` or `At`; `SetOfSets.why` returns a
`Verdict` on every member, `SetOfSets.team` a `Team`.
"""

from ._miss import Miss as Miss
from ._preference import AbstractPreference as AbstractPreference
from ._preference import At as At
from ._preference import Best as Best
from ._preference import Knee as Knee
from ._preference import Weighted as Weighted
from ._selection import Verdict as Verdict
from ._team import Team as Team
