/**
 * Avatars and the versions of their prompts. An avatar belongs to one account; only its owner sees the text of its prompts.
 * Refuses changes to avatars of others and to the samples.
 */
import type { Database, Tx } from '../../db/client.ts';
import * as queries from '../../db/companion/queries.ts';
import type { AvatarPromptRow, AvatarRow } from '../../db/companion/schema.ts';
import { uuidv7 } from '../../db/uuid.ts';
import type { Avatar, AvatarPrompt, PromptParams } from '../../protocol/companion.ts';
import { PAGE_CHARACTERS } from '../../protocol/primitives.ts';
import type { UpBody, UpReply } from '../../protocol/up.ts';
import { AppError } from '../errors.ts';
import type { Caller } from '../peer.ts';
import { decodeAvatarPlace, encodeAvatarPlace } from './avatar-place.ts';

/** What companion needs to know about plans; billing provides it. */
export type AvatarAllowance = { maxAvatars(userId: string): Promise<number> };
/** Rows a page unless told otherwise. */
const PAGE = 50;
/** Avatars whose prompts are kept in memory. */
const ACTIVE_CACHE = 2_000;

/** What a turn of a conversation needs to know of an avatar. */
export type ActiveAvatar = {
  avatarId: string;
  name: string;
  lang: 'en' | 'ja';
  ownerUserId: string | null;
  /** True when nobody but its owner may talk with it. */
  private: boolean;
  deleted: boolean;
  promptVersion: number;
  systemPrompt: string;
  safetyRules: string;
  params: PromptParams;
};

export class CompanionService {
  readonly #db: Database;
  readonly #allowance: AvatarAllowance;
  readonly #onChanged: (avatarId: string) => void;
  /** Avatars as turns need them; a change empties its place before the change is answered. */
  readonly #active = new Map<string, Promise<ActiveAvatar | undefined>>();

  /** @param onChanged tells the other gateways, which call `forgetActive`. */
  constructor(db: Database, allowance: AvatarAllowance, onChanged: (avatarId: string) => void = () => {}) {
    this.#db = db;
    this.#allowance = allowance;
    this.#onChanged = onChanged;
  }

  async listAvatars(
    caller: Caller,
    body: UpBody<'companion.list_avatars'>,
  ): Promise<UpReply<'companion.list_avatars'>> {
    const limit = body.limit ?? PAGE;
    const before = body.before == null ? null : decodeAvatarPlace(body.before);
    const rows = await this.#db.asUser(caller.userId, (tx) =>
      queries.listVisible(tx, caller.userId, { before, limit: limit + 1 }),
    );
    const page = upToCharacters(rows.slice(0, limit), ({ name, tagline, greeting }) => [name, tagline, greeting]);
    const last = page.at(-1);
    return {
      avatars: page.map((row) => toAvatar(row, caller.userId)),
      nextBefore: last !== undefined && page.length < rows.length ? encodeAvatarPlace(last) : null,
    };
  }

  async findAvatars(caller: Caller, avatarIds: readonly string[]): Promise<UpReply<'companion.find_avatars'>> {
    const rows = await this.#db.asUser(caller.userId, (tx) => queries.findVisibleByIds(tx, caller.userId, avatarIds));
    return { avatars: rows.map((row) => toAvatar(row, caller.userId)) };
  }

  /** @throws AppError `companion.avatar_limit` when the account has as many avatars as it may. */
  async createAvatar(caller: Caller, body: UpBody<'companion.create_avatar'>): Promise<Avatar> {
    const maxAvatars = await this.#allowance.maxAvatars(caller.userId);
    return this.#db.asUser(caller.userId, async (tx) => {
      // Counted under the owner's lock, so that two devices cannot both take the last place.
      if ((await queries.countOwnedLocked(tx, caller.userId)) >= maxAvatars) {
        throw new AppError('companion.avatar_limit', { maxAvatars });
      }
      const avatarId = uuidv7();
      await queries.insertAvatar(tx, {
        id: avatarId,
        ownerUserId: caller.userId,
        name: plain('name', body.name),
        tagline: plain('tagline', body.tagline ?? '', true),
        greeting: prose('greeting', body.greeting ?? '', true),
        lang: body.lang ?? 'ja',
        accent: body.accent ?? accentFor(avatarId),
      });
      await queries.insertPrompt(tx, {
        id: uuidv7(),
        avatarId,
        version: 1,
        systemPrompt: prose('systemPrompt', body.systemPrompt),
        safetyRules: prose('safetyRules', body.safetyRules ?? '', true),
        params: body.params ?? {},
        isActive: true,
      });
      return toAvatar(await getOwned(tx, caller.userId, avatarId), caller.userId);
    });
  }

  async updateAvatar(caller: Caller, body: UpBody<'companion.update_avatar'>): Promise<Avatar> {
    const { avatarId, ...given } = body;
    return this.#change(caller, avatarId, {
      ...(given.name === undefined ? {} : { name: plain('name', given.name) }),
      ...(given.tagline === undefined ? {} : { tagline: plain('tagline', given.tagline, true) }),
      ...(given.greeting === undefined ? {} : { greeting: prose('greeting', given.greeting, true) }),
      ...(given.lang === undefined ? {} : { lang: given.lang }),
      ...(given.accent === undefined ? {} : { accent: given.accent }),
    });
  }

  publishAvatar(caller: Caller, body: UpBody<'companion.publish_avatar'>): Promise<Avatar> {
    return this.#change(caller, body.avatarId, { visibility: body.visibility });
  }

  async deleteAvatar(caller: Caller, avatarId: string): Promise<Record<string, never>> {
    await this.#change(caller, avatarId, { deletedAt: new Date(), visibility: 'private' });
    return {};
  }

  /** @throws AppError `companion.prompt_not_found` when `before` is no version of this avatar's prompt. */
  async listPrompts(
    caller: Caller,
    { avatarId, before = null, limit = PAGE }: UpBody<'companion.list_prompts'>,
  ): Promise<UpReply<'companion.list_prompts'>> {
    return this.#db.asUser(caller.userId, async (tx) => {
      await getOwned(tx, caller.userId, avatarId);
      if (before !== null && !(await queries.hasPrompt(tx, avatarId, before)))
        throw new AppError('companion.prompt_not_found', { field: 'before', version: before });
      const rows = await queries.listPrompts(tx, avatarId, { before, limit });
      const active = before === null ? await queries.findActivePrompt(tx, avatarId) : undefined;
      const oldest = rows.at(-1);
      return {
        prompts: rows.map(toPrompt),
        // Versions are counted from 1 and none is ever removed.
        nextBefore: oldest !== undefined && oldest.version > 1 ? oldest.version : null,
        active: active === undefined ? null : toPrompt(active),
      };
    });
  }

  async addPrompt(caller: Caller, body: UpBody<'companion.add_prompt'>): Promise<AvatarPrompt> {
    return this.#changing(caller, body.avatarId, async (tx) => {
      const activate = body.activate ?? true;
      if (activate) await queries.deactivatePrompts(tx, body.avatarId);
      const row = await queries.insertPrompt(tx, {
        id: uuidv7(),
        avatarId: body.avatarId,
        version: await queries.nextPromptVersion(tx, body.avatarId),
        systemPrompt: prose('systemPrompt', body.systemPrompt),
        safetyRules: prose('safetyRules', body.safetyRules ?? '', true),
        params: body.params ?? {},
        isActive: activate,
      });
      await queries.updateAvatar(tx, body.avatarId, {});
      return toPrompt(present(row));
    });
  }

  /** @throws AppError `companion.prompt_not_found` when the avatar has no such version. */
  async activatePrompt(caller: Caller, body: UpBody<'companion.activate_prompt'>): Promise<AvatarPrompt> {
    return this.#changing(caller, body.avatarId, async (tx) => {
      await queries.deactivatePrompts(tx, body.avatarId);
      const row = await queries.activatePrompt(tx, body.avatarId, body.version);
      if (row === undefined) throw new AppError('companion.prompt_not_found', { version: body.version });
      await queries.updateAvatar(tx, body.avatarId, {});
      return toPrompt(row);
    });
  }

  /** The avatar as a turn needs it; the server reads the prompt on behalf of whoever may talk with the avatar. */
  findActive(avatarId: string): Promise<ActiveAvatar | undefined> {
    const known = this.#active.get(avatarId);
    if (known !== undefined) return known;
    const reading = this.#readActive(avatarId);
    this.#active.set(avatarId, reading);
    const forget = () => {
      if (this.#active.get(avatarId) === reading) this.#active.delete(avatarId);
    };
    // Neither a failure nor "there is none" is worth remembering.
    reading.then((avatar) => avatar ?? forget(), forget);
    if (this.#active.size > ACTIVE_CACHE) {
      const [oldest] = this.#active.keys();
      if (oldest !== undefined) this.#active.delete(oldest);
    }
    return reading;
  }

  /** The avatar was changed here or on another gateway. @param avatarId undefined: any may have been. */
  forgetActive(avatarId?: string): void {
    if (avatarId === undefined) this.#active.clear();
    else this.#active.delete(avatarId);
  }

  async #readActive(avatarId: string): Promise<ActiveAvatar | undefined> {
    const found = await this.#db.asService((tx) => queries.findWithActivePrompt(tx, avatarId));
    if (found === undefined) return undefined;
    const { avatar, prompt } = found;
    return {
      avatarId: avatar.id,
      name: avatar.name,
      lang: avatar.lang,
      ownerUserId: avatar.ownerUserId,
      private: avatar.visibility === 'private',
      deleted: avatar.deletedAt !== null,
      promptVersion: prompt.version,
      systemPrompt: prompt.systemPrompt,
      safetyRules: prompt.safetyRules,
      params: prompt.params,
    };
  }

  /** The texts of one version of an avatar's prompt for its owner; undefined for everybody else. */
  async findPromptText(
    userId: string,
    avatarId: string,
    version: number,
  ): Promise<{ systemPrompt: string; safetyRules: string } | undefined> {
    return this.#db.asUser(userId, (tx) => queries.findPrompt(tx, avatarId, version));
  }

  async #change(caller: Caller, avatarId: string, change: queries.AvatarChange): Promise<Avatar> {
    return this.#changing(caller, avatarId, async (tx) =>
      toAvatar(present(await queries.updateAvatar(tx, avatarId, change)), caller.userId),
    );
  }

  /** A change of an own avatar under its lock; announced after the commit. */
  async #changing<T>(caller: Caller, avatarId: string, work: (tx: Tx) => Promise<T>): Promise<T> {
    const result = await this.#db.asUser(caller.userId, async (tx) => {
      await getOwned(tx, caller.userId, avatarId);
      return work(tx);
    });
    this.forgetActive(avatarId);
    this.#onChanged(avatarId);
    return result;
  }
}

async function getOwned(tx: Tx, userId: string, avatarId: string): Promise<AvatarRow> {
  const row = await queries.findOwnedForUpdate(tx, userId, avatarId);
  if (row === undefined) throw new AppError('companion.avatar_not_found');
  return row;
}

function present<T>(row: T | undefined): T {
  if (row === undefined) throw new Error('a row that was just written is not visible');
  return row;
}

/** One line of text that others are shown: trimmed, no control characters, none that turn the text beside it around. */
function plain(field: string, value: string, emptyAllowed = false): string {
  if (/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069\u200e\u200f]/u.test(value))
    throw AppError.invalid(field, 'one line without control characters');
  return prose(field, value, emptyAllowed);
}

/** Text that PostgreSQL can hold exactly. */
function prose(field: string, value: string, emptyAllowed = false): string {
  if (value.includes('\0') || !value.isWellFormed())
    throw AppError.invalid(field, 'well-formed Unicode without U+0000');
  const trimmed = value.trim();
  if (trimmed === '' && !emptyAllowed) throw AppError.invalid(field, 'more than white space');
  return trimmed;
}

const ACCENTS = ['#c2566b', '#b5762a', '#5f7f3b', '#2f7f79', '#3f6fb0', '#7a5bb0', '#a8528f', '#8a5a44'];

function accentFor(avatarId: string): string {
  return ACCENTS[Number.parseInt(avatarId.slice(-2), 16) % ACCENTS.length] ?? '#7a5bb0';
}

/** The first rows, the last of which brings them to `PAGE_CHARACTERS`. */
function upToCharacters<T>(rows: readonly T[], textsOf: (row: T) => readonly string[]): T[] {
  let characters = 0;
  const end = rows.findIndex((row) => {
    for (const text of textsOf(row)) characters += text.length;
    return characters >= PAGE_CHARACTERS;
  });
  return end === -1 ? [...rows] : rows.slice(0, end + 1);
}

function toAvatar(row: AvatarRow, userId: string): Avatar {
  return {
    avatarId: row.id,
    name: row.name,
    tagline: row.tagline,
    greeting: row.greeting,
    lang: row.lang,
    accent: row.accent,
    visibility: row.visibility,
    owned: row.ownerUserId === userId,
    sample: row.sampleKey !== null,
    version: row.version,
    createdAt: row.createdAt.toISOString(),
  };
}

function toPrompt(row: AvatarPromptRow): AvatarPrompt {
  return {
    version: row.version,
    active: row.isActive,
    systemPrompt: row.systemPrompt,
    safetyRules: row.safetyRules,
    params: row.params,
    createdAt: row.createdAt.toISOString(),
  };
}
