/** Rows of the schema chat as the queries give them. Times are milliseconds since the epoch. */
import type { FinishReason } from '../../protocol/chat.ts';

export type ConversationRow = {
  id: string;
  avatarId: string | null;
  kind: 'conversation' | 'diary' | 'character';
  lang: 'en' | 'ja';
  title: string;
  revision: number;
  headMessageId: string | null;
  startedAtMs: number;
  lastMessageAtMs: number | null;
  runningGenerationId: string | null;
};

export type MessageRow = {
  id: string;
  conversationId: string;
  parentId: string | null;
  role: 'user' | 'ai' | 'character';
  text: string;
  tokenCount: number;
  clientMessageId: string | null;
  generationId: string | null;
  finishReason: FinishReason | null;
  tokensIn: number | null;
  tokensOut: number | null;
  createdAtMs: number;
  siblings: string[];
};

/** A turn as the assembly of a prompt needs it. */
export type TurnRow = { id: string; role: 'user' | 'ai' | 'character'; text: string; tokenCount: number };

export type GenerationRow = {
  id: string;
  conversationId: string;
  userId: string;
  payeeUserId: string | null;
  parentId: string;
  messageId: string;
  epoch: number;
  state: 'running' | 'ended';
  finishReason: FinishReason | null;
  model: string;
  promptTokens: number;
  firstTurn: boolean;
  trace: unknown;
  avatarId: string | null;
  /** Name of the gateway that writes it, or wrote it last. */
  owner: string;
  errorCode: string | null;
  tokensIn: number | null;
  tokensOut: number | null;
};
