"""
A drill: everything is lost, and comes back from a backup.

The warehouse is the shipped one, with the shipped deliveries in the raw store of this test. What is
restored can be read at once, and a build makes of it what was published before: bars in every run,
every table with --long (three minutes of CPU time).
"""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from duckbourse.publish import publish
from duckbourse.settings import PROJECT
from duckbourse.state import State, fingerprint
from tests.support.commands import bourse
from tests.support.warehouse import Warehouse, empty_store, stored_in

BARS = ("-s", "+bars__ohlcv", "+bars__rejected")
IN_BARS = {"bars.ohlcv", "bars.rejected", "bars.sessions"}


def publish_green(built: Path, target: Path) -> dict[str, tuple[int, int]]:
    """Publish a build whose tests did not run; return what its tables hold, without its record."""
    with duckdb.connect(str(built), read_only=True) as connection:
        ((run,),) = connection.execute("select invocation_id from serving.publication").fetchall()
    publish(built, target, State(run, "", (), *fingerprint(built)))
    found = stored_in(target)
    # it states the revision of the project, which is another if somebody has committed since
    del found["serving.publication"]
    return found


@pytest.mark.some_day
@pytest.mark.parametrize(
    "selected", [BARS, pytest.param((), marks=pytest.mark.long)], ids=["bars", "everything"]
)
def test_after_a_total_loss_a_backup_gives_the_same_publication(
    selected: tuple[str, ...], sample: Warehouse, tmp_path: Path
) -> None:
    data = empty_store(tmp_path / "data")
    shutil.copytree(PROJECT / "data" / "sample", data / "raw", dirs_exist_ok=True)
    published = data / "duckbourse.duckdb"
    before = publish_green(sample.file, published)
    traded = bourse(data, "trade", "--scanner", "crp.standard", BOURSE_SAMPLE="false")
    assert traded.returncode == 0, traded.stderr
    orders = bourse(data, "orders", "--json").stdout
    bytes_before = published.read_bytes()
    backups = tmp_path / "backups"
    done = bourse(data, "backup", str(backups), BOURSE_SAMPLE="false")
    assert done.returncode == 0, done.stderr

    shutil.rmtree(data)
    new = tmp_path / "new"
    done = bourse(data, "restore", str(backups), "--into", str(new), BOURSE_SAMPLE="false")
    assert done.returncode == 0, done.stderr

    # without a build
    again = new / "duckbourse.duckdb"
    assert again.read_bytes() == bytes_before
    assert bourse(new, "orders", "--json").stdout == orders
    # and with one, of what was delivered
    again.unlink()
    warehouse = Warehouse(new, tmp_path / "target", sample=False)
    warehouse.build(*selected)
    if selected:
        after = warehouse.stored()
        assert {name: after[name] for name in IN_BARS} == {name: before[name] for name in IN_BARS}
        return
    with duckdb.connect(str(warehouse.file)) as connection:
        connection.execute("checkpoint")  # the process of dbt ends without one
    assert publish_green(warehouse.file, again) == before
