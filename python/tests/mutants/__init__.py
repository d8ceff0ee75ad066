"""Faults planted on purpose, to see whether the tests see them: `./bourse test --mutants`."""
