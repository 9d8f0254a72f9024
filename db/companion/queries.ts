/** One operation on avatars and their prompts a function. Row level security decides whose rows they see. */
import { and, count, desc, eq, getTableColumns, inArray, isNotNull, isNull, ne, or, type SQL, sql } from 'drizzle-orm';
import { PAGE_CHARACTERS } from '../../protocol/primitives.ts';
import type { Tx } from '../client.ts';
import {
  type AvatarPromptRow,
  type AvatarRow,
  avatarPrompts,
  avatars,
  type NewAvatar,
  type NewAvatarPrompt,
} from './schema.ts';

/** A place in the list of avatars: in its `part`-th part, behind the avatar `id` of this moment. */
export type AvatarPlace = { part: 0 | 1 | 2; createdAtUs: string; id: string };
export type ListedAvatar = AvatarRow & AvatarPlace;

/** Own avatars first, then samples, then what others have published; newest first within each. `before`: behind this place. */
export async function listVisible(
  tx: Tx,
  userId: string,
  { before, limit }: { before: AvatarPlace | null; limit: number },
): Promise<ListedAvatar[]> {
  const published = eq(avatars.visibility, 'published');
  const parts = [
    eq(avatars.ownerUserId, userId),
    and(published, isNotNull(avatars.sampleKey)),
    and(published, isNull(avatars.sampleKey), ne(avatars.ownerUserId, userId)),
  ];
  // Each part by an index of its own, so that a page costs the same however many there are.
  const found = await Promise.all(
    parts.map((isPart, part) =>
      part < (before?.part ?? 0) ? [] : listPart(tx, part as AvatarPlace['part'], isPart, { before, limit }),
    ),
  );
  return found.flat().slice(0, limit);
}

function listPart(
  tx: Tx,
  part: AvatarPlace['part'],
  isPart: SQL | undefined,
  { before, limit }: { before: AvatarPlace | null; limit: number },
): Promise<ListedAvatar[]> {
  const isBehind =
    before?.part === part
      ? sql`(${avatars.createdAt}, ${avatars.id}) <
          (timestamptz 'epoch' + ${before.createdAtUs}::bigint * interval '1 microsecond', ${before.id}::uuid)`
      : undefined;
  return tx.orm
    .select({
      ...getTableColumns(avatars),
      part: sql<AvatarPlace['part']>`${part}::integer`,
      createdAtUs: sql<string>`(extract(epoch from ${avatars.createdAt}) * 1000000)::bigint::text`,
    })
    .from(avatars)
    .where(and(isPart, isNull(avatars.deletedAt), isBehind))
    .orderBy(desc(avatars.createdAt), desc(avatars.id))
    .limit(limit);
}

/** Of these, the ones that `userId` may talk with. */
export function findVisibleByIds(tx: Tx, userId: string, avatarIds: readonly string[]): Promise<AvatarRow[]> {
  return tx.orm
    .select()
    .from(avatars)
    .where(
      and(
        inArray(avatars.id, [...avatarIds]),
        isNull(avatars.deletedAt),
        or(eq(avatars.ownerUserId, userId), eq(avatars.visibility, 'published')),
      ),
    );
}

export async function findVisible(tx: Tx, avatarId: string): Promise<AvatarRow | undefined> {
  const rows = await tx.orm
    .select()
    .from(avatars)
    .where(and(eq(avatars.id, avatarId), isNull(avatars.deletedAt)));
  return rows[0];
}

/** Locks the avatar if `userId` owns it. */
export async function findOwnedForUpdate(tx: Tx, userId: string, avatarId: string): Promise<AvatarRow | undefined> {
  const rows = await tx.orm
    .select()
    .from(avatars)
    .where(and(eq(avatars.id, avatarId), eq(avatars.ownerUserId, userId), isNull(avatars.deletedAt)))
    .for('update');
  return rows[0];
}

/** Counts under a lock on the owner, so that two devices cannot both take the last place. */
export async function countOwnedLocked(tx: Tx, userId: string): Promise<number> {
  await tx.orm.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`companion.avatars:${userId}`}, 0))`);
  const rows = await tx.orm
    .select({ owned: count() })
    .from(avatars)
    .where(and(eq(avatars.ownerUserId, userId), isNull(avatars.deletedAt)));
  return rows[0]?.owned ?? 0;
}

export async function insertAvatar(tx: Tx, avatar: NewAvatar): Promise<void> {
  await tx.orm.insert(avatars).values(avatar);
}

/** False when a sample with this key is there already. */
export async function insertSample(tx: Tx, avatar: NewAvatar): Promise<boolean> {
  const rows = await tx.orm
    .insert(avatars)
    .values(avatar)
    .onConflictDoNothing({ target: avatars.sampleKey })
    .returning({ id: avatars.id });
  return rows.length > 0;
}

export type AvatarChange = Partial<
  Pick<AvatarRow, 'name' | 'tagline' | 'greeting' | 'lang' | 'accent' | 'visibility' | 'deletedAt'>
>;

/** Changes what is given and counts the version up. */
export async function updateAvatar(tx: Tx, avatarId: string, change: AvatarChange): Promise<AvatarRow | undefined> {
  const rows = await tx.orm
    .update(avatars)
    .set({ ...change, version: sql`${avatars.version} + 1`, updatedAt: sql`now()` })
    .where(eq(avatars.id, avatarId))
    .returning();
  return rows[0];
}

/**
 * Up to `limit` versions, newest first; fewer where they are long: the last one brings them to `PAGE_CHARACTERS`, and no text behind it
 * is read. `before`: older ones than this version.
 */
export async function listPrompts(
  tx: Tx,
  avatarId: string,
  { before, limit }: { before: number | null; limit: number },
): Promise<AvatarPromptRow[]> {
  const next = (isNext: SQL) => sql`
    select p.version, length(p.system_prompt) + length(p.safety_rules) as characters from companion.avatar_prompts p
    where p.avatar_id = ${avatarId} and ${isNext} order by p.version desc limit 1`;
  const page = sql`(
    with recursive page as (
      (select first.version, first.characters, 1 as place
        from (${next(before === null ? sql`true` : sql`p.version < ${before}`)}) first)
      union all
      select older.version, page.characters + older.characters, page.place + 1
      from page, lateral (${next(sql`p.version < page.version`)}) older
      where page.place < ${limit} and page.characters < ${PAGE_CHARACTERS}
    ) select version from page)`;
  return tx.orm
    .select()
    .from(avatarPrompts)
    .where(and(eq(avatarPrompts.avatarId, avatarId), sql`${avatarPrompts.version} in ${page}`))
    .orderBy(desc(avatarPrompts.version));
}

export async function findActivePrompt(tx: Tx, avatarId: string): Promise<AvatarPromptRow | undefined> {
  const rows = await tx.orm
    .select()
    .from(avatarPrompts)
    .where(and(eq(avatarPrompts.avatarId, avatarId), eq(avatarPrompts.isActive, true)));
  return rows[0];
}

export async function hasPrompt(tx: Tx, avatarId: string, version: number): Promise<boolean> {
  const rows = await tx.orm
    .select({ version: avatarPrompts.version })
    .from(avatarPrompts)
    .where(and(eq(avatarPrompts.avatarId, avatarId), eq(avatarPrompts.version, version)));
  return rows.length > 0;
}

export async function insertPrompt(tx: Tx, prompt: NewAvatarPrompt): Promise<AvatarPromptRow | undefined> {
  const rows = await tx.orm.insert(avatarPrompts).values(prompt).returning();
  return rows[0];
}

/** The next version number; call it under the avatar's lock. */
export async function nextPromptVersion(tx: Tx, avatarId: string): Promise<number> {
  const rows = await tx.orm
    .select({ next: sql<number>`coalesce(max(${avatarPrompts.version}), 0) + 1` })
    .from(avatarPrompts)
    .where(eq(avatarPrompts.avatarId, avatarId));
  return rows[0]?.next ?? 1;
}

/** Switches the active one off, so that the partial unique index lets another be switched on. */
export async function deactivatePrompts(tx: Tx, avatarId: string): Promise<void> {
  await tx.orm
    .update(avatarPrompts)
    .set({ isActive: false })
    .where(and(eq(avatarPrompts.avatarId, avatarId), eq(avatarPrompts.isActive, true)));
}

export async function activatePrompt(tx: Tx, avatarId: string, version: number): Promise<AvatarPromptRow | undefined> {
  const rows = await tx.orm
    .update(avatarPrompts)
    .set({ isActive: true })
    .where(and(eq(avatarPrompts.avatarId, avatarId), eq(avatarPrompts.version, version)))
    .returning();
  return rows[0];
}

/** The avatar with its active prompt, whoever owns it; for the server's own transactions. */
export async function findWithActivePrompt(
  tx: Tx,
  avatarId: string,
): Promise<{ avatar: AvatarRow; prompt: AvatarPromptRow } | undefined> {
  const rows = await tx.orm
    .select({ avatar: avatars, prompt: avatarPrompts })
    .from(avatars)
    .innerJoin(avatarPrompts, and(eq(avatarPrompts.avatarId, avatars.id), eq(avatarPrompts.isActive, true)))
    .where(eq(avatars.id, avatarId));
  return rows[0];
}

/** One version of a prompt, for the trace of a turn that used it. */
export async function findPrompt(tx: Tx, avatarId: string, version: number): Promise<AvatarPromptRow | undefined> {
  const rows = await tx.orm
    .select()
    .from(avatarPrompts)
    .where(and(eq(avatarPrompts.avatarId, avatarId), eq(avatarPrompts.version, version)));
  return rows[0];
}
