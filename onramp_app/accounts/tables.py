"""The tables of accounts and sessions. Rows never leave the contexts; views do.

Everything that can be wrong in a column is refused by the database too, so that a mistake in a
service cannot store it. Changing this file needs a migration; a test compares the two.
"""

from datetime import datetime

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    Text,
    text,
)
from sqlmodel import Field

from onramp_app.accounts.words import EndReason, KycStatus, KycTier, LinkPurpose, Role, SessionKind
from onramp_app.db.columns import Row, length, moment, one_of
from onramp_app.domain.ids import new_id
from onramp_app.mail.words import NOWHERE, Choice

HAS_ROLE = "role <> 'user'"
CLOSED_PREFIX, UNCLAIMED_PREFIX = "closed-", "unclaimed-"
_CHOICES = ", ".join(f"'{choice}'" for choice in Choice)


class User(Row, table=True):
    """One account. `email` is ASCII in lower case, so that its uniqueness ignores case and Unicode forms.

    `frozen_at` is when an operator froze it: what arrives is held, and no top-up is begun. `muted_mails` are
    the words of `mail.words.Choice` that the person does not want. `closed_at` is when its owner closed it:
    the row stays for the books, and names nobody any more. One that a program opened has an address that
    leads nowhere until its owner claims it.
    """

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("email = lower(email)", name="email_lower_case"),
        CheckConstraint("octet_length(email) = char_length(email)", name="email_ascii"),
        length("email", 3, 254),
        length("display_name", 1, 80),
        CheckConstraint("country ~ '^[A-Z]{2}$'", name="country"),
        CheckConstraint("display_currency ~ '^[A-Z]{3}$'", name="display_currency"),
        length("language", 2, 12),
        length("password_hash", 1, 255),
        one_of("role", Role),
        one_of("kyc_status", KycStatus),
        one_of("kyc_tier", KycTier),
        CheckConstraint(f"muted_mails <@ ARRAY[{_CHOICES}]::text[]", name="muted_mails"),
        CheckConstraint(
            f"closed_at IS NULL OR (email = '{CLOSED_PREFIX}' || id || '{NOWHERE}' AND country IS NULL"
            " AND role = 'user')",
            name="closed_names_nobody",
        ),
        # Operators are few among all people.
        Index("ix_users_role", "role", postgresql_where=text(HAS_ROLE)),
    )

    id: str = Field(default_factory=new_id, sa_column=Column(Text, primary_key=True))
    email: str = Field(sa_column=Column(Text, nullable=False, unique=True))
    email_confirmed_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    password_hash: str = Field(repr=False, sa_column=Column(Text, nullable=False))
    display_name: str = Field(sa_column=Column(Text, nullable=False))
    country: str | None = Field(sa_column=Column(Text, nullable=True))
    display_currency: str = Field(sa_column=Column(Text, nullable=False))
    language: str = Field(sa_column=Column(Text, nullable=False))
    role: str = Field(default=Role.USER.value, sa_column=Column(Text, nullable=False))
    kyc_status: str = Field(default=KycStatus.NONE.value, sa_column=Column(Text, nullable=False))
    kyc_tier: str = Field(default=KycTier.NONE.value, sa_column=Column(Text, nullable=False))
    frozen_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    closed_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    muted_mails: list[str] = Field(
        default_factory=list, sa_column=Column(ARRAY(Text), nullable=False, server_default="{}")
    )
    created_at: datetime = Field(sa_column=moment())
    updated_at: datetime = Field(sa_column=moment())


class AccountLink(Row, table=True):
    """One mailed link to an account, known by the hash of its secret.

    `email` is the address that it was mailed to or, of `change_email`, the address to change to, which is the
    same. Of an undo it is the address before the change, kept for its owner as long as the link works. A link
    ends when it is used, or when something else makes it wrong.
    """

    __tablename__ = "account_links"
    __table_args__ = (
        CheckConstraint("octet_length(secret_hash) = 32", name="secret_hash_length"),
        one_of("purpose", LinkPurpose),
        length("email", 3, 254),
        CheckConstraint("email = lower(email)", name="email_lower_case"),
        CheckConstraint("expires_at > created_at", name="expires_later"),
        Index(None, "user_id", "purpose"),
        Index("ix_account_links_kept_email", "email", postgresql_where=text("purpose = 'undo_email'")),
        Index(None, "expires_at"),
    )

    secret_hash: bytes = Field(repr=False, sa_column=Column(LargeBinary, primary_key=True))
    user_id: str = Field(sa_column=Column(Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False))
    purpose: str = Field(sa_column=Column(Text, nullable=False))
    email: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=moment())
    expires_at: datetime = Field(sa_column=moment())
    ended_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class AuthSession(Row, table=True):
    """One place where an account is signed in. Only this row proves a sign-in, so each call reads it.

    `expires_at` is the absolute end of a browser session; a program's moves on with each refresh. `proved_at`
    is when the person last proved who they are, with everything that the account asks for.
    """

    __tablename__ = "auth_sessions"
    __table_args__ = (
        one_of("kind", SessionKind),
        one_of("end_reason", EndReason),
        CheckConstraint("(revoked_at IS NULL) = (end_reason IS NULL)", name="end_is_whole"),
        CheckConstraint("expires_at > created_at", name="expires_later"),
        length("device", 0, 200),
        length("address", 0, 45),
        Index(None, "user_id", "id"),
        Index(None, "user_id", "revoked_at"),
        Index(None, "expires_at"),
        Index(None, "revoked_at", postgresql_where=text("revoked_at IS NOT NULL")),
    )

    id: str = Field(default_factory=new_id, sa_column=Column(Text, primary_key=True))
    user_id: str = Field(sa_column=Column(Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    device: str = Field(sa_column=Column(Text, nullable=False))
    address: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=moment())
    last_seen_at: datetime = Field(sa_column=moment())
    # The default is for the release before, which does not know the column.
    proved_at: datetime = Field(
        sa_column=Column(DateTime(timezone=True), nullable=False, server_default=text("now()"))
    )
    expires_at: datetime = Field(sa_column=moment())
    revoked_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    end_reason: str | None = Field(default=None, sa_column=Column(Text, nullable=True))


class RefreshToken(Row, table=True):
    """One refresh token of a program's session, known by its hash only.

    Spent rows stay, because a spent token that comes back is how a theft is noticed
    (RFC 9700 section 4.14.2). `successor_salt` and the token together make the next token.
    """

    __tablename__ = "refresh_tokens"
    __table_args__ = (
        CheckConstraint("octet_length(token_hash) = 32", name="token_hash_length"),
        CheckConstraint("octet_length(successor_salt) = 32", name="successor_salt_length"),
        CheckConstraint("(used_at IS NULL) = (successor_salt IS NULL)", name="use_is_whole"),
        Index(None, "session_id"),
        Index(None, "used_at", postgresql_where=text("used_at IS NOT NULL")),
    )

    token_hash: bytes = Field(repr=False, sa_column=Column(LargeBinary, primary_key=True))
    session_id: str = Field(
        sa_column=Column(Text, ForeignKey("auth_sessions.id", ondelete="CASCADE"), nullable=False)
    )
    created_at: datetime = Field(sa_column=moment())
    used_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    successor_salt: bytes | None = Field(
        default=None, repr=False, sa_column=Column(LargeBinary, nullable=True)
    )
