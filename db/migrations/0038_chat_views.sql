-- Reads conversations as their readers are given them, each of one moment, for many people with one statement that is a transaction of
-- its own: when thousands come back at once, the BEGIN, context and COMMIT of each cost more than the reading. Each is read on behalf
-- of the one who asked, under the row security of that person, and with the rights of the caller. `p_limits`: messages at most, of
-- the end of the selected branch; the page also ends with the message that brings it to `p_characters`: two hundred of the longest
-- were 12 MB, which a client that stops reading could make the server hold for each of its sockets. What does not exist, is deleted
-- or is somebody else's has no row. The keys of `conversation` and `messages` are the fields of the rows in db/chat/rows.ts.
--
-- The conversation is looked up by its key alone; see migration 0022, also for the plans.
CREATE FUNCTION chat.read_views(p_users uuid[], p_conversations uuid[], p_limits integer[], p_characters integer)
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
        SELECT m.id, m.parent_id, 1 AS depth, length(m.text) AS characters FROM found f
        JOIN chat.messages m ON m.conversation_id = p_conversations[p_place] AND m.id = f."headMessageId"
        UNION ALL
        SELECT m.id, m.parent_id, b.depth + 1, b.characters + length(m.text) FROM branch b
        JOIN chat.messages m ON m.conversation_id = p_conversations[p_place] AND m.id = b.parent_id
        WHERE b.depth < p_limits[p_place] AND b.characters < p_characters
      ), page AS (
        SELECT b.depth, message FROM branch b JOIN LATERAL (
          SELECT m.id, m.conversation_id AS "conversationId", m.parent_id AS "parentId", m.role, m.text,
            m.token_count AS "tokenCount", m.client_message_id AS "clientMessageId", m.generation_id AS "generationId",
            m.finish_reason AS "finishReason", m.tokens_in AS "tokensIn", m.tokens_out AS "tokensOut",
            (extract(epoch FROM m.created_at) * 1000)::float8 AS "createdAtMs",
            ARRAY(SELECT s.id FROM chat.messages s
              WHERE s.conversation_id = m.conversation_id AND s.parent_id IS NOT DISTINCT FROM m.parent_id
              ORDER BY s.created_at, s.id) AS siblings
          FROM chat.messages m WHERE m.id = b.id) AS message ON true
      )
      SELECT p_place, to_json(f), coalesce((SELECT json_agg(p.message ORDER BY p.depth DESC) FROM page p), '[]')
      FROM found f;
  END LOOP;
  PERFORM set_config('app.user_id', '', true), set_config('app.role', '', true);
END $$;
