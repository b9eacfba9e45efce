"""Makes the tables and views with the oldest ClickHouse that is promised, and asks every view of pos and every query of the users, as far as that can be done in one process: make test-oldest."""

import pathlib
import re
import tempfile

from chdb import session

here = pathlib.Path(__file__).parent


def lines(path):
    return [line for line in path.read_text().split("\n") if line and not line.startswith("--")]


def statements(path):
    """What stands between semicolons at ends of lines."""
    return [s for s in re.split(r";\s*(?:\n|$)", "\n".join(lines(path))) if s]


server = session.Session(tempfile.mkdtemp())
version = str(server.query("SELECT version() FORMAT TSV")).strip()
assert version.startswith("25.8."), version
for database in ("tillstream", "pos"):
    server.query(f"CREATE DATABASE {database}")
for migration in sorted(here.glob("0*.sql")):
    for statement in statements(migration):
        server.query(statement)
# Rows that begin and end in the window of what is asked, so that no view is left with nothing to do.
server.query("""INSERT INTO tillstream.outages (lane, store_id, terminal_id, started_at, version, outage_id, resolved_at) VALUES
    ('', 's1', 't1', now64(3) - 7200, 1, 'o1', now64(3) - 3600), ('', 's1', 't2', now64(3) - 7190, 1, 'o2', now64(3) - 3600), ('', 's2', 't1', now64(3) - 60, 1, 'o3', NULL)""")
views = str(server.query("SELECT name FROM system.tables WHERE database = 'pos' ORDER BY name FORMAT TSV")).split()
asked = [f"SELECT * FROM pos.{view}" for view in views] + ["SELECT * FROM tillstream.outages_since(since = 0)"] + lines(here / "testdata" / "queries.sql")
failed = 0
for query in asked:
    try:
        server.query(query)
    except Exception as error:
        failed += 1
        print(f"{query}\n    {error}")
print(f"ClickHouse {version}: {len(views)} views, {len(asked)} questions, {failed} failed")
raise SystemExit(failed > 0 or len(views) < 60)
