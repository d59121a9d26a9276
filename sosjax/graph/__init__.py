"""What can be removed from a network, and how it runs without it.

The names here are those that a rule for a primitive of one's own is written with; `sosjax.trace`
and all else is at the front door.
"""

from ._cut import Cut as Cut
from ._equation import Equation as Equation
from ._relations import Axes as Axes
from ._relations import Relations as Relations
from ._rules import RULES as RULES
from ._rules import Rule as Rule
from ._rules import register as register
