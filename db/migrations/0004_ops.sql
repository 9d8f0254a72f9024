-- What happened to accounts (000-R27, 003-R65, 001-R51) and what operators did. Both only grow.

CREATE TABLE ops.audit_logs (
  id uuid PRIMARY KEY,
  ts timestamptz NOT NULL DEFAULT now(),
  -- No foreign key: the row outlives the account, whose id is then a pseudonym (X-Q3). NULL: nobody known.
  user_id uuid,
  actor_type text NOT NULL CHECK (actor_type IN ('user', 'admin', 'service', 'anonymous')),
  actor_id uuid,
  action text NOT NULL CHECK (action ~ '^[a-z_]+\.[a-z_]+$'),
  target_type text,
  target_id text,
  -- The whole address, encrypted; the /24 or /48 around it in clear (X-Q2, 004-R19).
  ip_enc bytea,
  ip_prefix cidr,
  ua text CHECK (char_length(ua) <= 256),
  payload jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_logs_user_id_idx ON ops.audit_logs (user_id, ts);
CREATE INDEX audit_logs_ts_idx ON ops.audit_logs (ts);

CREATE TABLE ops.admin_events (
  id uuid PRIMARY KEY,
  ts timestamptz NOT NULL DEFAULT now(),
  -- NULL: a call that was refused before anybody was known.
  admin_user_id uuid,
  action text NOT NULL,
  target_type text,
  target_id text,
  outcome text NOT NULL CHECK (outcome IN ('done', 'refused', 'failed')),
  ip_prefix cidr,
  payload jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX admin_events_ts_idx ON ops.admin_events (ts, id);
CREATE INDEX admin_events_admin_user_id_idx ON ops.admin_events (admin_user_id, ts);

CREATE TRIGGER audit_logs_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ops.audit_logs
  FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change();
CREATE TRIGGER admin_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ops.admin_events
  FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change();

ALTER TABLE ops.audit_logs ENABLE ROW LEVEL SECURITY;
ALTER TABLE ops.audit_logs FORCE ROW LEVEL SECURITY;
ALTER TABLE ops.admin_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE ops.admin_events FORCE ROW LEVEL SECURITY;

GRANT SELECT, INSERT ON ops.audit_logs, ops.admin_events TO tsumugi_app;

CREATE POLICY audit_logs_service ON ops.audit_logs FOR ALL TO tsumugi_app
  USING ((SELECT app.is_service())) WITH CHECK ((SELECT app.is_service()));
-- A person sees and adds entries about himself, in his own name only.
CREATE POLICY audit_logs_read ON ops.audit_logs FOR SELECT TO tsumugi_app
  USING (user_id = (SELECT app.user_id()) OR (SELECT identity.acts_as_admin()));
CREATE POLICY audit_logs_add ON ops.audit_logs FOR INSERT TO tsumugi_app
  WITH CHECK (user_id = (SELECT app.user_id()) AND actor_id = (SELECT app.user_id()) AND actor_type = 'user');

CREATE POLICY admin_events_service ON ops.admin_events FOR ALL TO tsumugi_app
  USING ((SELECT app.is_service())) WITH CHECK ((SELECT app.is_service()));
CREATE POLICY admin_events_read ON ops.admin_events FOR SELECT TO tsumugi_app USING ((SELECT identity.acts_as_admin()));
CREATE POLICY admin_events_add ON ops.admin_events FOR INSERT TO tsumugi_app
  WITH CHECK ((SELECT identity.acts_as_admin()) AND admin_user_id = (SELECT app.user_id()));
