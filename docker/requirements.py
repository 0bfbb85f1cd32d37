"""Print what pyproject.toml asks for, with some extras: `requirements.py train coordinator`.

So that an image installs packages before fedbed itself, whose code changes more often than they.
"""

import re
import sys
from pathlib import Path

import tomllib

project = tomllib.loads((Path(__file__).parent / "pyproject.toml").read_text())["project"]
wanted = list(project["dependencies"])
for extra in sys.argv[1:]:
    wanted += project["optional-dependencies"][extra]
print("\n".join(line for line in wanted if not re.match(r"fedbed\b", line)))
