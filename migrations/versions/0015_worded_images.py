"""Full text behind the second wall, by its index: the ids of the actor's own images, found with the owner's rights."""

from alembic import op

from app.db.database import ACTING_ROLE

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

SIGNATURE = "worded_images(text, uuid[], int)"
# `@@` is not leakproof: behind a policy it is tried on each row of the team. Here it is the index's. The teams are
# those of the transaction, whatever is asked for; without any it answers null, as for more images than `most`, and
# whoever asks compares the words row by row. Planned anew each time, for the word decides how.
WORDED_IMAGES = """
create function worded_images(its_words text, its_teams uuid[], most int) returns uuid[]
language plpgsql stable security definer
set search_path = {schema}, pg_temp set plan_cache_mode = force_custom_plan as $$
declare
  own uuid[] := nullif(current_setting('app.team_ids', true), '')::uuid[];
  query tsquery := websearch_to_tsquery('pg_catalog.simple', its_words)
    || websearch_to_tsquery('pg_catalog.english', its_words);
  ids uuid[];
begin
  if own is null then return null; end if;
  own := array(select unnest(own) intersect select unnest(its_teams));
  ids := array(
    select id from image
    where team_id = any(own) and state = 'STORED' and words @@ query limit most + 1
  );
  return case when cardinality(ids) <= most then ids end;
end $$
"""


def upgrade() -> None:
    schema = op.get_bind().exec_driver_sql("select quote_ident(current_schema())").scalar_one()
    op.execute(WORDED_IMAGES.format(schema=schema))
    op.execute(f"revoke execute on function {SIGNATURE} from public")
    op.execute(f"grant execute on function {SIGNATURE} to {ACTING_ROLE}")


def downgrade() -> None:
    op.execute(f"drop function {SIGNATURE}")
