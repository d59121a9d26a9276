"""`python -m sosjax.deploy FOLDER`: load an export again and print how far off and fast it is."""

import json
import sys
from pathlib import Path

from ._reload import reloaded

if __name__ == "__main__":
    print(json.dumps(reloaded(Path(sys.argv[1]))._asdict()))
