/** The avatars that the account may talk with, and changes to its own. */
import { signal } from '@preact/signals';
import { type Avatar, type AvatarPrompt, FIND_AVATARS_MAX, type PromptParams } from '../../../protocol/companion.ts';
import type { UpBody, UpReply } from '../../../protocol/up.ts';
import { lang } from '../i18n/translate.ts';
import { client, onSignedOut } from '../session/store.ts';
import { Paged } from '../ui/paged.ts';

const pageSize = 48;

export const avatars = new Paged<Avatar>(async (before) => {
  const { avatars: found, nextBefore } = await client().request('companion.list_avatars', {
    limit: pageSize,
    ...(before === undefined ? {} : { before }),
  });
  know(found.map((avatar) => [avatar.avatarId, avatar]));
  // A page at a time: what one has seen stays where it is when more is shown.
  return { items: sortAvatars(found, lang.peek()), nextBefore };
});

/** Every avatar that was heard of; null for one that is not there (any more). */
const known = signal<ReadonlyMap<string, Avatar | null>>(new Map());
const know = (news: Iterable<readonly [string, Avatar | null]>): void => {
  known.value = new Map([...known.peek(), ...news]);
};
onSignedOut(() => {
  avatars.reset();
  known.value = new Map();
});

export const findAvatar = (avatarId: string | null | undefined): Avatar | undefined =>
  avatarId === null || avatarId === undefined ? undefined : (known.value.get(avatarId) ?? undefined);

/** True when it was looked for and is not there; not while that is not known. */
export const isGone = (avatarId: string | null): boolean => avatarId === null || known.value.get(avatarId) === null;

/** Those that were not heard of yet: the list shows only some of all that there are. */
export const unknownOf = (avatarIds: readonly (string | null)[]): string[] =>
  avatarIds.filter((id) => id !== null && !known.peek().has(id)) as string[];

export async function fetchAvatars(avatarIds: readonly string[]): Promise<void> {
  const asked = [...new Set(avatarIds)];
  for (let from = 0; from < asked.length; from += FIND_AVATARS_MAX) {
    const batch = asked.slice(from, from + FIND_AVATARS_MAX);
    const { avatars: found } = await client().request('companion.find_avatars', { avatarIds: batch });
    know([...batch.map((id) => [id, null] as const), ...found.map((avatar) => [avatar.avatarId, avatar] as const)]);
  }
}

/** Own ones first, then what came with the server, then other people's; in each, the person's language before the other. */
export function sortAvatars(list: readonly Avatar[], preferred: Avatar['lang']): Avatar[] {
  const rank = (avatar: Avatar): number => (avatar.owned ? 0 : avatar.sample ? 1 : 2);
  return [...list].sort(
    (a, b) =>
      rank(a) - rank(b) ||
      Number(b.lang === preferred) - Number(a.lang === preferred) ||
      b.createdAt.localeCompare(a.createdAt),
  );
}

/** Changed in its place; a new one comes first. */
function put(avatar: Avatar): Avatar {
  know([[avatar.avatarId, avatar]]);
  const shown = avatars.value;
  if (shown === undefined) return avatar;
  const isListed = shown.items.some((each) => each.avatarId === avatar.avatarId);
  const changed = shown.items.map((each) => (each.avatarId === avatar.avatarId ? avatar : each));
  avatars.set({ ...shown, items: isListed ? changed : [avatar, ...changed] });
  return avatar;
}

export type Face = Omit<UpBody<'companion.update_avatar'>, 'avatarId'>;
export type PromptDraft = { systemPrompt: string; safetyRules: string; params: PromptParams };

export const createAvatar = async (face: Face & { name: string }, prompt: PromptDraft): Promise<Avatar> =>
  put(await client().request('companion.create_avatar', { ...face, ...prompt }));

export const updateAvatar = async (avatarId: string, face: Face): Promise<Avatar> =>
  put(await client().request('companion.update_avatar', { avatarId, ...face }));

export const publishAvatar = async (avatarId: string, visibility: Avatar['visibility']): Promise<Avatar> =>
  put(await client().request('companion.publish_avatar', { avatarId, visibility }));

export async function deleteAvatar(avatarId: string): Promise<void> {
  await client().request('companion.delete_avatar', { avatarId });
  know([[avatarId, null]]);
  const shown = avatars.value;
  if (shown !== undefined)
    avatars.set({ ...shown, items: shown.items.filter((avatar) => avatar.avatarId !== avatarId) });
}

/** Newest first. @param before `nextBefore` of the page before; the active version comes with the first page alone. */
export const listPrompts = (avatarId: string, before?: number): Promise<UpReply<'companion.list_prompts'>> =>
  client().request('companion.list_prompts', { avatarId, ...(before === undefined ? {} : { before }) });

export const addPrompt = (avatarId: string, prompt: PromptDraft): Promise<AvatarPrompt> =>
  client().request('companion.add_prompt', { avatarId, ...prompt, activate: true });

export const activatePrompt = (avatarId: string, version: number): Promise<AvatarPrompt> =>
  client().request('companion.activate_prompt', { avatarId, version });
