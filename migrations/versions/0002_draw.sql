-- Chance: the draw lines and image counters of every list (a team, or a tag of a team).
-- One statement a paragraph: no blank line inside a function.
--
-- A list is a line of integers on which each image owns as many as its weight in millionths. A draw
-- picks one integer, all equally likely, and answers its owner: exact, and one index probe however long
-- the list. A line is cut into 8 lanes, so that 8 writers may append to it at once.
-- READ COMMITTED is assumed: each statement sees what was committed before it began.

create function whole_team() returns uuid language sql immutable parallel safe
return '00000000-0000-0000-0000-000000000000'::uuid;

create function draw_lane(image_id uuid) returns smallint language sql immutable parallel safe
return (get_byte(uuid_send(image_id), 15) & 7)::smallint;

-- The lists that an image is in, or would be if it were live.
create function image_lists(the_team uuid, the_image uuid) returns setof uuid language sql stable
begin atomic
  select whole_team()
  union all
  select t.tag_id from image_tag t where (t.team_id, t.image_id) = (the_team, the_image);
end;

-- What happened to an image in a list. Weight 0: no segment. `live`: it counts among the list's images.
create type draw_change as (
  team_id uuid, tag_id uuid, image_id uuid,
  old_weight bigint, new_weight bigint, old_live boolean, new_live boolean
);

-- Renumbers a lane without its holes. Deleting and inserting cannot collide: the sort of the window
-- function takes in every deleted row before the first one is inserted.
create function draw_compact(the_team uuid, the_tag uuid, the_lane smallint) returns void
language plpgsql as $$
begin
  perform from draw_head h
  where (h.team_id, h.tag_id, h.lane) = (the_team, the_tag, the_lane) for no key update;
  with taken as (
    delete from draw_line l where (l.team_id, l.tag_id, l.lane) = (the_team, the_tag, the_lane)
    returning *
  ), packed as (
    insert into draw_line (team_id, tag_id, lane, pos, weight, image_id)
    select team_id, tag_id, lane, sum(weight) over (order by pos) - weight, weight, image_id from taken
    returning weight
  ), whole as (
    select coalesce(sum(weight), 0) as weight, count(*) as n from packed
  )
  update draw_head h set total = whole.weight, live = whole.weight, n = whole.n from whole
  where (h.team_id, h.tag_id, h.lane) = (the_team, the_tag, the_lane);
end $$;

-- Brings heads and lines in step with changes whose image rows the caller has locked.
-- Heads come first and in one order, so that two callers cannot wait for each other. Who holds a head
-- owns its lane until the commit, and the later statements here see that lane as it is.
-- A lighter image shrinks in place and leaves a hole; a heavier one moves to the end of its lane.
-- A lane with more holes than segments is renumbered at once. That takes as long as the lane, but only
-- after as much weight went as is left; draws then need two tries at most on average, and no job has to
-- be in time for that. A head without images goes, and with it the last trace of a deleted tag.
create function draw_apply(changes draw_change[]) returns void language plpgsql as $$
declare
  spoiled draw_head;
begin
  if changes is null then return; end if;
  insert into draw_head as h (team_id, tag_id, lane, total, live, n, images)
  select c.team_id, c.tag_id, draw_lane(c.image_id),
         sum(case when c.new_weight > c.old_weight then c.new_weight else 0 end),
         sum(c.new_weight - c.old_weight),
         sum((c.new_weight > 0)::int - (c.old_weight > 0)::int),
         sum(c.new_live::int - c.old_live::int)
  from unnest(changes) c group by 1, 2, 3 order by 1, 2, 3
  on conflict (team_id, tag_id, lane) do update
  set total = h.total + excluded.total, live = h.live + excluded.live,
      n = h.n + excluded.n, images = h.images + excluded.images;
  insert into draw_line (team_id, tag_id, lane, pos, weight, image_id)
  select h.team_id, h.tag_id, h.lane,
         h.total - sum(c.new_weight) over (partition by h.team_id, h.tag_id, h.lane order by c.image_id),
         c.new_weight, c.image_id
  from unnest(changes) c
  join draw_head h on (h.team_id, h.tag_id, h.lane) = (c.team_id, c.tag_id, draw_lane(c.image_id))
  where c.new_weight > c.old_weight
  on conflict (team_id, image_id, tag_id) do update set pos = excluded.pos, weight = excluded.weight;
  if not exists (select from unnest(changes) c where c.old_live) then return; end if;
  delete from draw_line l using unnest(changes) c
  where (l.team_id, l.image_id, l.tag_id) = (c.team_id, c.image_id, c.tag_id)
    and c.new_weight = 0 and c.old_weight > 0;
  update draw_line l set weight = c.new_weight from unnest(changes) c
  where (l.team_id, l.image_id, l.tag_id) = (c.team_id, c.image_id, c.tag_id)
    and c.new_weight > 0 and c.new_weight < c.old_weight;
  for spoiled in
    select distinct h.* from unnest(changes) c
    join draw_head h on (h.team_id, h.tag_id, h.lane) = (c.team_id, c.tag_id, draw_lane(c.image_id))
    where h.images = 0 or h.total > 2 * h.live
  loop
    if spoiled.images = 0 then
      delete from draw_head h
      where (h.team_id, h.tag_id, h.lane) = (spoiled.team_id, spoiled.tag_id, spoiled.lane);
    else
      perform draw_compact(spoiled.team_id, spoiled.tag_id, spoiled.lane);
    end if;
  end loop;
end $$;

-- An integer of [0, n), all equally likely, from the 62 random bits at the end of a version 4 UUID
-- (RFC 9562, section 5.4). The odd numbers beyond the last whole multiple of n are thrown again.
create function draw_uniform_by_uuid(n bigint) returns bigint language plpgsql volatile as $$
declare
  span constant bigint := 1::bigint << 62;
  bits bigint;
begin
  loop
    bits := ('x' || right(translate(gen_random_uuid()::text, '-', ''), 16))::bit(64)::bigint & (span - 1);
    exit when bits < span - span % n;
  end loop;
  return bits % n;
end $$;

-- An integer of [0, n), all equally likely. PostgreSQL 17 and later have a function for it, eight times
-- as fast; the branch is planned only where it is taken, so that a dump loads on an older server too.
create function draw_uniform(n bigint) returns bigint language plpgsql volatile as $$
begin
  if current_setting('server_version_num')::int >= 170000 then
    return random(0::bigint, n - 1);
  end if;
  return draw_uniform_by_uuid(n);
end $$;

-- `darts` independent draws, in order and with replacement, from several lists put end to end; list i is
-- tag_ids[i] of team_ids[i]. Fewer where the lists are empty, or out of luck with holes: half of the
-- darts find an image at the least, so that one dart misses all its tries once in 2^100.
-- Declared stable for what that does: heads and lines are read as of one moment. It is random all the
-- same, so call it in FROM, where it runs once.
create function draw_many(team_ids uuid[], tag_ids uuid[], darts int) returns setof uuid
language plpgsql stable rows 20 as $$
declare
  heads draw_head[];
  head draw_head;
  whole bigint;
  spot bigint;
  hit record;
  wanted int := darts;
begin
  select array_agg(h order by h.team_id, h.tag_id, h.lane), sum(h.total) into heads, whole
  from unnest(team_ids, tag_ids) as list (team_id, tag_id)
  join draw_head h on (h.team_id, h.tag_id) = (list.team_id, list.tag_id)
  where h.live > 0;
  if whole is null then return; end if;
  for try in 1 .. 100 + 4 * darts loop
    exit when wanted <= 0;
    spot := draw_uniform(whole);
    foreach head in array heads loop
      exit when spot < head.total;
      spot := spot - head.total;
    end loop;
    select l.image_id, l.pos + l.weight as past into hit from draw_line l
    where l.team_id = head.team_id and l.tag_id = head.tag_id and l.lane = head.lane and l.pos <= spot
    order by l.pos desc limit 1;
    if spot < hit.past then
      wanted := wanted - 1;
      return next hit.image_id;
    end if;
  end loop;
end $$;

-- An image is new: no tag can be on it yet.
create function image_inserted() returns trigger language plpgsql as $$
begin
  perform draw_apply(array_agg(
    row(i.team_id, whole_team(), i.id, 0, i.draw_weight, false, true)::draw_change
  )) from came i where i.live;
  return null;
end $$;

-- An image was re-weighted, stored, trashed, restored or deleted: in the team's list and its tags'.
-- The update holds the row, so that tags come and go before it or after it, but not beside it.
create function image_updated() returns trigger language plpgsql as $$
begin
  perform draw_apply(array_agg(
    row(n.team_id, list.tag_id, n.id, o.draw_weight, n.draw_weight, o.live, n.live)::draw_change
  ))
  from gone o join came n on n.id = o.id
  cross join image_lists(n.team_id, n.id) as list (tag_id)
  where (o.draw_weight, o.live) <> (n.draw_weight, n.live);
  return null;
end $$;

-- A row goes while it is live. Before the row and not after it: its tags are still there to be read, and
-- once it is gone nothing says any more that it counted among theirs. With its team it goes in team_deleted.
create function image_deleted() returns trigger language plpgsql as $$
begin
  if exists (select from team where id = old.team_id) then
    perform draw_apply(array_agg(
      row(old.team_id, list.tag_id, old.id, old.draw_weight, 0, true, false)::draw_change
    ))
    from image_lists(old.team_id, old.id) as list (tag_id);
  end if;
  return old;
end $$;

create function team_deleted() returns trigger language plpgsql as $$
begin
  delete from draw_line where team_id in (select id from gone);
  delete from draw_head where team_id in (select id from gone);
  return null;
end $$;

create trigger image_inserted after insert on image
referencing new table as came for each statement execute function image_inserted();

create trigger image_updated after update on image
referencing old table as gone new table as came for each statement execute function image_updated();

create trigger image_deleted before delete on image
for each row when (old.live) execute function image_deleted();

create trigger team_deleted after delete on team
referencing old table as gone for each statement execute function team_deleted();
