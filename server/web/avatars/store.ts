/** The avatars that the account may talk with, and changes to its own. */
import { computed } from '@preact/signals';
import type { Avatar, AvatarPrompt, PromptParams } from '../../../protocol/companion.ts';
import type { UpBody } from '../../../protocol/up.ts';
import { client, onSignedOut } from '../session/store.ts';
import { Loaded } from '../ui/loadable.ts';

export const avatars = new Loaded<readonly Avatar[]>(
  async () => (await client().request('companion.list_avatars', {})).avatars,
);
onSignedOut(() => avatars.reset());

const byId = computed(() => new Map((avatars.value ?? []).map((avatar) => [avatar.avatarId, avatar])));
export const findAvatar = (avatarId: string | null | undefined): Avatar | undefined =>
  avatarId === null || avatarId === undefined ? undefined : byId.value.get(avatarId);

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

function put(avatar: Avatar): Avatar {
  const others = (avatars.value ?? []).filter((each) => each.avatarId !== avatar.avatarId);
  avatars.set([...others, avatar]);
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
  avatars.set((avatars.value ?? []).filter((avatar) => avatar.avatarId !== avatarId));
}

export const listPrompts = async (avatarId: string): Promise<AvatarPrompt[]> =>
  (await client().request('companion.list_prompts', { avatarId })).prompts;

export const addPrompt = (avatarId: string, prompt: PromptDraft): Promise<AvatarPrompt> =>
  client().request('companion.add_prompt', { avatarId, ...prompt, activate: true });

export const activatePrompt = (avatarId: string, version: number): Promise<AvatarPrompt> =>
  client().request('companion.activate_prompt', { avatarId, version });
