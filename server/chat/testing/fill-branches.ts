import type { Database } from '../../../db/client.ts';
import { MAX_BRANCHES } from '../../../protocol/primitives.ts';

/** As if people had gone on for days: branches beside `messageId` until there are `count`, the newest of them as it was before. */
export async function fillBranches({ db }: { db: Database }, messageId: string, count = MAX_BRANCHES): Promise<void> {
  await db.asService(
    (tx) => tx.sql`
      with one as (select * from chat.messages where id = ${messageId}), there as (
        select count(*)::integer as count from chat.messages m, one
        where m.conversation_id = one.conversation_id and m.parent_id is not distinct from one.parent_id)
      insert into chat.messages (id, conversation_id, user_id, parent_id, role, text, token_count, generation_id, created_at)
      select gen_random_uuid(), one.conversation_id, one.user_id, one.parent_id, one.role, 'Number ' || n, 3,
        case when one.role = 'user' then null else gen_random_uuid() end, one.created_at - make_interval(secs => n)
      from one, there, generate_series(1, ${count} - there.count) as n`,
  );
}
