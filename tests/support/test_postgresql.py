from urllib.parse import urlsplit

import psycopg
import pytest

from tests.support import postgresql


def test_server_is_a_version_that_django_supports(postgresql_url: str) -> None:
    with psycopg.connect(postgresql_url) as connection:
        version = connection.execute("select version()").fetchone()
        assert version is not None
        assert version[0].startswith("PostgreSQL")
        assert connection.info.server_version >= postgresql.OLDEST_MAJOR * 10_000


def test_server_listens_on_the_loopback_only(postgresql_url: str) -> None:
    assert urlsplit(postgresql_url).hostname == "127.0.0.1"
    with psycopg.connect(postgresql_url) as connection:
        row = connection.execute("show listen_addresses").fetchone()
    assert row == ("127.0.0.1",)


def test_two_sessions_lock_different_rows(postgresql_url: str) -> None:
    with psycopg.connect(postgresql_url) as one, psycopg.connect(postgresql_url) as other:
        one.execute("create table jobs (id int)")
        one.execute("insert into jobs values (1), (2)")
        one.commit()
        lock = "select id from jobs order by id limit 1 for update skip locked"
        assert one.execute(lock).fetchone() == (1,)
        assert other.execute(lock).fetchone() == (2,)
        one.rollback()
        other.rollback()
        one.execute("drop table jobs")


def test_server_stops_when_the_block_ends(postgresql_url: str) -> None:
    binaries = postgresql.find_binaries()
    assert binaries is not None
    with postgresql.server(binaries) as url:
        psycopg.connect(url).close()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url, connect_timeout=2)


def test_missing_server_fails_in_ci_and_skips_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "find_binaries", lambda: None)
    fixture = postgresql.postgresql_url.__wrapped__  # type: ignore[attr-defined]
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="not installed"):
        next(fixture())
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="not installed"):
        next(fixture())
