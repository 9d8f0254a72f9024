/** An answer whose end was committed on another gateway, before a restart, or unheard: put together again from what is stored. */

import { findConversation } from '../../db/chat/conversations.ts';
import { findGeneration } from '../../db/chat/generations.ts';
import { findMessage } from '../../db/chat/messages.ts';
import type { GenerationRow, MessageRow } from '../../db/chat/rows.ts';
import type { Tx } from '../../db/client.ts';
import type { LiveStore } from '../../db/live/live-store.ts';
import type { LedgerRef } from '../../protocol/chat.ts';
import { type ErrorCode, errorCodes } from '../../protocol/error-code.ts';
import { factsOf } from './facts.ts';
import { Generation } from './generation.ts';
import type { Billing } from './needs.ts';
import type { DoneBody } from './settler.ts';

/**
 * @param revision of the conversation now.
 * @returns undefined when it still runs, is not in the ledger yet, is not this conversation's, or its log is not kept any more.
 */
export async function findEnded(
  tx: Tx,
  billing: Pick<Billing, 'findPaid'>,
  live: Pick<LiveStore, 'readLog'>,
  conversation: { id: string; revision: number },
  generationId: string,
): Promise<{ generation: Generation; done: DoneBody } | undefined> {
  const row = await findGeneration(tx, generationId);
  if (row === undefined || row.state !== 'ended' || row.finishReason === null || row.conversationId !== conversation.id)
    return undefined;
  const [message, paid] = await Promise.all([findMessage(tx, row.messageId), billing.findPaid(tx, row.id)]);
  if (paid === 'pending') return undefined;
  const generation = new Generation(factsOf(row), await live.readLog(generationId, -1));
  if (generation.text !== (message?.text ?? '')) return undefined;
  generation.end = { finishReason: 'stop', usage: undefined, error: undefined, stopped: false };
  return { generation, done: toDone(row, row.finishReason, message, conversation.revision, paid) };
}

/** How an answer ended; undefined while it runs, or is not in the ledger yet. */
export async function findDone(
  tx: Tx,
  billing: Pick<Billing, 'findPaid'>,
  generationId: string,
): Promise<{ epoch: number; done: DoneBody } | undefined> {
  const row = await findGeneration(tx, generationId);
  if (row === undefined || row.state !== 'ended' || row.finishReason === null) return undefined;
  const [message, conversation, paid] = await Promise.all([
    findMessage(tx, row.messageId),
    findConversation(tx, row.conversationId),
    billing.findPaid(tx, row.id),
  ]);
  if (paid === 'pending') return undefined;
  return { epoch: row.epoch, done: toDone(row, row.finishReason, message, conversation?.revision ?? 0, paid) };
}

function toDone(
  row: GenerationRow,
  finishReason: DoneBody['finishReason'],
  message: MessageRow | undefined,
  revision: number,
  paid: LedgerRef | undefined,
): DoneBody {
  return {
    conversationId: row.conversationId,
    generationId: row.id,
    messageId: message?.id ?? null,
    finishReason,
    usage: { tokensIn: row.tokensIn ?? 0, tokensOut: row.tokensOut ?? 0 },
    ledger: paid ?? null,
    length: message?.text.length ?? 0,
    revision,
    ...(row.errorCode === null
      ? {}
      : { error: { code: row.errorCode, message: errorCodes[row.errorCode as ErrorCode]?.says ?? '' } }),
  };
}
