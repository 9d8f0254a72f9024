-- How many connections of a user each gateway has. What is lost is said again within its life.
CREATE UNLOGGED TABLE live.presence (
  user_id     text NOT NULL,
  gateway     text NOT NULL,
  connections integer NOT NULL CHECK (connections > 0),
  expires_at  timestamptz NOT NULL,
  PRIMARY KEY (user_id, gateway)
);
CREATE INDEX presence_expires_at ON live.presence (expires_at);
ALTER TABLE live.presence ENABLE ROW LEVEL SECURITY;
ALTER TABLE live.presence FORCE ROW LEVEL SECURITY;
CREATE POLICY service ON live.presence TO tsumugi_app USING (app.is_service()) WITH CHECK (app.is_service());
GRANT SELECT, INSERT, UPDATE, DELETE ON live.presence TO tsumugi_app;
