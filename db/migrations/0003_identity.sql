-- Accounts, profiles, sessions, roles and the keys of encrypted columns
-- (000-R1, 000-R2, 000-R19, 000-R25, 003-R61 … R64, X-Q1, X-Q4).

CREATE TABLE identity.users (
  id uuid PRIMARY KEY,
  -- AES-256-GCM under a key of this user; NULL once the account is erased.
  email_enc bytea,
  -- HMAC-SHA-256 of the normalised mail under `identity.hash_keys`: the only way to find an account by mail.
  email_hash bytea CHECK (octet_length(email_hash) = 32),
  email_hash_version integer,
  email_confirmed_at timestamptz,
  locale text NOT NULL DEFAULT 'en' CHECK (locale IN ('en', 'ja')),
  status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended', 'deleted')),
  is_sso_user boolean NOT NULL DEFAULT false,
  is_anonymous boolean NOT NULL DEFAULT false,
  banned_until timestamptz,
  last_sign_in_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz,
  CHECK ((email_hash IS NULL) = (email_hash_version IS NULL)),
  CHECK ((status = 'deleted') = (deleted_at IS NOT NULL))
);
CREATE UNIQUE INDEX users_email_hash_live ON identity.users (email_hash) WHERE deleted_at IS NULL;
CREATE INDEX users_email_hash_version_idx ON identity.users (email_hash_version);
CREATE INDEX users_created_at_idx ON identity.users (created_at, id);

-- What the documents keep as users.password_hash. A table of its own, because row security hides rows and not columns:
-- here no transaction but the server's own can see a hash, not even the person's whose it is.
CREATE TABLE identity.credentials (
  user_id uuid PRIMARY KEY REFERENCES identity.users (id) ON DELETE CASCADE,
  password_hash text NOT NULL,
  password_scheme text NOT NULL CHECK (password_scheme IN ('argon2id', 'bcrypt', 'aspnet_identity')),
  changed_at timestamptz NOT NULL DEFAULT now()
);

-- display_name is public. The columns ending in _enc are private, readable with the person's key only.
CREATE TABLE identity.profiles (
  user_id uuid PRIMARY KEY REFERENCES identity.users (id) ON DELETE CASCADE,
  display_name text NOT NULL DEFAULT '' CHECK (char_length(display_name) <= 80),
  time_zone text NOT NULL DEFAULT 'Asia/Tokyo' CHECK (char_length(time_zone) BETWEEN 1 AND 64),
  name_enc bytea,
  occupation_enc bytea,
  age_enc bytea,
  residence_enc bytea,
  ai_public_flag boolean NOT NULL DEFAULT false,
  mask_flag boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

-- One sign-in on one device; also the family of its refresh tokens. The whole address is not kept here (X-Q2).
CREATE TABLE identity.sessions (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES identity.users (id) ON DELETE CASCADE,
  aal text NOT NULL DEFAULT 'aal1' CHECK (aal IN ('aal1', 'aal2', 'aal3')),
  user_agent text CHECK (char_length(user_agent) <= 256),
  ip_prefix cidr,
  tag text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  refreshed_at timestamptz NOT NULL DEFAULT now(),
  not_after timestamptz NOT NULL,
  ended_at timestamptz,
  end_reason text CHECK (end_reason IN ('sign_out', 'ended', 'password_change', 'token_reuse', 'admin')),
  CHECK ((ended_at IS NULL) = (end_reason IS NULL))
);
CREATE INDEX sessions_user_id_idx ON identity.sessions (user_id, created_at);
CREATE INDEX sessions_not_after_idx ON identity.sessions (not_after);

CREATE TABLE identity.refresh_tokens (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  session_id uuid NOT NULL REFERENCES identity.sessions (id) ON DELETE CASCADE,
  user_id uuid NOT NULL REFERENCES identity.users (id) ON DELETE CASCADE,
  parent_id bigint REFERENCES identity.refresh_tokens (id) ON DELETE SET NULL,
  -- SHA-256; the token itself is stored nowhere.
  token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
  -- Drawn at first use: the successor is HMAC(salt, token), so that a second tab asking at the same moment gets the same
  -- one, while neither this row nor the token alone tells it.
  successor_salt bytea CHECK (octet_length(successor_salt) = 32),
  used_at timestamptz,
  revoked boolean NOT NULL DEFAULT false,
  expires_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  CHECK ((used_at IS NULL) = (successor_salt IS NULL))
);
CREATE INDEX refresh_tokens_session_id_idx ON identity.refresh_tokens (session_id);
CREATE INDEX refresh_tokens_user_id_idx ON identity.refresh_tokens (user_id);
CREATE INDEX refresh_tokens_parent_id_idx ON identity.refresh_tokens (parent_id);

CREATE TABLE identity.access_tokens (
  token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
  session_id uuid NOT NULL REFERENCES identity.sessions (id) ON DELETE CASCADE,
  user_id uuid NOT NULL REFERENCES identity.users (id) ON DELETE CASCADE,
  expires_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX access_tokens_session_id_idx ON identity.access_tokens (session_id);
CREATE INDEX access_tokens_user_id_idx ON identity.access_tokens (user_id);
CREATE INDEX access_tokens_expires_at_idx ON identity.access_tokens (expires_at);

CREATE TABLE identity.roles (
  name text PRIMARY KEY CHECK (name ~ '^[a-z_]{1,40}$'),
  says text NOT NULL
);
INSERT INTO identity.roles VALUES ('admin', 'Operates the server: sees connections, users and events, and may end them.');

-- The one source for "is an administrator" (X-Q4).
CREATE TABLE identity.user_roles (
  user_id uuid NOT NULL REFERENCES identity.users (id) ON DELETE CASCADE,
  role text NOT NULL REFERENCES identity.roles (name),
  granted_by uuid REFERENCES identity.users (id) ON DELETE SET NULL,
  granted_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, role)
);
CREATE INDEX user_roles_role_idx ON identity.user_roles (role);
CREATE INDEX user_roles_granted_by_idx ON identity.user_roles (granted_by);

-- Keys of encrypted columns, wrapped by a master key that the database never sees. Deleting a user's rows makes every
-- column encrypted for that user unreadable, in backups too. user_id NULL: the server's own key.
CREATE TABLE identity.data_keys (
  id uuid PRIMARY KEY,
  user_id uuid REFERENCES identity.users (id) ON DELETE CASCADE,
  master_key_id text NOT NULL,
  wrapped_key bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  retired_at timestamptz
);
CREATE UNIQUE INDEX data_keys_one_active ON identity.data_keys (user_id) NULLS NOT DISTINCT WHERE retired_at IS NULL;
CREATE INDEX data_keys_user_id_idx ON identity.data_keys (user_id);
CREATE INDEX data_keys_master_key_id_idx ON identity.data_keys (master_key_id);

-- Keys of the keyed hashes, wrapped likewise. Look-ups try every version; new hashes use the highest.
CREATE TABLE identity.hash_keys (
  version integer PRIMARY KEY CHECK (version > 0),
  master_key_id text NOT NULL,
  wrapped_key bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

-- 003-R64. Runs with the rights and the row security of its caller.
CREATE FUNCTION identity.is_admin_user() RETURNS boolean LANGUAGE sql STABLE
  AS $$ SELECT EXISTS (SELECT 1 FROM identity.user_roles r WHERE r.user_id = app.user_id() AND r.role = 'admin') $$;

-- An admin's transaction counts only for someone who holds the role: the setting alone opens nothing.
CREATE FUNCTION identity.acts_as_admin() RETURNS boolean LANGUAGE sql STABLE
  AS $$ SELECT app.is_admin() AND identity.is_admin_user() $$;

-- People may change their language and nothing else in their row.
CREATE FUNCTION identity.guard_user_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT app.is_service()
     AND to_jsonb(NEW) - 'locale' - 'updated_at' IS DISTINCT FROM to_jsonb(OLD) - 'locale' - 'updated_at' THEN
    RAISE EXCEPTION 'only the server changes this column of identity.users' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER users_guard BEFORE UPDATE ON identity.users FOR EACH ROW EXECUTE FUNCTION identity.guard_user_change();

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['users', 'credentials', 'profiles', 'sessions', 'refresh_tokens', 'access_tokens', 'roles',
                              'user_roles', 'data_keys', 'hash_keys'] LOOP
    EXECUTE format('ALTER TABLE identity.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE identity.%I FORCE ROW LEVEL SECURITY', name);
    IF name <> 'roles' THEN
      EXECUTE format('CREATE POLICY %I ON identity.%I FOR ALL TO tsumugi_app USING ((SELECT app.is_service())) WITH CHECK ((SELECT app.is_service()))',
                     name || '_service', name);
    END IF;
  END LOOP;
END $$;

-- Accounts are never deleted by the server: erasure empties the row and shreds the key (X-Q3). Keys of one row never move
-- to another owner: no grant updates an id or a user_id.
GRANT SELECT, INSERT ON identity.users, identity.credentials, identity.profiles, identity.sessions TO tsumugi_app;
GRANT SELECT, INSERT, DELETE ON identity.refresh_tokens, identity.access_tokens, identity.user_roles, identity.data_keys, identity.hash_keys TO tsumugi_app;
GRANT SELECT ON identity.roles TO tsumugi_app;
GRANT DELETE ON identity.sessions, identity.credentials TO tsumugi_app;
GRANT UPDATE (email_enc, email_hash, email_hash_version, email_confirmed_at, locale, status, banned_until, last_sign_in_at, updated_at, deleted_at)
  ON identity.users TO tsumugi_app;
GRANT UPDATE (password_hash, password_scheme, changed_at) ON identity.credentials TO tsumugi_app;
GRANT UPDATE (display_name, time_zone, name_enc, occupation_enc, age_enc, residence_enc, ai_public_flag, mask_flag, updated_at)
  ON identity.profiles TO tsumugi_app;
GRANT UPDATE (aal, tag, updated_at, refreshed_at, not_after, ended_at, end_reason) ON identity.sessions TO tsumugi_app;
GRANT UPDATE (successor_salt, used_at, revoked) ON identity.refresh_tokens TO tsumugi_app;
GRANT UPDATE (master_key_id, wrapped_key, retired_at) ON identity.data_keys TO tsumugi_app;
GRANT UPDATE (master_key_id, wrapped_key) ON identity.hash_keys TO tsumugi_app;

CREATE POLICY users_own ON identity.users FOR SELECT TO tsumugi_app
  USING (id = (SELECT app.user_id()) OR (SELECT identity.acts_as_admin()));
CREATE POLICY users_own_change ON identity.users FOR UPDATE TO tsumugi_app
  USING (id = (SELECT app.user_id())) WITH CHECK (id = (SELECT app.user_id()));
CREATE POLICY profiles_own ON identity.profiles FOR SELECT TO tsumugi_app
  USING (user_id = (SELECT app.user_id()) OR (SELECT identity.acts_as_admin()));
CREATE POLICY profiles_own_change ON identity.profiles FOR UPDATE TO tsumugi_app
  USING (user_id = (SELECT app.user_id())) WITH CHECK (user_id = (SELECT app.user_id()));
CREATE POLICY sessions_own ON identity.sessions FOR SELECT TO tsumugi_app
  USING (user_id = (SELECT app.user_id()) OR (SELECT identity.acts_as_admin()));
CREATE POLICY roles_read ON identity.roles FOR SELECT TO tsumugi_app USING ((SELECT app.role()) <> 'none');
-- Only own rows, also for an admin: is_admin_user() reads this table, so a policy that asks it here would never end.
CREATE POLICY user_roles_own ON identity.user_roles FOR SELECT TO tsumugi_app USING (user_id = (SELECT app.user_id()));
-- A wrapped key is useless without the master key; the owner's transactions need it to read their own columns.
CREATE POLICY data_keys_own ON identity.data_keys FOR SELECT TO tsumugi_app USING (user_id = (SELECT app.user_id()));
