-- At most 200 branches stand beside each other, counted where turns are written and nowhere else: every message carries the ids of all
-- of them, so without an end one question could make each page of its conversation as large as one likes.
--
-- `chat.begin_turn` as in migration 0022, and TU002 where one more branch is one too many. Then nothing is written, as with TU001.
CREATE OR REPLACE FUNCTION chat.begin_turn(
  conversation uuid, known_revision integer, question uuid, parent uuid, is_new boolean, said text, said_tokens integer,
  client_message text, new_title text, at timestamptz, generation uuid, payee uuid, reply uuid, client_request text,
  gateway text, model_name text, trace jsonb, tokens integer, is_first boolean)
RETURNS TABLE (new_revision integer, siblings uuid[]) LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  speaker uuid;
  gone timestamptz;
  is_full boolean;
  -- MAX_BRANCHES in protocol/primitives.ts.
  most CONSTANT integer := 200;
BEGIN
  UPDATE chat.conversations c SET head_message_id = question, revision = c.revision + 1, last_message_at = at,
    title = CASE WHEN c.title = '' THEN new_title ELSE c.title END
  WHERE c.id = conversation AND c.revision = known_revision
  RETURNING c.revision, c.user_id, c.deleted_at INTO new_revision, speaker, gone;
  IF new_revision IS NULL OR gone IS NOT NULL THEN
    RAISE EXCEPTION 'the conversation has changed' USING ERRCODE = 'TU001';
  END IF;
  IF is_new THEN
    INSERT INTO chat.messages (id, conversation_id, user_id, parent_id, role, text, token_count, client_message_id, created_at)
    VALUES (question, conversation, speaker, parent, 'user', said, said_tokens, client_message, at);
    siblings := CASE WHEN parent IS NULL
      THEN ARRAY(SELECT m.id FROM chat.messages m WHERE m.conversation_id = conversation AND m.parent_id IS NULL
        ORDER BY m.created_at, m.id)
      ELSE ARRAY(SELECT m.id FROM chat.messages m WHERE m.conversation_id = conversation AND m.parent_id = parent
        ORDER BY m.created_at, m.id) END;
    is_full := cardinality(siblings) > most;
  ELSE
    -- The answers, no further than it matters.
    is_full := most <= (SELECT count(*) FROM (
      SELECT FROM chat.messages m WHERE m.conversation_id = conversation AND m.parent_id = question LIMIT most) AS answers);
  END IF;
  -- Nobody adds one meanwhile: the row of the conversation is held, and one answer is written at a time.
  IF is_full THEN
    RAISE EXCEPTION 'there are % branches at this place', most USING ERRCODE = 'TU002';
  END IF;
  INSERT INTO chat.generations (id, conversation_id, user_id, payee_user_id, parent_id, message_id, client_request_id, owner,
    model, trace_json, prompt_tokens, first_turn, created_at)
  VALUES (generation, conversation, speaker, payee, question, reply, client_request, gateway,
    model_name, trace, tokens, is_first, at);
  RETURN NEXT;
END
$$;

-- `chat.read_views` as in migration 0038. The other branches of a message count 36 characters each for the length of the page: with two
-- hundred of them beside each of two hundred messages it was 1.5 MB. And they are looked up by equality: IS NOT DISTINCT FROM knows no
-- index, so that each message of a page cost as much as its conversation was long.
CREATE OR REPLACE FUNCTION chat.read_views(p_users uuid[], p_conversations uuid[], p_limits integer[], p_characters integer)
RETURNS TABLE (place integer, conversation json, messages json)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
  -- Within somebody's transaction it would go on with another person's rights.
  IF coalesce(current_setting('app.role', true), '') <> '' OR coalesce(current_setting('app.user_id', true), '') <> '' THEN
    RAISE insufficient_privilege USING MESSAGE = 'Reading for many people is a transaction of its own.';
  END IF;
  PERFORM set_config('app.role', 'user', true);
  FOR p_place IN 1 .. cardinality(p_users) LOOP
    PERFORM set_config('app.user_id', p_users[p_place]::text, true);
    RETURN QUERY
      WITH RECURSIVE found AS (
        SELECT c.id, c.avatar_id AS "avatarId", c.kind, c.lang, c.title, c.revision, c.head_message_id AS "headMessageId",
          (extract(epoch FROM c.started_at) * 1000)::float8 AS "startedAtMs",
          (extract(epoch FROM c.last_message_at) * 1000)::float8 AS "lastMessageAtMs",
          (SELECT g.id FROM chat.generations g WHERE g.conversation_id = c.id AND g.state = 'running') AS "runningGenerationId"
        FROM chat.conversations c
        WHERE c.id = p_conversations[p_place] AND coalesce(c.deleted_at, 'infinity') = 'infinity'
      ), branch AS (
        SELECT m.id, m.parent_id, there.siblings, 1 AS depth,
          length(m.text) + 36 * (cardinality(there.siblings) - 1) AS characters
        FROM found f
        JOIN chat.messages m ON m.conversation_id = p_conversations[p_place] AND m.id = f."headMessageId"
        CROSS JOIN LATERAL (SELECT CASE WHEN m.parent_id IS NULL
          THEN ARRAY(SELECT s.id FROM chat.messages s WHERE s.conversation_id = p_conversations[p_place] AND s.parent_id IS NULL
            ORDER BY s.created_at, s.id)
          ELSE ARRAY(SELECT s.id FROM chat.messages s WHERE s.conversation_id = p_conversations[p_place] AND s.parent_id = m.parent_id
            ORDER BY s.created_at, s.id) END OFFSET 0) AS there (siblings)
        UNION ALL
        SELECT m.id, m.parent_id, there.siblings, b.depth + 1,
          b.characters + length(m.text) + 36 * (cardinality(there.siblings) - 1)
        FROM branch b
        JOIN chat.messages m ON m.conversation_id = p_conversations[p_place] AND m.id = b.parent_id
        CROSS JOIN LATERAL (SELECT CASE WHEN m.parent_id IS NULL
          THEN ARRAY(SELECT s.id FROM chat.messages s WHERE s.conversation_id = p_conversations[p_place] AND s.parent_id IS NULL
            ORDER BY s.created_at, s.id)
          ELSE ARRAY(SELECT s.id FROM chat.messages s WHERE s.conversation_id = p_conversations[p_place] AND s.parent_id = m.parent_id
            ORDER BY s.created_at, s.id) END OFFSET 0) AS there (siblings)
        WHERE b.depth < p_limits[p_place] AND b.characters < p_characters
      ), page AS (
        SELECT b.depth, message FROM branch b JOIN LATERAL (
          SELECT m.id, m.conversation_id AS "conversationId", m.parent_id AS "parentId", m.role, m.text,
            m.token_count AS "tokenCount", m.client_message_id AS "clientMessageId", m.generation_id AS "generationId",
            m.finish_reason AS "finishReason", m.tokens_in AS "tokensIn", m.tokens_out AS "tokensOut",
            (extract(epoch FROM m.created_at) * 1000)::float8 AS "createdAtMs", b.siblings
          FROM chat.messages m WHERE m.id = b.id) AS message ON true
      )
      SELECT p_place, to_json(f), coalesce((SELECT json_agg(p.message ORDER BY p.depth DESC) FROM page p), '[]')
      FROM found f;
  END LOOP;
  PERFORM set_config('app.user_id', '', true), set_config('app.role', '', true);
END $$;
