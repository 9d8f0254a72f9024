/**
 * What a turn is made of besides the dialogue: the avatar, the memories that fit, and token counts. Keeps small caches, so that
 * a turn costs one transaction and no more.
 */
import type { TraceWhy } from '../../protocol/chat.ts';
import { AppError } from '../errors.ts';
import type { ChatLog, MemoryAccess, PartnerAvatar, Partners, RetrievedMemory, TokenMeter } from './needs.ts';
import { systemText } from './prompt.ts';

const TOP_MEMORIES = 8;
const CACHE_ENTRIES = 5_000;

export type Gathered = { memories: (RetrievedMemory & { tokens: number })[]; note: TraceWhy | undefined };

export class TurnMaterials {
  readonly #partners: Partners;
  readonly #memory: MemoryAccess;
  readonly #meter: TokenMeter;
  readonly #log: ChatLog;
  readonly #model: string;
  /** Whose a conversation is, and with which avatar: neither ever changes. */
  readonly #partnerOf = new Map<string, { userId: string; avatarId: string }>();
  /** Tokens of texts that come again: prompts by avatar, version and language; memories by id. */
  readonly #tokens = new Map<string, number>();

  constructor(parts: { partners: Partners; memory: MemoryAccess; meter: TokenMeter; log: ChatLog; model: string }) {
    this.#partners = parts.partners;
    this.#memory = parts.memory;
    this.#meter = parts.meter;
    this.#log = parts.log;
    this.#model = parts.model;
  }

  /** Undefined when it is not known yet, or not this user's. */
  avatarOf(conversationId: string, userId: string): string | undefined {
    const partner = this.#partnerOf.get(conversationId);
    return partner?.userId === userId ? partner.avatarId : undefined;
  }

  /** @param userId whose conversation it is, as row level security has shown. */
  noteAvatar(conversationId: string, userId: string, avatarId: string | null): void {
    if (avatarId !== null) keep(this.#partnerOf, conversationId, { userId, avatarId });
  }

  /**
   * The avatar as it is now: a new version of its prompt holds from the next turn on.
   * @throws AppError `companion.avatar_not_found` when the caller may not talk with it any more.
   */
  async getAvatar(avatarId: string, userId: string): Promise<PartnerAvatar> {
    const avatar = await this.#partners.findActive(avatarId);
    if (avatar === undefined || avatar.deleted || (avatar.private && avatar.ownerUserId !== userId)) {
      throw new AppError('companion.avatar_not_found');
    }
    return avatar;
  }

  /** Memories for a message. A failure of the search costs the turn its memories, never its answer. */
  async gather(userId: string, avatarId: string, text: string): Promise<Gathered> {
    try {
      const memories = await this.#memory.retrieve({ userId, avatarId, text, top: TOP_MEMORIES });
      if (memories.length === 0) return { memories: [], note: 'no_similar_memory' };
      const tokens = await this.#count(memories.map((memory) => [`memory:${memory.memoryId}`, memory.text]));
      return {
        memories: memories.map((memory, index) => ({ ...memory, tokens: tokens[index] ?? 0 })),
        note: undefined,
      };
    } catch (error) {
      this.#log.warn({ error }, 'memories could not be searched; the turn goes on without them');
      return { memories: [], note: 'memory_search_unavailable' };
    }
  }

  async promptTokens(
    avatar: PartnerAvatar,
    lang: 'en' | 'ja',
  ): Promise<{ systemTokens: number; safetyTokens: number }> {
    const key = promptKey(avatar, lang);
    const [systemTokens, safetyTokens] = await this.#count([
      [`${key}:system`, systemText(avatar, lang)],
      [`${key}:safety`, avatar.safetyRules],
    ]);
    return { systemTokens: systemTokens ?? 0, safetyTokens: safetyTokens ?? 0 };
  }

  /** What `promptTokens` says where that is known, and no less than it where it is not: no token is shorter than a byte. */
  boundOf(avatar: PartnerAvatar, lang: 'en' | 'ja'): { systemTokens: number; safetyTokens: number } {
    const key = promptKey(avatar, lang);
    const bound = (name: string, text: string) => this.#tokens.get(`${key}:${name}`) ?? Buffer.byteLength(text);
    return {
      systemTokens: bound('system', systemText(avatar, lang)),
      safetyTokens: bound('safety', avatar.safetyRules),
    };
  }

  async #count(keyed: readonly (readonly [key: string, text: string])[]): Promise<number[]> {
    const missing = keyed.filter(([key]) => !this.#tokens.has(key));
    if (missing.length > 0) {
      const counts = await this.#meter.count(
        this.#model,
        missing.map(([, text]) => text),
      );
      for (const [index, [key]] of missing.entries()) keep(this.#tokens, key, counts[index] ?? 0);
    }
    return keyed.map(([key]) => this.#tokens.get(key) ?? 0);
  }
}

const promptKey = (avatar: PartnerAvatar, lang: 'en' | 'ja') =>
  `prompt:${avatar.avatarId}:${avatar.promptVersion}:${avatar.name}:${lang}`;

/** A bounded map that forgets what was put in first. */
function keep<K, V>(map: Map<K, V>, key: K, value: V): void {
  map.set(key, value);
  if (map.size <= CACHE_ENTRIES) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}
