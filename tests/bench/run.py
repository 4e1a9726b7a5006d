"""`make bench`: see README.md."""

import runpy
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
runpy.run_module("tests.bench.main", run_name="__main__")
