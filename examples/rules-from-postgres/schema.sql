-- SPDX-License-Identifier: MIT
-- The table of limiters: what it may hold, who changed it when, and how rules.py hears of a change. May be run again.
--
--   psql -f schema.sql
--
-- Editors get INSERT, UPDATE and DELETE on ratelimit.limiter, and nothing else. The role of rules.py is ratelimit_rules.
BEGIN;

CREATE SCHEMA IF NOT EXISTS ratelimit;

-- The shape of RL.DEFINE's limits, one to eight of them. What numbers are too large, and what limits contradict each
-- other, the module says itself: rules.py writes that into ratelimit.outcome. FOR and SHADOW are not of that shape: the
-- first would make an exception of one subject, and the second is the column `trial`.
CREATE OR REPLACE FUNCTION ratelimit.are_limits(limits text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  WITH word (one) AS (
    SELECT '((TOKENBUCKET|LEAKYBUCKET) \d+ \d+ \d+(ms|s|m|h|d)?'
        || '|FIXED \d+ \d+(ms|s|m|h|d)?( ALIGNED)?'
        || '|SLIDING \d+ \d+(ms|s|m|h|d)?( APPROX)?'
        || '|QUOTA \d+ (HOUR|DAY|WEEK|MONTH|QUARTER|YEAR)( ANCHOR [-0-9T:]+)?( TZ [A-Z0-9_+/-]+)?'
        || '|CONCURRENT \d+ \d+(ms|s|m|h|d)?)'
        || '( AS [^[:space:][:cntrl:]]+| PER REQUEST){0,2}'
  )
  SELECT limits ~* ('^' || one || '( ' || one || '){0,7}$') AND limits !~* '(^| )(FOR|SHADOW)( |$)' FROM word
$$;

CREATE TABLE IF NOT EXISTS ratelimit.limiter (
  -- The key. A hash tag may begin it: limiters that RL.CHECKALL asks together have the same one. What ends in :rule is
  -- the mark of another key.
  name text PRIMARY KEY CONSTRAINT "a name is 1 to 200 letters, the tag of a slot before it if need be"
    CHECK (name ~ '^(\{[^{}[:cntrl:]]{1,200}\})?[^{}[:cntrl:]]{1,200}$' AND name NOT LIKE '%:rule'),
  limits text NOT NULL CONSTRAINT "limits are written as for RL.DEFINE, one blank between words"
    CHECK (ratelimit.are_limits(limits)),
  -- Null: one key. Else the keys {0}name to {parts - 1}name, as docs/scaling-out.md has them.
  parts integer CONSTRAINT "a limiter has 1 to 16384 parts, and then no tag of its own"
    CHECK (parts IS NULL OR (parts BETWEEN 1 AND 16384 AND name NOT LIKE '{%')),
  trial boolean NOT NULL DEFAULT false,  -- RL.DEFINE … SHADOW: decides and counts, and denies nobody
  enabled boolean NOT NULL DEFAULT true, -- false: as if there were no row, but its words are kept
  note text NOT NULL DEFAULT '',
  changed_by text NOT NULL DEFAULT '',   -- these two are the trigger's
  changed_at timestamptz NOT NULL DEFAULT now()
);

-- Every version of every row. `what` is INSERT, UPDATE or DELETE; of a DELETE the row is what was there last.
CREATE TABLE IF NOT EXISTS ratelimit.history (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  what text NOT NULL,
  changed_by text NOT NULL,
  changed_at timestamptz NOT NULL,
  name text NOT NULL,
  limits text NOT NULL,
  parts integer,
  trial boolean NOT NULL,
  enabled boolean NOT NULL,
  note text NOT NULL
);
CREATE INDEX IF NOT EXISTS history_of_a_name ON ratelimit.history (name, parts);

-- What became of a row on the servers, by rules.py. No error: the servers have it.
CREATE TABLE IF NOT EXISTS ratelimit.outcome (
  name text PRIMARY KEY REFERENCES ratelimit.limiter ON DELETE CASCADE,
  said_at timestamptz NOT NULL,
  error text NOT NULL
);

CREATE OR REPLACE VIEW ratelimit.overview AS
  SELECT l.*, o.said_at, o.error FROM ratelimit.limiter l LEFT JOIN ratelimit.outcome o USING (name);

-- Who: the user of the connection. A web page that has one user for all its people says which of them it is:
--   SET LOCAL ratelimit.changed_by = 'alice';
CREATE OR REPLACE FUNCTION ratelimit.sign() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND NEW.name <> OLD.name THEN
    RAISE EXCEPTION 'a limiter keeps its name, since its callers ask by it: insert another row';
  END IF;
  NEW.changed_by := coalesce(nullif(current_setting('ratelimit.changed_by', true), ''), session_user);
  NEW.changed_at := clock_timestamp();
  RETURN NEW;
END $$;

-- By the right of the table's owner, since editors may not write history. The message is the name of the row.
CREATE OR REPLACE FUNCTION ratelimit.record() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  was ratelimit.limiter;
BEGIN
  IF TG_OP = 'DELETE' THEN
    was := OLD;
    was.changed_by := coalesce(nullif(current_setting('ratelimit.changed_by', true), ''), session_user);
    was.changed_at := clock_timestamp();
  ELSE
    was := NEW;
  END IF;
  INSERT INTO ratelimit.history (what, changed_by, changed_at, name, limits, parts, trial, enabled, note)
    VALUES (TG_OP, was.changed_by, was.changed_at, was.name, was.limits, was.parts, was.trial, was.enabled, was.note);
  PERFORM pg_notify('ratelimit', was.name);
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION ratelimit.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'TRUNCATE leaves no history: use DELETE';
END $$;

CREATE OR REPLACE TRIGGER sign BEFORE INSERT OR UPDATE ON ratelimit.limiter
  FOR EACH ROW EXECUTE FUNCTION ratelimit.sign();
CREATE OR REPLACE TRIGGER record AFTER INSERT OR UPDATE OR DELETE ON ratelimit.limiter
  FOR EACH ROW EXECUTE FUNCTION ratelimit.record();
CREATE OR REPLACE TRIGGER refuse BEFORE TRUNCATE ON ratelimit.limiter EXECUTE FUNCTION ratelimit.refuse();

DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ratelimit_rules') THEN
    CREATE ROLE ratelimit_rules LOGIN;
  END IF;
END $$;
GRANT USAGE ON SCHEMA ratelimit TO ratelimit_rules;
GRANT SELECT ON ratelimit.limiter, ratelimit.history TO ratelimit_rules;
GRANT SELECT, INSERT, UPDATE ON ratelimit.outcome TO ratelimit_rules;

COMMIT;
