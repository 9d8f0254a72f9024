/** What PostgreSQL holds at the end of a run, read by the owner, past every rule of rows. */
import postgres from 'postgres';

export type StoredMessage = {
  id: string;
  conversationId: string;
  userId: string;
  parentId: string | null;
  role: string;
  text: string;
  clientMessageId: string | null;
  generationId: string | null;
  finishReason: string | null;
  tokensIn: number | null;
  tokensOut: number | null;
  createdAtMs: number;
};
export type StoredGeneration = {
  id: string;
  conversationId: string;
  userId: string;
  parentId: string;
  messageId: string;
  clientRequestId: string | null;
  epoch: number;
  owner: string;
  state: string;
  finishReason: string | null;
  errorCode: string | null;
  tokensIn: number | null;
  tokensOut: number | null;
};
export type StoredConversation = { id: string; userId: string; headMessageId: string | null };
export type StoredUsage = { userId: string; tokensIn: number; tokensOut: number; conversations: number };
export type StoredEntry = {
  id: string;
  seq: number;
  hash: string;
  from: string;
  to: string;
  asset: string;
  amount: number;
  purpose: string;
  status: string;
  generationId: string | null;
  conversationId: string | null;
  messageId: string | null;
};
export type StoredBalance = { accountId: string; asset: string; balance: number };
export type StoredAccount = { id: string; userId: string | null };
/** What is set aside, and what is decided and not yet booked: both are nothing when nothing runs. */
export type StoredOpen = { holds: number; pending: number };
export type StoredSpending = { accountId: string; held: number };

export type Stored = {
  messages: StoredMessage[];
  generations: StoredGeneration[];
  conversations: StoredConversation[];
  usage: StoredUsage[];
  entries: StoredEntry[];
  balances: StoredBalance[];
  accounts: StoredAccount[];
  open: StoredOpen;
  spending: StoredSpending[];
};

export async function readStored(ownerUrl: string): Promise<Stored> {
  const sql = postgres(ownerUrl, { max: 1, onnotice: () => {} });
  try {
    const messages = await sql<StoredMessage[]>`
      select id, conversation_id as "conversationId", user_id as "userId", parent_id as "parentId", role, text,
        client_message_id as "clientMessageId", generation_id as "generationId", finish_reason as "finishReason",
        tokens_in as "tokensIn", tokens_out as "tokensOut", (extract(epoch from created_at) * 1000)::float8 as "createdAtMs"
      from chat.messages`;
    const generations = await sql<StoredGeneration[]>`
      select id, conversation_id as "conversationId", user_id as "userId", parent_id as "parentId", message_id as "messageId",
        client_request_id as "clientRequestId", epoch, owner, state, finish_reason as "finishReason", error_code as "errorCode",
        tokens_in as "tokensIn", tokens_out as "tokensOut"
      from chat.generations`;
    const conversations = await sql<StoredConversation[]>`
      select id, user_id as "userId", head_message_id as "headMessageId" from chat.conversations`;
    const usage = await sql<StoredUsage[]>`
      select owner_id as "userId", sum(tokens_in)::float8 as "tokensIn", sum(tokens_out)::float8 as "tokensOut",
        sum(conv_count)::float8 as conversations
      from billing.usage_counters where owner_type = 'user' group by owner_id`;
    const entries = await sql<StoredEntry[]>`
      select id, seq::float8 as seq, encode(hash, 'hex') as hash, from_account as "from", to_account as "to", asset,
        token_amount::float8 as amount, purpose, status, generation_id as "generationId", conv_id as "conversationId",
        msg_id as "messageId"
      from billing.token_ledger`;
    const balances = await sql<StoredBalance[]>`
      select account_id as "accountId", asset, balance::float8 as balance from billing.account_balances`;
    const accounts = await sql<StoredAccount[]>`select id, owner_id as "userId" from billing.accounts`;
    // A gateway that dies between an early hold and its turn leaves a hold without an answer: it expires, some minutes later.
    const ofAbandonedTurn = sql`(h.state = 'held' and h.expires_at < now() + interval '11 minutes'
      and not exists (select from chat.generations g where g.id = h.id))`;
    const [open] = await sql<StoredOpen[]>`
      select (select count(*)::float8 from billing.holds h where not ${ofAbandonedTurn}) as holds, (select count(*)::float8 from billing.pending_entries) as pending`;
    const spending = await sql<StoredSpending[]>`
      select account_id as "accountId", (held_tokens + held_addon_tokens - coalesce((select sum(h.tokens + h.addon_tokens)
        from billing.holds h where h.account_id = s.account_id and ${ofAbandonedTurn}), 0))::float8 as held from billing.spending s`;
    return {
      messages: [...messages],
      generations: [...generations],
      conversations: [...conversations],
      usage: [...usage],
      entries: [...entries],
      balances: [...balances],
      accounts: [...accounts],
      open: open ?? { holds: 0, pending: 0 },
      spending: [...spending],
    };
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** How many answers are still being written, or booked. */
export async function countRunning(ownerUrl: string): Promise<number> {
  const sql = postgres(ownerUrl, { max: 1, onnotice: () => {} });
  try {
    const [row] = await sql<
      { running: number }[]
    >`select (select count(*) from chat.generations where state = 'running')::int
        + (select count(*) from billing.pending_entries)::int as running`;
    return row?.running ?? 0;
  } finally {
    await sql.end({ timeout: 5 });
  }
}
