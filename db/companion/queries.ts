/** One operation on avatars and their prompts a function. Row level security decides whose rows they see. */
import { and, count, desc, eq, isNull, or, sql } from 'drizzle-orm';
import type { Tx } from '../client.ts';
import {
  type AvatarPromptRow,
  type AvatarRow,
  avatarPrompts,
  avatars,
  type NewAvatar,
  type NewAvatarPrompt,
} from './schema.ts';

/** Own avatars first, then samples, then what others have published; newest first within each. At most `limit`. */
export function listVisible(tx: Tx, userId: string, limit: number): Promise<AvatarRow[]> {
  return tx.orm
    .select()
    .from(avatars)
    .where(and(isNull(avatars.deletedAt), or(eq(avatars.ownerUserId, userId), eq(avatars.visibility, 'published'))))
    .orderBy(
      sql`case when ${avatars.ownerUserId} = ${userId} then 0 when ${avatars.sampleKey} is not null then 1 else 2 end`,
      desc(avatars.createdAt),
    )
    .limit(limit);
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

export function listPrompts(tx: Tx, avatarId: string): Promise<AvatarPromptRow[]> {
  return tx.orm
    .select()
    .from(avatarPrompts)
    .where(eq(avatarPrompts.avatarId, avatarId))
    .orderBy(desc(avatarPrompts.version));
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
