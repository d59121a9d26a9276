"""Show a finished run: a table for the terminal and a page for the browser, from files alone."""

from ._fidelity import fidelity_report as fidelity_report
from ._fidelity import fidelity_table as fidelity_table
from ._page import report as report
from ._table import table as table
