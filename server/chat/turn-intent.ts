/** What a command that asks for an answer means, before anything is looked up: the text, its place, and whether it came before. */
import { type EarlierStart, findByRequest, findBySentMessage } from '../../db/chat/generations.ts';
import type { ConversationRow } from '../../db/chat/rows.ts';
import type { Tx } from '../../db/client.ts';
import { MAX_BRANCHES } from '../../protocol/primitives.ts';
import type { UpReply } from '../../protocol/up.ts';
import { AppError } from '../errors.ts';
import type { TurnContext } from './turn-contexts.ts';

export type Started = UpReply<'chat.send'>;

/** What is to be answered: a new message, or one that stands already. */
export type Intent = {
  text: string;
  /** Undefined: not counted yet. */
  textTokens: number | undefined;
  /** Undefined: below the head. */
  parentId: string | null | undefined;
  /** The field of the command that says where; errors name it. */
  placeField: 'messageId' | 'parentId';
  /** Set when an existing message of the user is answered again. */
  answerTo: string | undefined;
  clientMessageId: string | undefined;
  clientRequestId: string | undefined;
  expectedRevision: number | undefined;
};

const TITLE_LENGTH = 60;

export function findEarlier(
  tx: Tx,
  conversationId: string,
  intent: Intent,
): Promise<EarlierStart | undefined> | undefined {
  if (intent.clientMessageId !== undefined) return findBySentMessage(tx, conversationId, intent.clientMessageId);
  if (intent.clientRequestId !== undefined) return findByRequest(tx, conversationId, intent.clientRequestId);
  return undefined;
}

/** Whether the turn begins at the conversation's head as `context` knows it. What differs may be newer than that: it is read. */
export function fits(context: Pick<TurnContext, 'headMessageId' | 'revision'>, intent: Intent): boolean {
  const { parentId, answerTo, expectedRevision } = intent;
  return (
    answerTo === undefined &&
    (parentId === undefined || parentId === context.headMessageId) &&
    (expectedRevision === undefined || expectedRevision === context.revision)
  );
}

/** The answer that the first of several equal commands got. */
export function sameStart(earlier: EarlierStart, intent: Intent, conversation: ConversationRow): Started {
  const { messageId, generationId, replyMessageId } = earlier;
  const differs = intent.clientMessageId === undefined ? messageId !== intent.answerTo : earlier.text !== intent.text;
  if (differs || generationId === null || replyMessageId === null) throw new AppError('chat.client_message_conflict');
  return { messageId, generationId, replyMessageId, revision: conversation.revision };
}

/** Text that can be stored exactly and says something. */
export function checkText(text: string): string {
  if (text.includes('\0') || !text.isWellFormed()) throw AppError.invalid('text', 'well-formed Unicode without U+0000');
  if (text.trim() === '') throw AppError.invalid('text', 'more than white space');
  return text;
}

/** @throws AppError `protocol.invalid_body` for an id that cannot be stored as it is. */
export function checkClientMessageId(id: string | undefined): void {
  if (id !== undefined && (id.includes('\0') || !id.isWellFormed()))
    throw AppError.invalid('clientMessageId', 'well-formed Unicode without U+0000');
}

export function tooManyBranches({ placeField }: Intent): AppError {
  return new AppError('chat.too_many_branches', { field: placeField, limit: MAX_BRANCHES });
}

export function titleOf(text: string): string {
  const line = text.trim().split('\n', 1)[0] ?? '';
  const characters = [...line];
  return characters.length <= TITLE_LENGTH ? line : `${characters.slice(0, TITLE_LENGTH - 1).join('')}…`;
}
