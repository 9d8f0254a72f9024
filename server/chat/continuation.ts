/**
 * The request that lets a model write on behind a text that was cut off: the prompt as the trace keeps it, and the text so far as
 * the beginning of the answer. Undefined where the prompt cannot be put together again.
 */

import { findConversation } from '../../db/chat/conversations.ts';
import { findTexts } from '../../db/chat/messages.ts';
import type { GenerationRow } from '../../db/chat/rows.ts';
import type { Database } from '../../db/client.ts';
import type { ChatRequest, ChatTurn } from '../llm/model.ts';
import type { MemoryAccess, Partners } from './needs.ts';
import { type StoredPart, type StoredTrace, toMessages } from './prompt.ts';

type Parts = { db: Database; partners: Partners; memory: Pick<MemoryAccess, 'findTexts'> };

export class Continuation {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async build(row: GenerationRow, soFar: string, tokensSoFar: number): Promise<ChatRequest | undefined> {
    const { db, partners, memory } = this.#parts;
    const trace = row.trace as StoredTrace;
    const left = trace.maxOutputTokens - tokensSoFar;
    const avatar = row.avatarId === null ? undefined : await partners.findActive(row.avatarId);
    if (left <= 0 || avatar === undefined) return undefined;
    const of = (kind: StoredPart['part']) => trace.parts.filter((part) => part.part === kind);
    const turnIds = of('turn').flatMap((part) => part.messageId ?? []);
    const [conversation, texts] = await db.asService((tx) =>
      Promise.all([findConversation(tx, row.conversationId), findTexts(tx, row.conversationId, turnIds)]),
    );
    if (conversation === undefined) return undefined;
    const memories = await memory.findTexts(
      row.userId,
      of('memory').flatMap((part) => part.memoryId ?? []),
    );
    const turns = of('turn').map((part): ChatTurn | undefined => {
      const content = part.messageId === undefined ? undefined : texts.get(part.messageId);
      return content === undefined ? undefined : { role: part.role, content };
    });
    if (turns.length === 0 || turns.includes(undefined)) return undefined;
    const dialogue = turns.filter((turn) => turn !== undefined);
    const { temperature, topP, seed, stop } = avatar.params;
    return {
      model: row.model,
      messages: [
        ...toMessages(avatar, conversation.lang, [...memories.values()], dialogue),
        ...(soFar === '' ? [] : [{ role: 'assistant' as const, content: soFar }]),
      ],
      maxOutputTokens: left,
      ...(temperature === undefined ? {} : { temperature }),
      ...(topP === undefined ? {} : { topP }),
      ...(seed === undefined ? {} : { seed }),
      ...(stop === undefined ? {} : { stop }),
    };
  }
}
