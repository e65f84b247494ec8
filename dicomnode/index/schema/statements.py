"""The texts of statements, made once from peewee's queries and run many times.

A value is bound by its name, for whoever reads the statement. Where a statement runs for every instance, it is bound by its place:
for each name sqlite3 asks SQLite, and lets another thread go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from peewee import SQL, Context, Model, Node


def bound(name: str) -> SQL:
    """A place in a query for the value that is bound under ``name`` when it runs."""
    return SQL(f":{name}")


def compiled(query: Node) -> str:
    """The text of ``query``, to be made once and run many times; what varies is `bound`."""
    text, values = Context().sql(query).query()  # type: ignore[no-untyped-call]  # peewee's stubs miss it
    assert not values, f"every run would bind {values}"
    return str(text)


def insert_into(table: type[Model]) -> str:
    """The text that adds a row, each column bound under its name."""
    fields = [field for field in table._meta.sorted_fields if not field.primary_key]
    return compiled(table.insert({field: bound(field.column_name) for field in fields}))


def insert_places(table: type[Model], columns: Sequence[str], spelled_out: Mapping[str, str]) -> str:
    """The text that adds a row: the values of ``columns`` bound in their order, others spelled out, what is left NULL."""
    names = ", ".join(f'"{column}"' for column in (*columns, *spelled_out))
    values = ", ".join((*("?" for _ in columns), *spelled_out.values()))
    return f'INSERT INTO "{table._meta.table_name}" ({names}) VALUES ({values})'  # noqa: S608 - names of our own
