/** Answers "why did it say that": the stored trace of a generation with its texts put back in. */

import { findConversation } from '../../db/chat/conversations.ts';
import { findGeneration } from '../../db/chat/generations.ts';
import { findTexts } from '../../db/chat/messages.ts';
import type { GenerationRow } from '../../db/chat/rows.ts';
import type { Database } from '../../db/client.ts';
import type { Trace, TracePart } from '../../protocol/chat.ts';
import { AppError } from '../errors.ts';
import type { Caller } from '../peer.ts';
import type { MemoryAccess, Partners } from './needs.ts';
import type { StoredPart, StoredTrace } from './prompt.ts';
import { withinTrace } from './trace-text.ts';
import { toWhy } from './trace-why.ts';

type Texts = {
  prompt: { systemPrompt: string; safetyRules: string } | undefined;
  messages: ReadonlyMap<string, string>;
  memories: ReadonlyMap<string, string>;
};

export class TraceReader {
  readonly #db: Database;
  readonly #partners: Partners;
  readonly #memory: MemoryAccess;

  constructor(db: Database, partners: Partners, memory: MemoryAccess) {
    this.#db = db;
    this.#partners = partners;
    this.#memory = memory;
  }

  /** @throws AppError `chat.generation_not_found`. */
  async read(caller: Caller, generationId: string): Promise<Trace> {
    const found = await this.#db.asUser(caller.userId, async (tx) => {
      const generation = await findGeneration(tx, generationId);
      if (generation === undefined) return undefined;
      // What was deleted is gone for its owner, too.
      if ((await findConversation(tx, generation.conversationId)) === undefined) return undefined;
      const stored = generation.trace as StoredTrace;
      const ids = stored.parts.flatMap((part) =>
        part.part === 'turn' && part.messageId !== undefined ? [part.messageId] : [],
      );
      return { generation, stored, messages: await findTexts(tx, generation.conversationId, ids) };
    });
    if (found === undefined) throw new AppError('chat.generation_not_found');
    const { generation, stored, messages } = found;
    const [prompt, memories] = await Promise.all([
      this.#promptText(caller.userId, generation, stored),
      this.#memory.findTexts(
        caller.userId,
        stored.parts.flatMap((part) => part.memoryId ?? []),
      ),
    ]);
    const { contextLimit, maxOutputTokens, tokensTotal } = stored;
    const left = stored.left.map((each) => ({ ...each, why: toWhy(each.why) }));
    const parts = withinTrace(stored.parts.map((part) => toPart(part, { prompt, messages, memories })));
    return { generationId, model: generation.model, contextLimit, maxOutputTokens, tokensTotal, parts, left };
  }

  async #promptText(userId: string, { avatarId }: GenerationRow, stored: StoredTrace): Promise<Texts['prompt']> {
    const version = stored.parts.find((part) => part.avatarPromptVersion !== undefined)?.avatarPromptVersion;
    return avatarId === null || version === undefined
      ? undefined
      : this.#partners.findPromptText(userId, avatarId, version);
  }
}

function toPart(stored: StoredPart, texts: Texts): TracePart {
  const { part, role, tokens, why, avatarPromptVersion, messageId, memoryId, score } = stored;
  const text = textOf(stored, texts) ?? '';
  return {
    part,
    role,
    tokens,
    why: toWhy(why),
    text,
    textLength: text.length,
    source: {
      ...(avatarPromptVersion === undefined ? {} : { avatarPromptVersion }),
      ...(messageId === undefined ? {} : { messageId }),
      ...(memoryId === undefined ? {} : { memoryId }),
      ...(score === undefined ? {} : { score }),
    },
  };
}

/** Undefined where the text is withheld (somebody else's prompt) or gone (a forgotten memory). */
function textOf({ part, messageId, memoryId }: StoredPart, texts: Texts): string | undefined {
  if (part === 'system') return texts.prompt?.systemPrompt;
  if (part === 'safety') return texts.prompt?.safetyRules;
  if (part === 'memory') return memoryId === undefined ? undefined : texts.memories.get(memoryId);
  return messageId === undefined ? undefined : texts.messages.get(messageId);
}
