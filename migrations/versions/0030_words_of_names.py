"""File names are read word by word with their marks, and composed: whose words change by that, a worker words anew.

A mark (a vowel of Hindi, a dot of Hebrew, the diaeresis of a name that macOS decomposed) and a joiner parted words until now.
Looking through a million images takes some seconds, in which they are written as ever, and of most of them nothing changes.
"""

import sqlalchemy as sa
from alembic import op

from app.db.database import WORKER_ROLE

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

# What PostgreSQL's parser would keep together for what ASCII has between its letters: `cat.jpg` is a host's name to it.
FILE_WORDS = r"""
create or replace function file_words(filename text) returns text language sql immutable parallel safe
return regexp_replace(normalize(filename, nfc), '[\x01-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]+', ' ', 'g')
"""
IMAGE_WORDS = """
create or replace function image_words(
  the_team uuid, the_image uuid, title text, description text, filename text
) returns tsvector language plpgsql stable as $$
begin
  return setweight(readings({title}), 'A')
      || setweight(readings(coalesce(string_agg(tag.name, ', ' order by tag.id), '')), 'A')
      || setweight(readings(description), 'B')
      || setweight(readings({filename}), 'C')
  from image_tag t join tag on (tag.team_id, tag.id) = (t.team_id, t.tag_id)
  where (t.team_id, t.image_id) = (the_team, the_image);
end $$
"""
BEFORE = "regexp_replace(filename, '[^[:alnum:]]+', ' ', 'g')"
# A title may be the name of a file.
OTHERS = r"""
insert into unworded_image (image_id)
select id from image where state = 'STORED' and (
  (filename !~ '^[\x01-\x7f]*$' and file_words(filename) <> regexp_replace(filename, '[^[:alnum:]]+', ' ', 'g'))
  or (title !~ '^[\x01-\x7f]*$' and title is not nfc normalized)
)
"""


# It is released at once. Whoever writes after it finds the new functions.
WRITTEN = "do $$ begin lock table image in share mode; end $$"


def upgrade() -> None:
    """The functions first, then a wait for whoever still writes with the old ones: the look at all images would miss theirs."""
    with op.get_context().autocommit_block():
        op.execute(FILE_WORDS)
        op.execute(
            IMAGE_WORDS.format(title="normalize(title, nfc)", filename="file_words(filename)")
        )
        op.execute(WRITTEN)
    op.create_table(
        "unworded_image",
        sa.Column("image_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("image_id", name=op.f("pk_unworded_image")),
    )
    op.execute("alter table unworded_image enable row level security")
    op.execute(f"grant select, delete on unworded_image to {WORKER_ROLE}")
    op.execute(
        f"create policy {WORKER_ROLE}_all on unworded_image for all to {WORKER_ROLE}"
        " using (true) with check (true)"
    )
    op.execute(OTHERS)


def downgrade() -> None:
    """The words that are there stay, and each image gets its old ones with its next change."""
    op.drop_table("unworded_image")
    op.execute(IMAGE_WORDS.format(title="title", filename=BEFORE))
    op.execute("drop function file_words")
