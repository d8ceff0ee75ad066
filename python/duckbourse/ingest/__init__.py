"""
Ingest of vendor files into canonical Parquet.

`run` takes each file through all of it: `files` finds it, `tables` makes a table of any format,
`rows` types every row and loses none, `inference` finds out what nobody states, `bars` makes bars
in exchange-local time, and `store` commits them as a delivery.
"""

from duckbourse.ingest.options import Options, read_mapping
from duckbourse.ingest.run import Outcome, Report, ingest
from duckbourse.ingest.schema import Kind
from duckbourse.ingest.store import RawStore

__all__ = ["Kind", "Options", "Outcome", "RawStore", "Report", "ingest", "read_mapping"]
