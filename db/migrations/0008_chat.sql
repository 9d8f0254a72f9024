-- Conversations, the append-only message tree and generations (000-R10; 001-R41, 001-R42 join in later).

CREATE TABLE chat.conversations (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES identity.users (id) ON DELETE CASCADE,
  avatar_id uuid REFERENCES companion.avatars (id),
  character_id uuid,
  kind text NOT NULL CHECK (kind IN ('conversation', 'diary', 'character')),
  session_type text NOT NULL DEFAULT 'free' CHECK (session_type IN ('free', 'event')),
  event_id uuid,
  lang text NOT NULL CHECK (lang IN ('en', 'ja')),
  title text NOT NULL DEFAULT '',
  meta_json jsonb NOT NULL DEFAULT '{}',
  revision integer NOT NULL DEFAULT 0,
  -- The end of the selected branch; no foreign key, since messages point back here.
  head_message_id uuid,
  started_at timestamptz NOT NULL DEFAULT now(),
  last_message_at timestamptz,
  ended_at timestamptz,
  deleted_at timestamptz,
  CHECK (num_nonnulls(avatar_id, character_id) = 1),
  CHECK ((session_type = 'event') = (event_id IS NOT NULL))
);
CREATE INDEX conversations_user_id_idx ON chat.conversations (user_id, (coalesce(last_message_at, started_at)) DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX conversations_avatar_id_idx ON chat.conversations (avatar_id);

CREATE TABLE chat.messages (
  id uuid PRIMARY KEY,
  conversation_id uuid NOT NULL REFERENCES chat.conversations (id) ON DELETE CASCADE,
  -- The conversation's user once more, so that row level security needs no join.
  user_id uuid NOT NULL REFERENCES identity.users (id) ON DELETE CASCADE,
  parent_id uuid,
  role text NOT NULL CHECK (role IN ('user', 'ai', 'character')),
  text text NOT NULL,
  -- Exact tokens of `text` in the model's tokenizer; what the assembly of prompts counts with.
  token_count integer NOT NULL CHECK (token_count >= 0),
  tokens_in integer CHECK (tokens_in >= 0),
  tokens_out integer CHECK (tokens_out >= 0),
  source_refs_json jsonb NOT NULL DEFAULT '[]',
  rag_excluded boolean NOT NULL DEFAULT false,
  client_message_id text,
  generation_id uuid,
  finish_reason text CHECK (finish_reason IN ('stop', 'length', 'content_filter', 'stopped', 'interrupted', 'error')),
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (conversation_id, id),
  UNIQUE (conversation_id, client_message_id),
  -- A parent stands in the same conversation.
  FOREIGN KEY (conversation_id, parent_id) REFERENCES chat.messages (conversation_id, id) ON DELETE CASCADE,
  CHECK ((role = 'user') = (generation_id IS NULL))
);
CREATE INDEX messages_parent_id_idx ON chat.messages (conversation_id, parent_id, created_at);
CREATE INDEX messages_user_id_idx ON chat.messages (user_id);
CREATE UNIQUE INDEX messages_generation_id_idx ON chat.messages (generation_id) WHERE generation_id IS NOT NULL;

CREATE TABLE chat.generations (
  id uuid PRIMARY KEY,
  conversation_id uuid NOT NULL REFERENCES chat.conversations (id) ON DELETE CASCADE,
  user_id uuid NOT NULL REFERENCES identity.users (id) ON DELETE CASCADE,
  -- Who is paid: the owner of the avatar, NULL for the platform. A pseudonym is resolved at settlement.
  payee_user_id uuid,
  parent_id uuid NOT NULL,
  -- Id that the answer gets when it is stored.
  message_id uuid NOT NULL UNIQUE,
  client_request_id text,
  epoch integer NOT NULL DEFAULT 1 CHECK (epoch >= 1),
  owner text NOT NULL,
  state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'ended')),
  finish_reason text CHECK (finish_reason IN ('stop', 'length', 'content_filter', 'stopped', 'interrupted', 'error')),
  error_code text,
  model text NOT NULL,
  trace_json jsonb NOT NULL,
  prompt_tokens integer NOT NULL,
  first_turn boolean NOT NULL,
  tokens_in integer,
  tokens_out integer,
  ledger_shard integer,
  ledger_seq bigint,
  ledger_hash text,
  created_at timestamptz NOT NULL DEFAULT now(),
  ended_at timestamptz,
  UNIQUE (conversation_id, client_request_id),
  FOREIGN KEY (conversation_id, parent_id) REFERENCES chat.messages (conversation_id, id) ON DELETE CASCADE,
  CHECK ((state = 'ended') = (finish_reason IS NOT NULL))
);
-- One answer at a time in a conversation.
CREATE UNIQUE INDEX generations_one_running ON chat.generations (conversation_id) WHERE state = 'running';
CREATE INDEX generations_parent_id_idx ON chat.generations (conversation_id, parent_id);
CREATE INDEX generations_user_id_idx ON chat.generations (user_id);

ALTER TABLE chat.conversations ENABLE ROW LEVEL SECURITY;
ALTER TABLE chat.conversations FORCE ROW LEVEL SECURITY;
ALTER TABLE chat.messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE chat.messages FORCE ROW LEVEL SECURITY;
ALTER TABLE chat.generations ENABLE ROW LEVEL SECURITY;
ALTER TABLE chat.generations FORCE ROW LEVEL SECURITY;

GRANT SELECT, INSERT ON chat.conversations, chat.messages, chat.generations TO tsumugi_app;
GRANT UPDATE (title, meta_json, revision, head_message_id, last_message_at, ended_at, deleted_at) ON chat.conversations TO tsumugi_app;
GRANT UPDATE (epoch, owner, state, finish_reason, error_code, tokens_in, tokens_out, ledger_shard, ledger_seq, ledger_hash, ended_at)
  ON chat.generations TO tsumugi_app;
-- Messages are never changed: an edit is a new branch.

CREATE POLICY conversations_own ON chat.conversations FOR ALL TO tsumugi_app
  USING (user_id = (SELECT app.user_id()) OR (SELECT app.is_service()))
  WITH CHECK (user_id = (SELECT app.user_id()) OR (SELECT app.is_service()));
CREATE POLICY messages_read ON chat.messages FOR SELECT TO tsumugi_app
  USING (user_id = (SELECT app.user_id()) OR (SELECT app.is_service()));
-- Written into one's own conversation only; the sub-select is itself under row level security.
CREATE POLICY messages_write ON chat.messages FOR INSERT TO tsumugi_app
  WITH CHECK ((SELECT app.is_service()) OR (user_id = (SELECT app.user_id()) AND role = 'user'
    AND EXISTS (SELECT 1 FROM chat.conversations c WHERE c.id = conversation_id AND c.user_id = (SELECT app.user_id()))));
CREATE POLICY generations_read ON chat.generations FOR SELECT TO tsumugi_app
  USING (user_id = (SELECT app.user_id()) OR (SELECT app.is_service()));
CREATE POLICY generations_start ON chat.generations FOR INSERT TO tsumugi_app
  WITH CHECK ((SELECT app.is_service()) OR (user_id = (SELECT app.user_id()) AND state = 'running'
    AND EXISTS (SELECT 1 FROM chat.conversations c WHERE c.id = conversation_id AND c.user_id = (SELECT app.user_id()))));
-- Only the server ends a generation: what it cost is not its user's to write.
CREATE POLICY generations_end ON chat.generations FOR UPDATE TO tsumugi_app
  USING ((SELECT app.is_service())) WITH CHECK ((SELECT app.is_service()));
