-- What tags do to images: lines, words for full text, and the tag ids beside the vectors.
-- One statement a paragraph: no blank line inside a function.

-- The words as written and as English has them: "Cats" is found as cats, as cat, and by a phrase of either.
create function readings(content text) returns tsvector language sql immutable parallel safe
return to_tsvector('pg_catalog.simple'::regconfig, content)
    || to_tsvector('pg_catalog.english'::regconfig, content);

-- Everything that full text finds an image by. Title and tags weigh most, the file's name least.
create function image_words(
  the_team uuid, the_image uuid, title text, description text, filename text
) returns tsvector language plpgsql stable as $$
begin
  return setweight(readings(title), 'A')
      || setweight(readings(coalesce(string_agg(tag.name, ', ' order by tag.id), '')), 'A')
      || setweight(readings(description), 'B')
      || setweight(readings(regexp_replace(filename, '[^[:alnum:]]+', ' ', 'g')), 'C')
  from image_tag t join tag on (tag.team_id, tag.id) = (t.team_id, t.tag_id)
  where (t.team_id, t.image_id) = (the_team, the_image);
end $$;

-- Only stored images have words. A pending one gets them in the update that stores it: no row version more.
create function image_worded() returns trigger language plpgsql as $$
begin
  new.words := case when new.state = 'STORED'
    then image_words(new.team_id, new.id, new.title, new.description, new.filename)
    else ''::tsvector end;
  return new;
end $$;

-- Locks these images in one order, without those of a team that is being deleted; the stored ones' ids,
-- null for none. Later statements see all that was committed about them before, and others wait.
create function lock_stored(image_ids uuid[]) returns uuid[] language plpgsql as $$
begin
  return array_agg(id) filter (where state = 'STORED') from (
    select id, state from image
    where id = any(image_ids) and exists (select from team where team.id = image.team_id)
    order by id for no key update
  ) locked;
end $$;

-- Reads the words of locked images again. It names no column that image_worded listens to, and leaves
-- `updated_at` alone: a tag's new name is no change of the picture.
create function refresh_words(image_ids uuid[]) returns void language plpgsql as $$
begin
  update image i set words = fresh.words
  from (
    select id, image_words(team_id, id, title, description, filename) as words
    from image where id = any(image_ids)
  ) fresh
  where i.id = fresh.id and i.words <> fresh.words;
end $$;

create function image_tag_ids(the_team uuid, the_image uuid) returns uuid[] language plpgsql stable as $$
begin
  return array(
    select t.tag_id from image_tag t
    where (t.team_id, t.image_id) = (the_team, the_image) order by t.tag_id
  );
end $$;

-- One team at a time, so that the other teams' partitions are left out of the plan.
create function refresh_vectors(image_ids uuid[]) returns void language plpgsql as $$
declare
  the_team uuid;
begin
  for the_team in select distinct team_id from image where id = any(image_ids) loop
    update image_vector v set tag_ids = image_tag_ids(v.team_id, v.image_id)
    where v.team_id = the_team and v.image_id = any(image_ids);
  end loop;
end $$;

-- A new vector takes its tags here, under the lock that their coming and going takes too.
create function image_vector_tagged() returns trigger language plpgsql as $$
begin
  perform from image where id = new.image_id for no key update;
  new.tag_ids := image_tag_ids(new.team_id, new.image_id);
  return new;
end $$;

-- Images were given tags or lost them. The rows are locked before weights are read, or a re-weight that
-- runs beside would miss the tag or bring it back. Where an image's row is gone, image_deleted did it all.
create function image_tag_changed() returns trigger language plpgsql as $$
declare
  changes draw_change[];
  stored uuid[];
begin
  if tg_op = 'INSERT' then
    select array_agg(row(n.team_id, n.tag_id, n.image_id, 0, 0, false, true)::draw_change)
    into changes from came n;
  elsif tg_op = 'DELETE' then
    select array_agg(row(o.team_id, o.tag_id, o.image_id, 0, 0, true, false)::draw_change)
    into changes from gone o;
  else
    with before as (select team_id, tag_id, image_id from gone),
         after as (select team_id, tag_id, image_id from came)
    select array_agg(row(c.team_id, c.tag_id, c.image_id, 0, 0, not c.given, c.given)::draw_change)
    into changes from (
      select *, false as given from (table before except table after) lost
      union all
      select *, true from (table after except table before) won
    ) c;
  end if;
  stored := lock_stored(array(select distinct c.image_id from unnest(changes) c));
  if stored is null then return null; end if;
  perform draw_apply(array_agg(row(
    c.team_id, c.tag_id, c.image_id,
    case when c.old_live then i.draw_weight else 0 end,
    case when c.new_live then i.draw_weight else 0 end,
    c.old_live, c.new_live
  )::draw_change))
  from unnest(stored) as s (id)
  join image i on i.id = s.id and i.live
  join unnest(changes) c on c.image_id = s.id;
  perform refresh_words(stored);
  perform refresh_vectors(stored);
  return null;
end $$;

-- A tag got another name. Waits for those who are using it now, and makes the next ones wait: a change of
-- case alone does not, by itself, shut out the foreign key's check.
create function tag_renamed() returns trigger language plpgsql as $$
declare
  renamed uuid[];
begin
  select array_agg(n.id) into renamed
  from gone o join came n on n.id = o.id where n.name <> o.name;
  if renamed is null then return null; end if;
  perform from tag where id = any(renamed) order by id for update;
  perform refresh_words(lock_stored(array(
    select distinct t.image_id
    from tag join image_tag t on (t.team_id, t.tag_id) = (tag.team_id, tag.id)
    where tag.id = any(renamed)
  )));
  return null;
end $$;

create trigger image_worded before insert or update of title, description, filename, state on image
for each row execute function image_worded();

create trigger image_tag_inserted after insert on image_tag
referencing new table as came for each statement execute function image_tag_changed();

create trigger image_tag_deleted after delete on image_tag
referencing old table as gone for each statement execute function image_tag_changed();

create trigger image_tag_updated after update on image_tag
referencing old table as gone new table as came for each statement execute function image_tag_changed();

create trigger tag_renamed after update on tag
referencing old table as gone new table as came for each statement execute function tag_renamed();

create trigger image_vector_tagged before insert on image_vector
for each row execute function image_vector_tagged();
