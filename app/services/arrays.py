"""Ids as one parameter, however many: the driver takes 32,767 a statement, and IN one for each id."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import ARRAY, BindParameter, ColumnElement, Uuid, any_, literal
from sqlalchemy.orm import InstrumentedAttribute


def of(ids: Iterable[UUID]) -> BindParameter[list[UUID]]:
    return literal(list(ids), ARRAY(Uuid()))


def among(column: InstrumentedAttribute[UUID], ids: Iterable[UUID]) -> ColumnElement[bool]:
    return column == any_(of(ids))
