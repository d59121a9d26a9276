"""Problems whose true fronts are known, to measure strategies with."""

from ._cec17 import CEC17 as CEC17
from ._cec17 import cec17 as cec17
from ._problem import MultitaskProblem as MultitaskProblem
from ._related import LANDSCAPES as LANDSCAPES
from ._related import related_tasks as related_tasks
