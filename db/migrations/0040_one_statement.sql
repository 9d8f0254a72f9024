-- For transactions that are one statement: says on whose behalf it runs, where nobody has said so before.
CREATE FUNCTION app.act_alone_as(p_role text, p_user uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  -- Within somebody's transaction it would go on with another person's rights.
  IF coalesce(nullif(current_setting('app.role', true), ''), nullif(current_setting('app.user_id', true), '')) IS NOT NULL THEN
    RAISE insufficient_privilege USING MESSAGE = 'This statement is a transaction of its own.';
  END IF;
  PERFORM set_config('app.role', p_role, true), set_config('app.user_id', p_user::text, true);
END $$;

-- A hold ahead of its turn: all of it or an error. It does not wait for the disk: the commit of the turn behind it does, and what that
-- finds on the disk has this before it. Without the turn nothing is charged. With one look at the usual case: granted tokens are enough, no cap is near, no organisation counts along and the
-- month is not over. Everything else is left to `billing.hold`. The balance is asked once more when the row is locked, by a statement
-- of its own, so that what others have booked while this one waited is seen.
CREATE FUNCTION billing.hold_ahead(p_generation uuid, p_user uuid, p_prompt bigint, p_max_output bigint, p_seconds integer)
RETURNS bigint LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  v_tokens bigint := p_prompt + p_max_output;
  v_account uuid;
  v_held bigint;
BEGIN
  PERFORM app.act_alone_as('service', p_user), set_config('synchronous_commit', 'off', true);
  WITH mine AS (
    UPDATE billing.spending x SET held_tokens = x.held_tokens + v_tokens
    FROM billing.accounts a
    WHERE a.owner_type = 'user' AND a.owner_id = p_user AND x.account_id = a.id
      AND x.organization_id IS NULL AND x.period_end > clock_timestamp()
      AND (x.cap_tokens IS NULL OR x.cap_tokens - x.used_tokens - x.held_tokens >= v_tokens)
      AND x.held_tokens + v_tokens <=
        (SELECT b.balance FROM billing.account_balances b WHERE b.account_id = x.account_id AND b.asset = 'token')
    RETURNING x.account_id, x.held_tokens),
  added AS (
    INSERT INTO billing.holds (id, account_id, tokens, addon_tokens, expires_at)
    SELECT p_generation, m.account_id, v_tokens, 0, clock_timestamp() + make_interval(secs => p_seconds) FROM mine m)
  SELECT m.account_id, m.held_tokens INTO v_account, v_held FROM mine m;
  IF v_account IS NULL THEN
    SELECT h.tokens + h.addon_tokens INTO v_held
    FROM billing.hold(p_generation, p_user, p_prompt, p_max_output, p_max_output, p_seconds, false) AS h;
    RETURN v_held;
  END IF;
  IF v_held > (SELECT b.balance FROM billing.account_balances b WHERE b.account_id = v_account AND b.asset = 'token') THEN
    RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'The tokens of an answer could not be held.', DETAIL = '{}';
  END IF;
  RETURN v_tokens;
END $$;

-- `chat.begin_turn` as a transaction of its own: the messages of BEGIN, the context and COMMIT cost more than the turn.
CREATE FUNCTION chat.begin_turn_alone(
  speaker uuid, conversation uuid, known_revision integer, question uuid, parent uuid, is_new boolean, said text, said_tokens integer,
  client_message text, new_title text, at timestamptz, generation uuid, payee uuid, reply uuid, client_request text,
  gateway text, model_name text, trace jsonb, tokens integer, is_first boolean)
RETURNS TABLE (new_revision integer, siblings uuid[]) LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
BEGIN
  PERFORM app.act_alone_as('user', speaker);
  RETURN QUERY SELECT b.new_revision, b.siblings FROM chat.begin_turn(conversation, known_revision, question, parent, is_new, said,
    said_tokens, client_message, new_title, at, generation, payee, reply, client_request, gateway, model_name, trace, tokens, is_first) AS b;
END $$;
