-- Schemas, the role of the server and what row level security asks.
-- `tsumugi_app` is a group role without login: it owns nothing, and every grant and policy names it. Logins are members of it.

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tsumugi_app') THEN
    CREATE ROLE tsumugi_app NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
  NULL; -- another database of this cluster was set up at the same moment
END
$$;

CREATE SCHEMA app;
CREATE SCHEMA live;
CREATE SCHEMA identity;
CREATE SCHEMA ops;
CREATE SCHEMA moderation;
CREATE SCHEMA billing;
CREATE SCHEMA memory;
CREATE SCHEMA chat;
CREATE SCHEMA companion;

-- Written by migrate.ts, in the transaction of each migration. `component` tells ours from imported histories (003).
CREATE TABLE ops.schema_migrations (
  component  text NOT NULL DEFAULT 'tsumugi',
  version    integer NOT NULL,
  name       text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now(),
  checksum   text NOT NULL CHECK (checksum ~ '^[0-9a-f]{64}$'),
  PRIMARY KEY (component, version)
);

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA app, live, identity, ops, moderation, billing, memory, chat, companion TO tsumugi_app;
GRANT SELECT ON ops.schema_migrations TO tsumugi_app; -- the server checks at its start that the schema is the one it knows

-- The caller of this transaction. After a commit a local setting reads as an empty string, hence nullif.
CREATE FUNCTION app.user_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
  AS $$ SELECT nullif(current_setting('app.user_id', true), '')::uuid $$;
-- 'user': a person's own rows. 'admin': an operator. 'service': the server itself (sign-in, jobs, settlement).
CREATE FUNCTION app.role() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
  AS $$ SELECT coalesce(nullif(current_setting('app.role', true), ''), 'none') $$;
CREATE FUNCTION app.is_service() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
  AS $$ SELECT coalesce(current_setting('app.role', true), '') = 'service' $$;
CREATE FUNCTION app.is_admin() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
  AS $$ SELECT coalesce(current_setting('app.role', true), '') = 'admin' $$;

-- For tables that only grow: an UPDATE, DELETE or TRUNCATE is refused for everybody, the owner included.
CREATE FUNCTION app.refuse_change() RETURNS trigger LANGUAGE plpgsql
  AS $$ BEGIN RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege'; END $$;
