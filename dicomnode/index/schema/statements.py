"""The texts of statements, made once from peewee's queries and run many times."""

from __future__ import annotations

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
