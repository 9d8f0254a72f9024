/** Reads where a turn is to begin, in one round trip and without locks: what was read is compared when the turn is written. */
import { findConversation } from '../../db/chat/conversations.ts';
import { countBranches, findRole, recentTurns } from '../../db/chat/messages.ts';
import type { Tx } from '../../db/client.ts';
import { MAX_BRANCHES } from '../../protocol/primitives.ts';
import { AppError } from '../errors.ts';
import type { TurnContext } from './turn-contexts.ts';
import { findEarlier, type Intent, type Started, sameStart } from './turn-intent.ts';

/**
 * `running`: the answer that is being written in the conversation. `turns` end where the turn is to begin. `branches`: how many stand
 * there already, as far as it matters; undefined where the turn goes on at the head.
 */
export type TurnPlace = TurnContext & { running: string | null; branches: number | undefined };

/**
 * @param where.userId whose transaction it is: row level security shows him his own conversations only.
 * @returns the place, or what an earlier command of the same id has started.
 * @throws AppError `chat.conversation_not_found`, `chat.message_not_found` for a parent that is not there,
 *   `chat.client_message_conflict`.
 */
export async function readPlace(
  tx: Tx,
  where: { userId: string; conversationId: string; historyTokens: number; maxTurns: number },
  intent: Intent,
): Promise<TurnPlace | { started: Started }> {
  const { userId, conversationId, historyTokens, maxTurns } = where;
  const historyEnd = intent.answerTo === undefined ? intent.parentId : intent.answerTo;
  // In this order: whatever changes behind the first of them raises the revision that it has read.
  const [conversation, earlier, turns, parentRole, branches] = await Promise.all([
    findConversation(tx, conversationId),
    findEarlier(tx, conversationId, intent),
    recentTurns(tx, conversationId, historyEnd, historyTokens, maxTurns),
    intent.parentId == null ? undefined : findRole(tx, conversationId, intent.parentId),
    historyEnd === undefined ? undefined : countBranches(tx, conversationId, historyEnd, MAX_BRANCHES),
  ]);
  if (conversation === undefined || conversation.avatarId === null) throw new AppError('chat.conversation_not_found');
  if (earlier !== undefined) return { started: sameStart(earlier, intent, conversation) };
  if (intent.parentId != null && parentRole === undefined)
    throw new AppError('chat.message_not_found', { field: 'parentId' });
  const { avatarId, lang, revision, headMessageId, runningGenerationId } = conversation;
  return {
    conversationId,
    userId,
    avatarId,
    lang,
    revision,
    headMessageId,
    turns,
    running: runningGenerationId,
    branches,
  };
}
