"""The second wall: who PostgreSQL itself lets at which rows, whatever the application asks for.

Four roles that log in nowhere and own nothing. A transaction takes one of them first, and says for whose
teams: `Database.acting`, `.worker`, `.login`, `.audit`. A table that these roles are to use needs a line in GRANTS, and
one with a `team_id` a policy. Docs: decisions/0003.
"""

from alembic import op

from app.domain import NO_ID

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

APP, WORKER, LOGIN, AUDIT = ROLES = "pictor_app", "pictor_worker", "pictor_login", "pictor_audit"

ROLE = """
do $$ begin
  if not exists (select from pg_roles where rolname = '{role}') then create role {role} nologin; end if;
exception when duplicate_object or unique_violation then null;
end $$
"""
# Roles belong to the whole server: where its administrator has made and granted them, that is enough.
MEMBER = """
do $$ begin
  grant {role} to current_user;
exception when insufficient_privilege then null;
end $$
"""
DROP_ROLE = """
do $$ begin
  drop role if exists {role};
exception when dependent_objects_still_exist or insufficient_privilege then null;
end $$
"""
"""The roles stay while another database of the server has tables for them."""

# Read once a statement, thanks to the sub-select. Unset, or set back to '' by an earlier transaction: no team.
TEAMS = "(select nullif(current_setting('app.team_ids', true), '')::uuid[])::uuid[]"
USER = "(select nullif(current_setting('app.user_id', true), '')::uuid)"
OPERATOR = "(select current_setting('app.operator', true) = 'on')"
# The coalesce keeps the planner from taking this for the condition that narrows most: it knows nothing of the
# setting and, with thousands of teams, would believe that hardly a row is left. Queries name their team themselves.
OWN_TEAM = f"coalesce(team_id = any({TEAMS}), false)"
ONESELF = f"id = {USER} or {OPERATOR}"
# Whoever shares a team, or ever had a key of it: an ADMIN sees whose a revoked key was.
FELLOW = " or ".join(
    f"exists (select from {table} t where t.user_id = app_user.id and t.team_id = any({TEAMS}))"
    for table in ("membership", "api_key")
)

PICTURES = (
    "image",
    "tag",
    "image_tag",
    "collection",
    "collection_image",
    "draw_head",
    "draw_line",
    "image_vector",
)
"""What belongs to a team and is nobody else's business, the operator's neither."""
ADMINISTERED = ("membership", "api_key", "image_job")
"""What an operator deals with in any team. Jobs name no picture's content, and a team that ends has to be purged."""
SECRETS = ("session", "password_token")
ALL = "select, insert, update, delete"

GRANTS: dict[str, dict[str, str]] = {
    APP: {
        **dict.fromkeys(PICTURES, ALL),
        # Vectors are the worker's; a change of tags refreshes those beside them.
        "image_vector": "select, update (tag_ids), delete",
        "team": "select, update",
        **dict.fromkeys(ADMINISTERED, ALL),
        "app_user": "select, update (name, email, password_hash), delete",
        "session": ALL,
        "embedding_model": "select",
        "audit_event": "select, insert",
        "audit_head": "select, insert, update",
        "audit_anchor": "select",
    },
    WORKER: {
        "team": "select, delete",
        "image": "select, update (processing, thumbnails, state, deleted_at), delete",
        "tag": "select",
        "image_tag": "select",
        "draw_head": ALL,
        "draw_line": ALL,
        "image_vector": ALL,
        "image_job": ALL,
        "embedding_model": "select, insert, update",
    },
    LOGIN: {
        "team": "select",
        "membership": "select, insert",
        "api_key": "select, update (last_used_at)",
        "app_user": "select, insert (email, name, password_hash), update (password_hash)",
        "session": ALL,
        "password_token": ALL,
        "login_attempt": ALL,
    },
    # It appends what was read or refused in any team, and looks up whose the things are that somebody named.
    AUDIT: {
        "audit_event": "insert",
        "audit_head": "select, insert, update",
        "team": "select (id)",
        **dict.fromkeys(
            ("image", "tag", "collection", "membership", "api_key"), "select (id, team_id)"
        ),
    },
}

# Table, role, command, and the condition on rows before and after; a second one is for those before alone.
POLICIES = [
    *((table, APP, "all", OWN_TEAM) for table in PICTURES),
    *((table, APP, "all", f"{OWN_TEAM} or {OPERATOR}") for table in ADMINISTERED),
    ("team", APP, "all", f"id = any({TEAMS}) or {OPERATOR}"),
    ("app_user", APP, "select", f"{ONESELF} or {FELLOW}"),
    # Whoever is seen may be locked, so that who tries to change them is refused and not told of nobody.
    ("app_user", APP, "update", ONESELF, f"{ONESELF} or {FELLOW}"),
    ("app_user", APP, "delete", ONESELF),
    ("session", APP, "all", f"user_id = {USER} or {OPERATOR}"),
    # The installation's own events belong to no team: anybody causes them, operators read them.
    ("audit_event", APP, "select", f"{OWN_TEAM} or (team_id is null and {OPERATOR})"),
    ("audit_event", APP, "insert", f"{OWN_TEAM} or team_id is null or {OPERATOR}"),
    *((table, WORKER, "all", "true") for table in GRANTS[WORKER] if table != "embedding_model"),
    *((table, LOGIN, "all", "true") for table in ("team", "api_key", "app_user", *SECRETS)),
    *((table, AUDIT, "select", "true") for table in GRANTS[AUDIT] if "audit" not in table),
    ("audit_anchor", APP, "select", OWN_TEAM),
    ("audit_event", AUDIT, "insert", "true"),
    ("audit_head", AUDIT, "all", "true"),
    # A change in a team appends to its chain, and the first of all also to the installation's.
    ("audit_head", APP, "all", f"{OWN_TEAM} or team_id = '{NO_ID}' or {OPERATOR}"),
    ("membership", LOGIN, "select", "true"),
    # A login writes members of the team alone that it has just founded.
    ("membership", LOGIN, "insert", OWN_TEAM),
]
TABLES = sorted({table for table, *_ in POLICIES})

# With their owner's rights, because they reach beyond what the caller may see. Each checks or makes sure that
# nothing of another team comes of it, and finds its tables by a fixed path.
FOUND_TEAM = """
create function found_team(its_name text, its_slug text, its_policy text) returns team
language plpgsql security definer set search_path = {schema}, pg_temp as $$
declare
  founded team;
begin
  insert into team (name, slug, tag_policy) values (its_name, its_slug, its_policy) returning * into founded;
  -- Nobody had anything in it before: the transaction may go on with the team that it made.
  perform set_config('app.team_ids', (
    coalesce(nullif(current_setting('app.team_ids', true), '')::uuid[], '{{}}') || founded.id
  )::text, true);
  return founded;
end $$
"""
ADD_USER = """
create function add_user(its_email text, its_name text, its_token_hash bytea, its_token_expires_at timestamptz)
returns table (id uuid, email text, name text, is_operator boolean, created_at timestamptz, made boolean)
language plpgsql security definer set search_path = {schema}, pg_temp as $$
#variable_conflict use_column
declare
  its_id uuid;
begin
  insert into app_user (email, name) values (its_email, its_name)
  on conflict do nothing returning app_user.id into its_id;
  if its_id is not null then
    insert into password_token (user_id, token_hash, expires_at)
    values (its_id, its_token_hash, its_token_expires_at);
  end if;
  return query
    select u.id, u.email::text, u.name::text, u.is_operator, u.created_at, its_id is not null
    from app_user u where u.email = its_email;
end $$
"""
DEFINED = {
    "found_team(text, text, text)": FOUND_TEAM,
    "add_user(text, text, bytea, timestamptz)": ADD_USER,
}


def upgrade() -> None:
    schema = op.get_bind().exec_driver_sql("select quote_ident(current_schema())").scalar_one()
    for role in ROLES:
        op.execute(ROLE.format(role=role))
        op.execute(MEMBER.format(role=role))
        op.execute(f"grant usage on schema {schema} to {role}")
        for table, what in GRANTS[role].items():
            op.execute(f"grant {what} on {table} to {role}")
    op.execute(f"grant usage on sequence embedding_model_id_seq to {WORKER}")
    # Servers look here whether they fit the database, and may do so as a user who owns nothing.
    op.execute("grant select on alembic_version to public")
    for signature, definition in DEFINED.items():
        op.execute(definition.format(schema=schema))
        op.execute(f"revoke execute on function {signature} from public")
        op.execute(f"grant execute on function {signature} to {APP}, {LOGIN}")
    for table in (*TABLES, *_partitions()):
        op.execute(f"alter table {table} enable row level security")
    for table, role, command, *conditions in POLICIES:
        clauses = _clauses(command, *conditions)
        op.execute(f"create policy {role}_{command} on {table} for {command} to {role} {clauses}")


def _clauses(command: str, written: str, seen: str | None = None) -> str:
    using = "" if command == "insert" else f"using ({seen or written})"
    check = f"with check ({written})" if command in ("all", "insert", "update") else ""
    return f"{using} {check}"


def _partitions() -> list[str]:
    """The roles have no right to them: they are reached through their parents, whose policies then hold."""
    return list(
        op.get_bind()
        .exec_driver_sql(
            "select inhrelid::regclass::text from pg_inherits"
            " where inhparent in ('image_vector'::regclass, 'audit_event'::regclass)"
        )
        .scalars()
    )


def downgrade() -> None:
    schema = op.get_bind().exec_driver_sql("select quote_ident(current_schema())").scalar_one()
    for table, role, command, *_ in POLICIES:
        op.execute(f"drop policy {role}_{command} on {table}")
    for table in (*TABLES, *_partitions()):
        op.execute(f"alter table {table} disable row level security")
    for signature in DEFINED:
        op.execute(f"drop function {signature}")
    op.execute("revoke select on alembic_version from public")
    for kind in ("tables", "sequences"):
        op.execute(f"revoke all on all {kind} in schema {schema} from {', '.join(ROLES)}")
    op.execute(f"revoke usage on schema {schema} from {', '.join(ROLES)}")
    for role in ROLES:
        op.execute(DROP_ROLE.format(role=role))
