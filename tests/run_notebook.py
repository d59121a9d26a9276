"""Run a notebook from top to bottom, as Jupyter would: `python run_notebook.py NOTEBOOK`.

The cell that installs is left out. A cell's last expression is shown, and its figures are written
to the working directory and closed, one PNG each: what Jupyter shows inline.
"""

import ast
import json
import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt


def run(path):
    """Run all cells but the one that installs in one namespace; return how many figures came."""
    mpl.use("agg")
    space = {"__name__": "__main__"}
    figures = 0
    for number, cell in enumerate(json.loads(path.read_text())["cells"]):
        if cell["cell_type"] != "code" or "install" in cell["metadata"].get("tags", []):
            continue
        source, place = "".join(cell["source"]), f"{path.name}, cell {number}"
        tree = ast.parse(source)
        ends_in_value = tree.body and isinstance(tree.body[-1], ast.Expr)
        last = tree.body.pop() if ends_in_value and not source.endswith(";") else None
        exec(compile(tree, place, "exec"), space)
        if isinstance(last, ast.Expr):
            shown = eval(compile(ast.Expression(last.value), place, "eval"), space)
            if shown is not None:
                print(shown)
        for figure in plt.get_fignums():
            plt.figure(figure).savefig(f"figure-{figures}.png", dpi=100)
            figures += 1
        plt.close("all")
    return figures


if __name__ == "__main__":
    print(f"{run(Path(sys.argv[1]))} figures")
