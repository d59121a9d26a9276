"""`python -m sosjax.deploy FOLDER`: load an export again and print how far its outputs are off."""

import json
import sys
from pathlib import Path

from ._export import differences

if __name__ == "__main__":
    print(json.dumps(differences(Path(sys.argv[1]))))
