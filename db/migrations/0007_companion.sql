-- Avatars and the versions of their prompts (000-R5, 000-R6).

CREATE TABLE companion.avatars (
  id uuid PRIMARY KEY,
  -- NULL: a sample that comes with the server and belongs to nobody.
  owner_user_id uuid REFERENCES identity.users (id) ON DELETE CASCADE,
  sample_key text UNIQUE,
  name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 80),
  tagline text NOT NULL DEFAULT '',
  greeting text NOT NULL DEFAULT '',
  lang text NOT NULL CHECK (lang IN ('en', 'ja')),
  accent text NOT NULL CHECK (accent ~ '^#[0-9a-fA-F]{6}$'),
  visibility text NOT NULL DEFAULT 'private' CHECK (visibility IN ('private', 'published')),
  version integer NOT NULL DEFAULT 1 CHECK (version >= 1),
  fixed_url text UNIQUE,
  trait_score_json jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz,
  CHECK ((owner_user_id IS NULL) = (sample_key IS NOT NULL))
);
CREATE INDEX avatars_owner_user_id_idx ON companion.avatars (owner_user_id) WHERE deleted_at IS NULL;
CREATE INDEX avatars_published_idx ON companion.avatars (created_at) WHERE visibility = 'published' AND deleted_at IS NULL;

CREATE TABLE companion.avatar_prompts (
  id uuid PRIMARY KEY,
  avatar_id uuid NOT NULL REFERENCES companion.avatars (id) ON DELETE CASCADE,
  version integer NOT NULL CHECK (version >= 1),
  system_prompt text NOT NULL CHECK (char_length(system_prompt) BETWEEN 1 AND 20000),
  safety_rules text NOT NULL DEFAULT '',
  params_json jsonb NOT NULL DEFAULT '{}',
  is_active boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (avatar_id, version)
);
CREATE UNIQUE INDEX avatar_prompts_one_active ON companion.avatar_prompts (avatar_id) WHERE is_active;

ALTER TABLE companion.avatars ENABLE ROW LEVEL SECURITY;
ALTER TABLE companion.avatars FORCE ROW LEVEL SECURITY;
ALTER TABLE companion.avatar_prompts ENABLE ROW LEVEL SECURITY;
ALTER TABLE companion.avatar_prompts FORCE ROW LEVEL SECURITY;

GRANT SELECT, INSERT ON companion.avatars, companion.avatar_prompts TO tsumugi_app;
-- Owner, sample key and creation are for life; a prompt's text is never rewritten, a new version is added instead.
GRANT UPDATE (name, tagline, greeting, lang, accent, visibility, version, trait_score_json, updated_at, deleted_at) ON companion.avatars TO tsumugi_app;
GRANT UPDATE (is_active) ON companion.avatar_prompts TO tsumugi_app;

-- Own rows plus what is published.
CREATE POLICY avatars_read ON companion.avatars FOR SELECT TO tsumugi_app USING (
  owner_user_id = (SELECT app.user_id()) OR (visibility = 'published' AND deleted_at IS NULL AND (SELECT app.role()) <> 'none')
  OR (SELECT app.is_service()) OR (SELECT app.is_admin())
);
CREATE POLICY avatars_insert ON companion.avatars FOR INSERT TO tsumugi_app
  WITH CHECK ((owner_user_id = (SELECT app.user_id()) AND sample_key IS NULL) OR (SELECT app.is_service()));
CREATE POLICY avatars_update ON companion.avatars FOR UPDATE TO tsumugi_app
  USING (owner_user_id = (SELECT app.user_id()) OR (SELECT app.is_service()))
  WITH CHECK (owner_user_id = (SELECT app.user_id()) OR (SELECT app.is_service()));

-- The text of a prompt is its author's trade: published avatars do not publish it.
CREATE POLICY avatar_prompts_own ON companion.avatar_prompts FOR ALL TO tsumugi_app
  USING ((SELECT app.is_service()) OR EXISTS (
    SELECT 1 FROM companion.avatars a WHERE a.id = avatar_id AND a.owner_user_id = (SELECT app.user_id())))
  WITH CHECK ((SELECT app.is_service()) OR EXISTS (
    SELECT 1 FROM companion.avatars a WHERE a.id = avatar_id AND a.owner_user_id = (SELECT app.user_id())));
