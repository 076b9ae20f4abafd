"""Tags of many images that were renamed: which of those a worker still has to word anew, and how far it got.

And triggers whose time grows with the images that a statement changes, not with their square.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

from app.db.database import ACTING_ROLE, WORKER_ROLE

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

OWN_TEAM = "coalesce(team_id = any((select nullif(current_setting('app.team_ids', true), '')::uuid[])::uuid[]), false)"
"""As in migration 0005."""
GRANTS = {ACTING_ROLE: "select, insert, update", WORKER_ROLE: "select, update, delete"}
CONDITION = {ACTING_ROLE: OWN_TEAM, WORKER_ROLE: "true"}

# As in migration 0002, but for tags of many images. Their rows come last: whoever holds one waits for nobody.
TAG_RENAMED = """
create or replace function tag_renamed() returns trigger language plpgsql as $$
declare
  renamed uuid[];
  large uuid[];
begin
  select array_agg(n.id) into renamed
  from gone o join came n on n.id = o.id where n.name <> o.name;
  if renamed is null then return null; end if;
  perform from tag where id = any(renamed) order by id for update;
  large := array(
    select tag.id from tag where tag.id = any(renamed) and 2000 < (
      select count(*) from (
        select from image_tag t where (t.team_id, t.tag_id) = (tag.team_id, tag.id) limit 2001
      ) part
    )
  );
  perform refresh_words(lock_stored(array(
    select distinct t.image_id
    from tag join image_tag t on (t.team_id, t.tag_id) = (tag.team_id, tag.id)
    where tag.id = any(renamed) and tag.id <> all(large)
  )));
  insert into tag_rename (team_id, tag_id)
  select team_id, id from tag where id = any(large) order by id
  on conflict (team_id, tag_id) do update
  set run_id = excluded.run_id, last_created_at = null, last_image_id = null;
  return null;
end $$
"""
# As in migration 0002, but in time that grows with the images and not with their square. What has no variables is
# planned once a connection, mostly for one image: a join of before and after then compared each with each.
IMAGE_UPDATED = """
create or replace function image_updated() returns trigger language plpgsql as $$
begin
  perform draw_apply(array_agg(row(
    c.team_id, list.tag_id, c.id, c.old_weight, c.new_weight, c.old_live, c.new_live
  )::draw_change))
  from (
    select team_id, id,
           max(draw_weight) filter (where not is_new) as old_weight,
           max(draw_weight) filter (where is_new) as new_weight,
           bool_or(live) filter (where not is_new) as old_live,
           bool_or(live) filter (where is_new) as new_live
    from (
      select team_id, id, draw_weight, live, false as is_new from gone
      union all
      select team_id, id, draw_weight, live, true from came
    ) both_of_them
    group by team_id, id
  ) c
  cross join image_lists(c.team_id, c.id) as list (tag_id)
  where (c.old_weight, c.old_live) <> (c.new_weight, c.new_live);
  return null;
end $$
"""
JOINED = """  from unnest(stored) as s (id)
  join image i on i.id = s.id and i.live
  join unnest(changes) c on c.image_id = s.id;
"""
LOOKED_UP = """  from unnest(changes) c
  join image i on i.id = c.image_id and i.live
  where exists (select from team where team.id = i.team_id);
"""
"""The same images: live ones are stored, and lock_stored leaves out those of a team whose row is gone."""


def before(file: str, name: str) -> str:
    """The function as migration 0002 made it."""
    for paragraph in Path(__file__).with_name(file).read_text().split("\n\n"):
        head = f"create function {name}("
        if head in paragraph:
            return paragraph[paragraph.index(head) :].replace("create", "create or replace", 1)
    raise LookupError(name)


def upgrade() -> None:
    op.create_table(
        "tag_rename",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("tag_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), server_default=sa.text("new_id()"), nullable=False),
        sa.Column("last_created_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_image_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["team_id", "tag_id"],
            ["tag.team_id", "tag.id"],
            name=op.f("fk_tag_rename_team_id_tag_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("team_id", "tag_id", name=op.f("pk_tag_rename")),
    )
    op.execute("alter table tag_rename enable row level security")
    for role, what in GRANTS.items():
        op.execute(f"grant {what} on tag_rename to {role}")
        op.execute(
            f"create policy {role}_all on tag_rename for all to {role}"
            f" using ({CONDITION[role]}) with check ({CONDITION[role]})"
        )
    op.execute(f"grant update (words) on image to {WORKER_ROLE}")
    op.execute(TAG_RENAMED)
    op.execute(IMAGE_UPDATED)
    op.execute(before("0002_tagging.sql", "image_tag_changed").replace(JOINED, LOOKED_UP))


def downgrade() -> None:
    """What a worker had still to do is done at once."""
    for name in ("tag_renamed", "image_tag_changed"):
        op.execute(before("0002_tagging.sql", name))
    op.execute(before("0002_draw.sql", "image_updated"))
    op.execute(
        "select refresh_words(lock_stored(array(select distinct t.image_id from tag_rename r"
        " join image_tag t on (t.team_id, t.tag_id) = (r.team_id, r.tag_id))))"
    )
    op.execute(f"revoke update (words) on image from {WORKER_ROLE}")
    op.drop_table("tag_rename")
