/**
 * What the model is told: the avatar's prompt and safety rules, what is remembered, and the recent turns, within the context of
 * the model. Pure; every decision leaves a line in the trace. Refuses a prompt that cannot fit.
 */
import { createHash } from 'node:crypto';
import type { TurnRow } from '../../db/chat/rows.ts';
import type { TraceWhy } from '../../protocol/chat.ts';
import { AppError } from '../errors.ts';
import type { ChatRequest, ChatTurn } from '../llm/model.ts';
import type { PartnerAvatar, RetrievedMemory } from './needs.ts';

/** Tokens that the wire format of a chat adds to every message (role and separators). */
const MESSAGE_OVERHEAD = 4;
/** What it adds once, for the answer to begin. */
const REPLY_OVERHEAD = 3;
/** No answer is worth starting with less room than this. */
export const LEAST_OUTPUT_TOKENS = 16;

/** The trace as it is stored: texts stay where they are and are referred to. */
export type StoredPart = {
  part: 'system' | 'safety' | 'memory' | 'turn';
  role: 'system' | 'user' | 'assistant';
  tokens: number;
  why: TraceWhy;
  avatarPromptVersion?: number;
  messageId?: string;
  memoryId?: string;
  score?: number;
};
export type StoredTrace = {
  contextLimit: number;
  maxOutputTokens: number;
  tokensTotal: number;
  parts: StoredPart[];
  left: { part: string; count: number; tokens: number; why: TraceWhy }[];
};

export type PromptInput = {
  avatar: PartnerAvatar;
  lang: 'en' | 'ja';
  systemTokens: number;
  safetyTokens: number;
  /** Best first, with their tokens. */
  memories: readonly (RetrievedMemory & { tokens: number })[];
  /** Why there are none, for the trace. */
  memoryNote: TraceWhy | undefined;
  /** Newest first; the first one is the message that is answered. */
  turns: readonly TurnRow[];
  contextLimit: number;
  maxOutputTokens: number;
  /** Most tokens that turns before the newest may take. */
  historyTokens: number;
  memoryTokens: number;
};
export type AssembledPrompt = { messages: ChatTurn[]; trace: StoredTrace; maxOutputTokens: number };

/** @throws AppError `chat.prompt_too_long` when prompt, rules and the newest message leave no room for an answer. */
export function assemblePrompt(input: PromptInput): AssembledPrompt {
  const [newest, ...older] = input.turns;
  if (newest === undefined) throw new Error('a prompt needs the message that is answered');
  const fixed = input.systemTokens + input.safetyTokens + newest.tokenCount + 2 * MESSAGE_OVERHEAD + FRAME_TOKENS;
  const room = input.contextLimit - fixed;
  if (room < LEAST_OUTPUT_TOKENS) {
    throw new AppError('chat.prompt_too_long', { contextLimit: input.contextLimit, promptTokens: fixed });
  }
  const wanted = Math.min(input.maxOutputTokens, room);
  // An avatar that asks for very long answers shall not forget the dialogue for them: half of the room is kept for that.
  let free = room - Math.min(wanted, Math.max(LEAST_OUTPUT_TOKENS, Math.ceil(room / 2)));

  const memories = takeWithin(
    withoutTurns(input.memories, input.turns),
    (memory) => memory.tokens + BULLET_TOKENS,
    Math.min(free, input.memoryTokens) - headingTokens(input.lang),
  );
  free -= memories.used;
  const history = takeWithin(older, (turn) => turn.tokenCount + MESSAGE_OVERHEAD, Math.min(free, input.historyTokens));
  const turns = [newest, ...history.taken].reverse();
  const maxOutputTokens = Math.min(wanted, room - memories.used - history.used);

  const trace = toTrace(input, memories, history, turns, maxOutputTokens);
  const remembered = memories.taken.map((memory) => memory.text);
  const dialogue = turns.map((turn): ChatTurn => ({ role: roleOf(turn), content: turn.text }));
  return { messages: toMessages(input.avatar, input.lang, remembered, dialogue), trace, maxOutputTokens };
}

/**
 * Everything as the model gets it. Neighbours of one role are joined: behind an answer that failed stand two messages of the person,
 * and models whose templates want the roles to alternate refuse those.
 */
export function toMessages(
  avatar: Pick<PartnerAvatar, 'name' | 'systemPrompt' | 'safetyRules'>,
  lang: 'en' | 'ja',
  memories: readonly string[],
  dialogue: readonly ChatTurn[],
): ChatTurn[] {
  const blocks = [systemText(avatar, lang), avatar.safetyRules, memoryText(memories, lang)];
  const messages: ChatTurn[] = [{ role: 'system', content: blocks.filter((block) => block !== '').join('\n\n') }];
  for (const { role, content } of dialogue) {
    const last = messages.at(-1);
    if (last?.role === role) last.content += `\n\n${content}`;
    else messages.push({ role, content });
  }
  return messages;
}

const roleOf = (turn: TurnRow): 'user' | 'assistant' => (turn.role === 'user' ? 'user' : 'assistant');

/**
 * No prompt that is made of these has more tokens, whatever is remembered for it: known before anything is counted or retrieved.
 * No token is shorter than a byte of UTF-8.
 */
export function promptBound(
  input: Pick<PromptInput, 'systemTokens' | 'safetyTokens' | 'contextLimit' | 'historyTokens' | 'memoryTokens'> & {
    text: string;
    /** Those before the text. */
    turns: readonly TurnRow[];
  },
): number {
  const history = sum(input.turns.map((turn) => turn.tokenCount + MESSAGE_OVERHEAD));
  const frame = 2 * MESSAGE_OVERHEAD + REPLY_OVERHEAD + SEPARATOR_TOKENS;
  const dialogue = Buffer.byteLength(input.text) + Math.min(history, input.historyTokens) + frame;
  return Math.min(input.contextLimit, input.systemTokens + input.safetyTokens + input.memoryTokens + dialogue);
}

/** The avatar's own prompt, with its name where the prompt does not say it, and the language of the conversation. */
export function systemText(avatar: Pick<PartnerAvatar, 'name' | 'systemPrompt'>, lang: 'en' | 'ja'): string {
  const named = avatar.systemPrompt.includes(avatar.name);
  const name = lang === 'ja' ? `あなたの名前は「${avatar.name}」です。` : `Your name is ${avatar.name}.`;
  const language = lang === 'ja' ? '会話は日本語で行います。' : 'The conversation is in English.';
  return [...(named ? [] : [name]), avatar.systemPrompt, language].join('\n');
}

/** The heading of the memories, and what stands before each of them: a line break mostly melts into the full stop before it. */
const HEADING_TOKENS = { en: 11, ja: 16 };
const BULLET_TOKENS = 1;
/** Parts the blocks of the system message. */
const SEPARATOR_TOKENS = 1;
/** Part of what memories may take. */
const headingTokens = (lang: 'en' | 'ja') => HEADING_TOKENS[lang] + SEPARATOR_TOKENS;
/** Room for the heading, for what parts the blocks and for what the wire format adds. */
const FRAME_TOKENS = 48;

type Fitted<T> = { taken: T[]; left: T[]; used: number };

/** Takes from the front as long as the budget lasts; stops at the first that does not fit, so that no turn is skipped. */
function takeWithin<T>(items: readonly T[], costOf: (item: T) => number, budget: number): Fitted<T> {
  let used = 0;
  let count = 0;
  for (const item of items) {
    const cost = costOf(item);
    if (used + cost > budget) break;
    used += cost;
    count += 1;
  }
  return { taken: items.slice(0, count), left: items.slice(count), used };
}

/** What stands in the dialogue anyway needs no reminder. */
function withoutTurns<T extends RetrievedMemory>(memories: readonly T[], turns: readonly TurnRow[]): T[] {
  const inDialogue = new Set(turns.map((turn) => turn.id));
  return memories.filter(({ source }) => source.messageId === undefined || !inDialogue.has(source.messageId));
}

function memoryText(memories: readonly string[], lang: 'en' | 'ja'): string {
  if (memories.length === 0) return '';
  const heading =
    lang === 'ja'
      ? '覚えていること（必要なときだけ自然に触れる）:'
      : 'What you remember (mention it only where it fits):';
  return [heading, ...memories.map((text) => `- ${text.replaceAll('\n', ' ')}`)].join('\n');
}

function toTrace(
  input: PromptInput,
  memories: Fitted<RetrievedMemory & { tokens: number }>,
  history: Fitted<TurnRow>,
  turns: readonly TurnRow[],
  maxOutputTokens: number,
): StoredTrace {
  const { promptVersion, safetyRules } = input.avatar;
  const parts: StoredPart[] = [
    {
      part: 'system',
      role: 'system',
      tokens: input.systemTokens,
      why: 'active_prompt',
      avatarPromptVersion: promptVersion,
    },
  ];
  if (safetyRules !== '') {
    parts.push({
      part: 'safety',
      role: 'system',
      tokens: input.safetyTokens,
      why: 'safety_rules',
      avatarPromptVersion: promptVersion,
    });
  }
  for (const { memoryId, score, tokens, source } of memories.taken) {
    parts.push({
      part: 'memory',
      role: 'system',
      tokens,
      why: 'similar_memory',
      memoryId,
      score,
      ...(source.messageId === undefined ? {} : { messageId: source.messageId }),
    });
  }
  for (const turn of turns) {
    const why = turn === turns.at(-1) ? 'answered_message' : 'recent_turn';
    parts.push({
      part: 'turn',
      role: roleOf(turn),
      tokens: turn.tokenCount,
      why,
      messageId: turn.id,
    });
  }
  const count = memories.taken.length;
  const memoryFrame = count === 0 ? 0 : headingTokens(input.lang) + BULLET_TOKENS * count;
  const frame =
    MESSAGE_OVERHEAD * (turns.length + 1) + REPLY_OVERHEAD + (safetyRules === '' ? 0 : SEPARATOR_TOKENS) + memoryFrame;
  const tokensTotal = sum(parts.map((part) => part.tokens)) + frame;
  const left: StoredTrace['left'] = [];
  const note = (part: string, count: number, tokens: number, why: TraceWhy) => left.push({ part, count, tokens, why });
  if (history.left.length > 0)
    note('turn', history.left.length, sum(history.left.map((turn) => turn.tokenCount)), 'older_turns_over_budget');
  if (memories.left.length > 0)
    note('memory', memories.left.length, sum(memories.left.map((memory) => memory.tokens)), 'memories_over_budget');
  if (input.memoryNote !== undefined) note('memory', 0, 0, input.memoryNote);
  return { contextLimit: input.contextLimit, maxOutputTokens, tokensTotal, parts, left };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

/** What the model is sent; the provider gets a pseudonym of the user. */
export function toRequest(
  model: string,
  prompt: AssembledPrompt,
  { params }: PartnerAvatar,
  userId: string,
): ChatRequest {
  return {
    model,
    messages: prompt.messages,
    maxOutputTokens: prompt.maxOutputTokens,
    ...(params.temperature === undefined ? {} : { temperature: params.temperature }),
    ...(params.topP === undefined ? {} : { topP: params.topP }),
    ...(params.seed === undefined ? {} : { seed: params.seed }),
    ...(params.stop === undefined ? {} : { stop: params.stop }),
    user: createHash('sha256').update(`tsumugi:${userId}`).digest('hex').slice(0, 32),
  };
}
