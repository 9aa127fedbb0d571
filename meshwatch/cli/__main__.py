"""python -m meshwatch.cli is meshwatch(1), for a tree that is not installed."""

import sys

from meshwatch.cli import main

sys.exit(main())
