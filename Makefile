# What one does with this repository. Everything lands in .venv and build; nothing else is touched.

PYTHON = .venv/bin/python

.PHONY: run vm build test test-all bench clean

# The table, live: of this machine's mesh interface, or of a recording where there is none.
run:
	@tools/install run
	@exec $(PYTHON) -m tools.run

# The same on a booted kernel with four radios that meet and part.
vm:
	@tools/install run
	@exec tools/vm/vm shell --radios 4 -- tools/live $(RUN_SECONDS)

build:
	@tools/install run

test:
	@tools/install test
	@exec $(PYTHON) -m tools.tiers test

test-all:
	@tools/install test
	@exec $(PYTHON) -m tools.tiers test rest

# Figures, not verdicts: nothing here fails because a machine is slow.
bench:
	@tools/install test
	@for file in tools/bench/*.py; do \
	    echo "── $$file"; \
	    $(PYTHON) -m tools.bench.$$(basename $$file .py) || exit; \
	done

clean:
	rm -rf build out .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find meshwatch tools tests -name __pycache__ -prune -exec rm -r {} +
	rm -f meshwatch/_csrc*.so
