create function audit_refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'the audit log is append-only' using errcode = 'insufficient_privilege';
end $$

create trigger audit_event_kept before update or delete on audit_event
    for each row execute function audit_refuse_change()

create trigger audit_event_kept_whole before truncate on audit_event
    for each statement execute function audit_refuse_change()

create trigger audit_anchor_kept before update or delete on audit_anchor
    for each row execute function audit_refuse_change()

create trigger audit_head_kept before delete on audit_head
    for each row execute function audit_refuse_change()

-- Makes the months from this one to the last as far as they are missing. A table is made first and attached
-- then, which lets others read and append meanwhile; `partition of` would lock them out.
create function audit_make_months(last date) returns void language plpgsql security definer
    set search_path = public, pg_temp as $$
declare
    first timestamptz;
    name text;
begin
    perform pg_advisory_xact_lock(hashtext('audit_make_months'));
    for first in
        select month at time zone 'UTC' from generate_series(
            date_trunc('month', now() at time zone 'UTC'),
            date_trunc('month', last::timestamp), interval '1 month') month
    loop
        name := 'audit_event_y' || to_char(first at time zone 'UTC', 'YYYY"m"MM');
        if to_regclass(name) is null then
            execute format('create table %I (like audit_event including constraints)', name);
            execute format('create trigger audit_event_kept_whole before truncate on %I'
                ' for each statement execute function audit_refuse_change()', name);
            execute format('alter table audit_event attach partition %I for values from (%L) to (%L)', name,
                first, ((first at time zone 'UTC') + interval '1 month') at time zone 'UTC');
        end if;
    end loop;
end $$

-- Drops the months that end before this day. The caller has signed where the chains go on.
create function audit_drop_months(before date) returns int language plpgsql security definer
    set search_path = public, pg_temp as $$
declare
    month text;
    dropped int := 0;
begin
    for month in
        select relname from pg_inherits join pg_class on pg_class.oid = inhrelid
        where inhparent = 'audit_event'::regclass
            and relname < 'audit_event_y' || to_char(before, 'YYYY"m"MM')
    loop
        execute format('drop table %I', month);
        dropped := dropped + 1;
    end loop;
    return dropped;
end $$

select audit_make_months((now() at time zone 'UTC' + interval '3 months')::date)
