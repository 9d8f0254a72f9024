-- What is remembered, with its vectors (000-R22, R23, R24). PostgreSQL is the truth; indexes elsewhere can be rebuilt from here.

-- One row a space of vectors. Its lock orders the writers of a space, so that `place` grows in the order of commits and a reader
-- who has seen a place has seen all before it.
CREATE TABLE memory.spaces (
  owner_scope text NOT NULL CHECK (owner_scope IN ('user', 'org', 'avatar')),
  owner_id uuid NOT NULL,
  model text NOT NULL,
  last_place bigint NOT NULL,
  PRIMARY KEY (owner_scope, owner_id, model)
);

CREATE TABLE memory.embeddings (
  id uuid PRIMARY KEY,
  owner_scope text NOT NULL CHECK (owner_scope IN ('user', 'org', 'avatar')),
  owner_id uuid NOT NULL,
  -- What it was made of, e.g. a message; no foreign key, since its kind varies.
  object_type text NOT NULL,
  object_id uuid,
  -- Empty when skipped: what is not for retrieval is not copied either.
  text text NOT NULL,
  -- 32-bit floats, little-endian, unit length.
  vector bytea,
  -- Vectors of different models are different spaces.
  model text NOT NULL,
  dimensions integer NOT NULL CHECK (dimensions > 0),
  -- SHA-256 of owner scope, owner id and text: the same text of the same owner is kept once.
  hash bytea NOT NULL CHECK (octet_length(hash) = 32),
  skip_reason text CHECK (skip_reason IN ('excluded', 'trivial')),
  meta_json jsonb NOT NULL DEFAULT '{}',
  place bigint NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (owner_scope, owner_id, model, hash),
  FOREIGN KEY (owner_scope, owner_id, model) REFERENCES memory.spaces (owner_scope, owner_id, model),
  CHECK ((vector IS NULL) = (skip_reason IS NOT NULL)),
  CHECK (vector IS NULL OR octet_length(vector) = 4 * dimensions)
);
CREATE INDEX embeddings_place_idx ON memory.embeddings (owner_scope, owner_id, model, place);
CREATE INDEX embeddings_object_id_idx ON memory.embeddings (object_id);

ALTER TABLE memory.spaces ENABLE ROW LEVEL SECURITY;
ALTER TABLE memory.spaces FORCE ROW LEVEL SECURITY;
ALTER TABLE memory.embeddings ENABLE ROW LEVEL SECURITY;
ALTER TABLE memory.embeddings FORCE ROW LEVEL SECURITY;

GRANT SELECT, INSERT ON memory.spaces, memory.embeddings TO tsumugi_app;
GRANT UPDATE (last_place) ON memory.spaces TO tsumugi_app;
-- A text that was skipped may be kept later; nothing else changes.
GRANT UPDATE (object_type, object_id, text, vector, skip_reason, meta_json, place, created_at) ON memory.embeddings TO tsumugi_app;
GRANT DELETE ON memory.embeddings TO tsumugi_app;

CREATE POLICY spaces_service ON memory.spaces FOR ALL TO tsumugi_app
  USING ((SELECT app.is_service())) WITH CHECK ((SELECT app.is_service()));
CREATE POLICY embeddings_service ON memory.embeddings FOR ALL TO tsumugi_app
  USING ((SELECT app.is_service())) WITH CHECK ((SELECT app.is_service()));
-- A person reads what is remembered of him. What an avatar knows is read by the server alone: it is its author's trade.
CREATE POLICY embeddings_own ON memory.embeddings FOR SELECT TO tsumugi_app
  USING (owner_scope = 'user' AND owner_id = (SELECT app.user_id()));
