"""Ingest of vendor files into canonical Parquet."""

from duckbourse.ingest.options import Options, read_mapping
from duckbourse.ingest.run import Outcome, Report, ingest
from duckbourse.ingest.schema import Kind
from duckbourse.ingest.store import RawStore

__all__ = ["Kind", "Options", "Outcome", "RawStore", "Report", "ingest", "read_mapping"]
