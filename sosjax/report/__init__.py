"""Show a finished run: tables, a page for the browser and figures, from files alone."""

from ._fidelity import fidelity_report as fidelity_report
from ._fidelity import fidelity_table as fidelity_table
from ._figures import figures as figures
from ._folder import read_folder as read_folder
from ._page import report as report
from ._page import write_page as write_page
from ._summary import summary as summary
from ._table import table as table
from ._table import table_of as table_of
