/** Frames of the domain companion: avatars and the versions of their prompts. */
import Type, { type Static } from 'typebox';
import { defineUp } from './define.ts';
import { Empty, Locale, Nullable, PageLimit, Storable, Timestamp, Uuid } from './primitives.ts';

const Name = Type.String({ minLength: 1, maxLength: 80, description: 'Shown to everyone who may see the avatar.' });
const Tagline = Type.String({ maxLength: 200, description: 'One line shown under the name.' });
const Greeting = Type.String({
  maxLength: 2_000,
  description: 'Shown in an empty conversation; never sent to the model as a turn.',
});
const SystemPrompt = Type.String({ minLength: 1, maxLength: 20_000 });
const SafetyRules = Type.String({ maxLength: 8_000, description: 'Appended to the system prompt on every turn.' });
const Accent = Type.String({ pattern: '^#[0-9a-fA-F]{6}$', description: 'Colour of the avatar on the page.' });

/** How the model is asked. Everything is optional; the server fills in its defaults. */
export const PromptParams = Type.Object({
  temperature: Type.Optional(Type.Number({ minimum: 0, maximum: 2 })),
  topP: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
  maxOutputTokens: Type.Optional(Type.Integer({ minimum: 1, maximum: 32_000 })),
  seed: Type.Optional(Type.Integer({ minimum: 0, maximum: 2_147_483_647 })),
  stop: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 64, pattern: Storable }), { maxItems: 4 })),
});
export type PromptParams = Static<typeof PromptParams>;

const PromptVersion = Type.Integer({ minimum: 1, maximum: 2_147_483_647 });

export const Visibility = Type.Union([Type.Literal('private'), Type.Literal('published')]);

export const Avatar = Type.Object({
  avatarId: Uuid,
  name: Name,
  tagline: Tagline,
  greeting: Greeting,
  lang: Locale,
  accent: Accent,
  visibility: Visibility,
  owned: Type.Boolean({ description: 'True when the caller owns it and may edit it.' }),
  sample: Type.Boolean({ description: 'True for the avatars that come with the server.' }),
  version: Type.Integer({ description: 'Counts every change of the avatar.' }),
  createdAt: Timestamp,
});
export type Avatar = Static<typeof Avatar>;

export const AvatarPrompt = Type.Object({
  version: Type.Integer({ minimum: 1 }),
  active: Type.Boolean(),
  systemPrompt: SystemPrompt,
  safetyRules: SafetyRules,
  params: PromptParams,
  createdAt: Timestamp,
});
export type AvatarPrompt = Static<typeof AvatarPrompt>;

export const listAvatars = defineUp('companion.list_avatars', {
  says: 'Avatars that the caller may talk with: own ones, then samples, then what others have published; newest first in each.',
  body: Type.Object({
    before: Type.Optional(
      Nullable(
        Type.String({ maxLength: 128, description: '`nextBefore` of the page before; null for the first one.' }),
      ),
    ),
    limit: PageLimit(100),
  }),
  reply: Type.Object({ avatars: Type.Array(Avatar), nextBefore: Nullable(Type.String()) }),
  errors: [],
});

/** As many as a page of conversations has by default. */
export const FIND_AVATARS_MAX = 30;

export const findAvatars = defineUp('companion.find_avatars', {
  says: 'Avatars by their ids, in no order. Those that the caller may not talk with, or that are gone, are left out.',
  body: Type.Object({ avatarIds: Type.Array(Uuid, { maxItems: FIND_AVATARS_MAX }) }),
  reply: Type.Object({ avatars: Type.Array(Avatar) }),
  errors: [],
});

export const createAvatar = defineUp('companion.create_avatar', {
  says: 'Creates a private avatar of the caller with version 1 of its prompt.',
  body: Type.Object({
    name: Name,
    systemPrompt: SystemPrompt,
    tagline: Type.Optional(Tagline),
    greeting: Type.Optional(Greeting),
    lang: Type.Optional(Locale),
    accent: Type.Optional(Accent),
    safetyRules: Type.Optional(SafetyRules),
    params: Type.Optional(PromptParams),
  }),
  reply: Avatar,
  errors: ['companion.avatar_limit'],
});

export const updateAvatar = defineUp('companion.update_avatar', {
  says: 'Changes the public face of an own avatar; what is not given stays.',
  body: Type.Object({
    avatarId: Uuid,
    name: Type.Optional(Name),
    tagline: Type.Optional(Tagline),
    greeting: Type.Optional(Greeting),
    lang: Type.Optional(Locale),
    accent: Type.Optional(Accent),
  }),
  reply: Avatar,
  errors: ['companion.avatar_not_found'],
});

export const publishAvatar = defineUp('companion.publish_avatar', {
  says: 'Publishes an own avatar to everybody, or takes it back.',
  body: Type.Object({ avatarId: Uuid, visibility: Visibility }),
  reply: Avatar,
  errors: ['companion.avatar_not_found'],
});

export const deleteAvatar = defineUp('companion.delete_avatar', {
  says: 'Removes an own avatar; conversations with it can still be read.',
  body: Type.Object({ avatarId: Uuid }),
  reply: Empty,
  errors: ['companion.avatar_not_found'],
});

export const listPrompts = defineUp('companion.list_prompts', {
  says: 'Versions of the prompt of an own avatar, newest first.',
  body: Type.Object({
    avatarId: Uuid,
    before: Type.Optional(
      Nullable(PromptVersion, { description: '`nextBefore` of the page before; null for the first one.' }),
    ),
    limit: PageLimit(100),
  }),
  reply: Type.Object({
    prompts: Type.Array(AvatarPrompt),
    nextBefore: Nullable(Type.Integer({ minimum: 1 })),
    active: Nullable(AvatarPrompt, {
      description: 'The active version, on whichever page it stands. Null on the pages behind the first one.',
    }),
  }),
  errors: ['companion.avatar_not_found', 'companion.prompt_not_found'],
});

export const addPrompt = defineUp('companion.add_prompt', {
  says: 'Adds the next version of the prompt of an own avatar and makes it the active one unless told otherwise.',
  body: Type.Object({
    avatarId: Uuid,
    systemPrompt: SystemPrompt,
    safetyRules: Type.Optional(SafetyRules),
    params: Type.Optional(PromptParams),
    activate: Type.Optional(Type.Boolean({ description: 'Default true.' })),
  }),
  reply: AvatarPrompt,
  errors: ['companion.avatar_not_found'],
});

export const activatePrompt = defineUp('companion.activate_prompt', {
  says: 'Makes a version the one and only active prompt; the next turn uses it.',
  body: Type.Object({ avatarId: Uuid, version: PromptVersion }),
  reply: AvatarPrompt,
  errors: ['companion.avatar_not_found', 'companion.prompt_not_found'],
});
