"""One rule for each primitive family, in one registry that users may add to."""

from . import _contraction as _contraction
from . import _control as _control
from . import _elementwise as _elementwise
from . import _generated as _generated
from . import _indexing as _indexing
from . import _layout as _layout
from . import _reduction as _reduction
from ._rule import RULES as RULES
from ._rule import Rule as Rule
from ._rule import register as register
