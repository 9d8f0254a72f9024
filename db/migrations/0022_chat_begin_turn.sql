-- Begins a turn with one statement: moves the selection, adds the message, starts the generation. Everything in it was made from
-- the conversation as it was at `known_revision`; when that has changed (or is gone) nothing is written and TU001 is raised, so
-- that what travels behind it in the same transaction does not count either. The revision rises with every change of the tree
-- and of the selection. Runs with the rights and the row security of its caller.
--
-- The conversation is looked up by its key alone: on a table without statistics the planner would take the partial index of
-- those that are not deleted, and read all of it. The plans are the same for all values, so none is made for a single call.
CREATE FUNCTION chat.begin_turn(
  conversation uuid, known_revision integer, question uuid, parent uuid, is_new boolean, said text, said_tokens integer,
  client_message text, new_title text, at timestamptz, generation uuid, payee uuid, reply uuid, client_request text,
  gateway text, model_name text, trace jsonb, tokens integer, is_first boolean)
RETURNS TABLE (new_revision integer, siblings uuid[]) LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  speaker uuid;
  gone timestamptz;
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
  END IF;
  INSERT INTO chat.generations (id, conversation_id, user_id, payee_user_id, parent_id, message_id, client_request_id, owner,
    model, trace_json, prompt_tokens, first_turn, created_at)
  VALUES (generation, conversation, speaker, payee, question, reply, client_request, gateway,
    model_name, trace, tokens, is_first, at);
  RETURN NEXT;
END
$$;

-- The server notes in the trace when fewer tokens than planned are paid for; the policy on updates is the server's alone.
GRANT UPDATE (trace_json) ON chat.generations TO tsumugi_app;
