/** Drizzle's view of the schema companion; the migrations are the truth. */
import { boolean, integer, jsonb, pgSchema, text, timestamp, uuid } from 'drizzle-orm/pg-core';
import type { PromptParams } from '../../protocol/companion.ts';

const companion = pgSchema('companion');
const instant = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' });

export const avatars = companion.table('avatars', {
  id: uuid('id').primaryKey(),
  ownerUserId: uuid('owner_user_id'),
  sampleKey: text('sample_key'),
  name: text('name').notNull(),
  tagline: text('tagline').notNull().default(''),
  greeting: text('greeting').notNull().default(''),
  lang: text('lang').$type<'en' | 'ja'>().notNull(),
  accent: text('accent').notNull(),
  visibility: text('visibility').$type<'private' | 'published'>().notNull().default('private'),
  version: integer('version').notNull().default(1),
  createdAt: instant('created_at').notNull().defaultNow(),
  updatedAt: instant('updated_at').notNull().defaultNow(),
  deletedAt: instant('deleted_at'),
});
export type AvatarRow = typeof avatars.$inferSelect;
export type NewAvatar = typeof avatars.$inferInsert;

export const avatarPrompts = companion.table('avatar_prompts', {
  id: uuid('id').primaryKey(),
  avatarId: uuid('avatar_id').notNull(),
  version: integer('version').notNull(),
  systemPrompt: text('system_prompt').notNull(),
  safetyRules: text('safety_rules').notNull().default(''),
  params: jsonb('params_json').$type<PromptParams>().notNull().default({}),
  isActive: boolean('is_active').notNull().default(false),
  createdAt: instant('created_at').notNull().defaultNow(),
});
export type AvatarPromptRow = typeof avatarPrompts.$inferSelect;
export type NewAvatarPrompt = typeof avatarPrompts.$inferInsert;
