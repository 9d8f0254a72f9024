/** Beginning a turn: the one statement that every answer waits for. */
import type postgres from 'postgres';
import type { Statement, Tx } from '../client.ts';

export type NewTurn = {
  conversationId: string;
  /** The revision of the conversation that everything else here was made from. */
  revision: number;
  /** The message of the user that is answered; `isNew` where it is written now. */
  question: { id: string; parentId: string | null; isNew: boolean; text: string; tokenCount: number };
  clientMessageId: string | null;
  /** Given to a conversation that has none. */
  title: string;
  at: Date;
  generation: {
    id: string;
    payeeUserId: string | null;
    messageId: string;
    clientRequestId: string | null;
    owner: string;
    model: string;
    trace: unknown;
    promptTokens: number;
    firstTurn: boolean;
  };
};
/** `siblings`: the branches at the place of a new message, in order of creation. */
export type BegunTurn = { revision: number; siblings: string[] };

/**
 * @throws an error for which `isOvertaken` is true when somebody else was quicker, or `isFull` when one more branch is one too many
 *   at the place of the message, or of the answer to one that stands already.
 */
export async function beginTurn(tx: Tx, turn: NewTurn): Promise<BegunTurn> {
  return toBegun(
    await tx.sql<Row[]>`select new_revision as revision, siblings from chat.begin_turn(${argumentsOf(tx.sql, turn)})`,
  );
}

/** The same as a person's own transaction of this one statement; outside of any other. */
export async function beginTurnAlone({ sql }: Statement, userId: string, turn: NewTurn): Promise<BegunTurn> {
  return toBegun(
    await sql<Row[]>`
      select new_revision as revision, siblings from chat.begin_turn_alone(${userId}, ${argumentsOf(sql, turn)})`,
  );
}

type Row = { revision: number; siblings: string[] | null };
const toBegun = ([row]: readonly Row[]): BegunTurn => ({
  revision: row?.revision ?? 0,
  siblings: row?.siblings ?? [],
});

function argumentsOf(sql: postgres.ISql, { question, generation, ...turn }: NewTurn) {
  return sql`${turn.conversationId}, ${turn.revision}, ${question.id}, ${question.parentId}, ${question.isNew}, ${question.text},
    ${question.tokenCount}, ${turn.clientMessageId}, ${turn.title}, ${turn.at.toISOString()}, ${generation.id},
    ${generation.payeeUserId}, ${generation.messageId}, ${generation.clientRequestId}, ${generation.owner}, ${generation.model},
    ${sql.json(generation.trace as never)}, ${generation.promptTokens}, ${generation.firstTurn}`;
}

const OVERTAKEN = 'TU001';
const FULL = 'TU002';
const UNIQUE_VIOLATION = '23505';
/** The same command was faster, or another answer. */
const races: ReadonlySet<unknown> = new Set([
  'messages_conversation_id_client_message_id_key',
  'generations_conversation_id_client_request_id_key',
  'generations_one_running',
]);

/** True when the conversation is not as it was known any more: whoever reads it again finds out what has happened. */
export function isOvertaken(error: unknown): boolean {
  if (typeof error !== 'object' || error === null || !('code' in error)) return false;
  if (error.code === OVERTAKEN) return true;
  return error.code === UNIQUE_VIOLATION && 'constraint_name' in error && races.has(error.constraint_name);
}

/** True when there are as many branches as there may be. */
export function isFull(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === FULL;
}

/** True when PostgreSQL itself has refused: nothing of the transaction counts. Of every other failure nobody knows. */
export function wasRolledBack(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'severity' in error && error.severity === 'ERROR';
}

/** Notes in the trace that fewer tokens than planned are paid for; a gateway that takes over keeps to it. */
export async function shortenAnswer(tx: Tx, generationId: string, maxOutputTokens: number): Promise<void> {
  await tx.sql`
    update chat.generations set trace_json = jsonb_set(trace_json, '{maxOutputTokens}', to_jsonb(${maxOutputTokens}::integer))
    where id = ${generationId}`;
}
