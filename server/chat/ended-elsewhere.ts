/** An answer that has ended, on another gateway or before a restart, put together again for a reader who has part of it. */

import { findGeneration } from '../../db/chat/generations.ts';
import { findMessage } from '../../db/chat/messages.ts';
import type { Tx } from '../../db/client.ts';
import type { LiveStore } from '../../db/live/live-store.ts';
import { type ErrorCode, errorCodes } from '../../protocol/error-code.ts';
import { factsOf } from './facts.ts';
import { Generation } from './generation.ts';
import type { DoneBody } from './settler.ts';

/**
 * @param revision of the conversation now.
 * @returns undefined when it still runs, is not this conversation's, or its log is not kept any more.
 */
export async function findEnded(
  tx: Tx,
  live: Pick<LiveStore, 'readLog'>,
  conversation: { id: string; revision: number },
  generationId: string,
): Promise<{ generation: Generation; done: DoneBody } | undefined> {
  const row = await findGeneration(tx, generationId);
  if (row === undefined || row.state !== 'ended' || row.finishReason === null || row.conversationId !== conversation.id)
    return undefined;
  const message = await findMessage(tx, row.messageId);
  const generation = new Generation(factsOf(row), await live.readLog(generationId, -1));
  if (generation.text !== (message?.text ?? '')) return undefined;
  generation.end = { finishReason: 'stop', usage: undefined, error: undefined, stopped: false };
  const { ledgerSeq, ledgerHash } = row;
  const done: DoneBody = {
    conversationId: conversation.id,
    generationId,
    messageId: message?.id ?? null,
    finishReason: row.finishReason,
    usage: { tokensIn: row.tokensIn ?? 0, tokensOut: row.tokensOut ?? 0 },
    ledger: ledgerSeq === null || ledgerHash === null ? null : { seq: ledgerSeq, hash: ledgerHash },
    length: generation.length,
    revision: conversation.revision,
    ...(row.errorCode === null
      ? {}
      : { error: { code: row.errorCode, message: errorCodes[row.errorCode as ErrorCode]?.says ?? '' } }),
  };
  return { generation, done };
}
