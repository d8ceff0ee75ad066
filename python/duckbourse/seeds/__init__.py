"""
The slips in the seeds, all of them at once, each with its file and line, before dbt starts.

What a seed may hold is stated in its properties file, and only there: types of columns and data
tests. Those of single rows, of names in other seeds or in the raw store, and the data tests that
read nothing but seeds are run here and name the line of the CSV. dbt runs all of them after
loading, and those that need a build it alone.
"""

from duckbourse.seeds.findings import Findings, check

__all__ = ["Findings", "check"]
