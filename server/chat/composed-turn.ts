/** A turn that is put together: what is written of it, and what the model is asked. */
import type { TurnRow } from '../../db/chat/rows.ts';
import type { NewTurn } from '../../db/chat/turns.ts';
import type { ChatRequest } from '../llm/model.ts';
import type { Generation } from './generation.ts';
import type { AssembledPrompt } from './prompt.ts';
import type { TurnContext } from './turn-contexts.ts';
import { type Intent, titleOf } from './turn-intent.ts';

/** A turn as it is to be written. `branch`: the turns from the question up, newest first. */
export type ComposedTurn = {
  generation: Generation;
  question: TurnRow & { parentId: string | null; isNew: boolean };
  branch: readonly TurnRow[];
  prompt: AssembledPrompt;
  request: ChatRequest;
  now: Date;
};

export function toNewTurn(context: TurnContext, intent: Intent, composed: ComposedTurn, owner: string): NewTurn {
  const { generation, question, prompt, now } = composed;
  const { facts } = generation;
  return {
    conversationId: context.conversationId,
    revision: context.revision,
    question,
    clientMessageId: intent.clientMessageId ?? null,
    title: titleOf(intent.text),
    at: now,
    generation: {
      ...facts,
      id: facts.generationId,
      clientRequestId: intent.clientRequestId ?? null,
      owner,
      trace: prompt.trace,
    },
  };
}
