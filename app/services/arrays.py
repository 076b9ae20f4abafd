"""Ids as one parameter, however many: the driver takes 32,767 a statement, and IN one for each id."""

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

import sqlalchemy
from sqlalchemy import (
    ARRAY,
    BindParameter,
    ColumnElement,
    TableValuedAlias,
    Uuid,
    any_,
    func,
    literal,
)
from sqlalchemy.orm import InstrumentedAttribute

FEW: Final = 100
"""Of so many ids PostgreSQL knows the number, when it makes a plan for any: of an array it would take it for ten."""


def of(ids: Iterable[UUID]) -> BindParameter[list[UUID]]:
    return literal(list(ids), ARRAY(Uuid()))


def among(column: InstrumentedAttribute[UUID], ids: Iterable[UUID]) -> ColumnElement[bool]:
    return column == any_(of(ids))


def one_of(column: InstrumentedAttribute[UUID], ids: Iterable[UUID]) -> ColumnElement[bool]:
    """As IN where the ids are few, which serves indexes best."""
    ids = tuple(ids)
    return column.in_(ids) if len(ids) <= FEW else among(column, ids)


def unnested(name: str, **arrays: Iterable[UUID]) -> TableValuedAlias:
    """Arrays of ids side by side, as a table. Pairs in IN would be an OR of each: of ten thousand, PostgreSQL runs out of stack."""
    values: Any = map(of, arrays.values())
    return (
        func.unnest(*values)
        .table_valued(*(sqlalchemy.column(one, Uuid) for one in arrays))
        .render_derived(name)
    )
