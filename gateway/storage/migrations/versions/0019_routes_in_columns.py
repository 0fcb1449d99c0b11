"""A route's second address and its pause between logins get columns; they stood among its limits."""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision: str = "0019"
down_revision: str | None = "0018"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_routes: Final = sa.table(
    "routes",
    sa.column("name", sa.String),
    sa.column("limits", sa.JSON),
    sa.column("relogin_seconds_min", sa.Integer),
    sa.column("ewb_base_url", sa.String),
)
_MOVED: Final = {"relogin_seconds_min": 60, "ewb_base_url": ""}
"""By name, with what holds for a route that says nothing of it."""


def upgrade() -> None:
    """To the new schema."""
    op.add_column("routes", sa.Column("relogin_seconds_min", sa.Integer(), nullable=True))
    op.add_column("routes", sa.Column("ewb_base_url", sa.String(length=300), nullable=True))
    for name, limits in _all(_routes.c.limits):
        moved = {each: limits.pop(each, default) for each, default in _MOVED.items()}
        _change(name, limits=limits, **moved)
    with op.batch_alter_table("routes") as batch:
        batch.alter_column("relogin_seconds_min", existing_type=sa.Integer(), nullable=False)
        batch.alter_column("ewb_base_url", existing_type=sa.String(length=300), nullable=False)


def downgrade() -> None:
    """Back to the old one."""
    for name, limits, *moved in _all(_routes.c.limits, *(_routes.c[each] for each in _MOVED)):
        _change(name, limits=limits | dict(zip(_MOVED, moved, strict=True)))
    with op.batch_alter_table("routes") as batch:
        batch.drop_column("ewb_base_url")
        batch.drop_column("relogin_seconds_min")


def _all(*columns: sa.ColumnClause[object]) -> Sequence[Any]:
    return op.get_bind().execute(sa.select(_routes.c.name, *columns)).all()


def _change(name: object, **values: object) -> None:
    op.get_bind().execute(_routes.update().where(_routes.c.name == name).values(values))
