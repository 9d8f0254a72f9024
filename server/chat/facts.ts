/** The fixed facts of a generation out of its row, for whoever did not start it. */
import type { GenerationRow } from '../../db/chat/rows.ts';
import type { GenerationFacts } from './generation.ts';
import type { StoredTrace } from './prompt.ts';

/** @param startedAtMs from when on the first token is waited for; 0 where that is not measured. */
export function factsOf(row: GenerationRow, startedAtMs = 0): GenerationFacts {
  const { conversationId, userId, payeeUserId, avatarId, parentId, messageId, epoch, model, promptTokens, firstTurn } =
    row;
  const sourceRefs = (row.trace as StoredTrace).parts.flatMap(({ memoryId, score }) =>
    memoryId === undefined ? [] : [{ memoryId, score: score ?? 0 }],
  );
  const generationId = row.id;
  return {
    generationId,
    conversationId,
    userId,
    payeeUserId,
    avatarId,
    parentId,
    messageId,
    epoch,
    model,
    promptTokens,
    firstTurn,
    sourceRefs,
    startedAtMs,
  };
}
