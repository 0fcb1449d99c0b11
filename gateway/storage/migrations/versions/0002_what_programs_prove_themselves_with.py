"""What programs prove themselves with: a second secret while one is replaced, public keys, API keys, revocations."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from gateway.storage.types import Instant

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """To the new schema."""
    op.add_column("clients", sa.Column("former_secret_digest", sa.LargeBinary(), nullable=True))
    op.add_column("clients", sa.Column("former_secret_until", Instant(), nullable=True))
    op.add_column("token_keys", sa.Column("retired_at", Instant(), nullable=True))
    op.create_table(
        "client_keys",
        sa.Column("client_id", sa.String(length=40), nullable=False),
        sa.Column("kid", sa.String(length=64), nullable=False),
        sa.Column("algorithm", sa.String(length=8), nullable=False),
        sa.Column("public_pem", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("revoked_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("client_keys_client_id_fkey")),
        sa.PrimaryKeyConstraint("client_id", "kid", name=op.f("client_keys_pkey")),
    )
    op.create_table(
        "client_assertions",
        sa.Column("client_id", sa.String(length=40), nullable=False),
        sa.Column("jti", sa.String(length=64), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("client_id", "jti", name=op.f("client_assertions_pkey")),
    )
    op.create_index("client_assertions_expires_at", "client_assertions", ["expires_at"])
    op.create_table(
        "revoked_tokens",
        sa.Column("token_id", sa.String(length=64), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("token_id", name=op.f("revoked_tokens_pkey")),
    )
    op.create_index("revoked_tokens_expires_at", "revoked_tokens", ["expires_at"])
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("environment", sa.String(length=4), nullable=False),
        sa.Column("org_id", sa.String(length=40), nullable=False),
        sa.Column("client_id", sa.String(length=40), nullable=False),
        sa.Column("gstin", sa.String(length=15), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("read_only", sa.Boolean(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("hint", sa.String(length=20), nullable=False),
        sa.Column("scopes", sa.String(length=200), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("revoked_at", Instant(), nullable=True),
        sa.Column("last_used_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["org_id"], ["organisations.id"], name=op.f("api_keys_org_id_fkey")),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("api_keys_client_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("api_keys_pkey")),
        sa.UniqueConstraint("digest", name=op.f("api_keys_digest_key")),
    )
    op.create_index("api_keys_org_id", "api_keys", ["org_id"])


def downgrade() -> None:
    """Back to the old one."""
    op.drop_table("api_keys")
    op.drop_table("revoked_tokens")
    op.drop_table("client_assertions")
    op.drop_table("client_keys")
    with op.batch_alter_table("token_keys") as batch:
        batch.drop_column("retired_at")
    with op.batch_alter_table("clients") as batch:
        batch.drop_column("former_secret_until")
        batch.drop_column("former_secret_digest")
