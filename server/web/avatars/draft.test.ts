import { expect, it } from 'vitest';
import { checkDraft, draftOf, emptyDraft, promptDiffers, promptOf } from './draft.ts';

const filled = { ...emptyDraft('en'), name: ' Wren ', systemPrompt: 'You are Wren.' };

it('asks for a name and a character', () => {
  expect(checkDraft(emptyDraft('ja'))).toEqual({ name: 'field.required', systemPrompt: 'field.required' });
  expect(checkDraft(filled)).toEqual({});
});

it('refuses numbers outside of their range', () => {
  expect(checkDraft({ ...filled, temperature: '2.1' })).toEqual({ temperature: 'field.numberWrong' });
  expect(checkDraft({ ...filled, maxOutputTokens: '1.5' })).toEqual({ maxOutputTokens: 'field.numberWrong' });
  expect(checkDraft({ ...filled, topP: 'much' })).toEqual({ topP: 'field.numberWrong' });
  expect(checkDraft({ ...filled, stop: 'a\nb\nc\nd\ne' })).toEqual({ stop: 'field.stopWrong' });
});

it('sends only what was given', () => {
  expect(promptOf({ ...filled, temperature: '0.7', stop: 'END\n\n' }).params).toEqual({
    temperature: 0.7,
    stop: ['END'],
  });
  expect(promptOf(filled).params).toEqual({});
});

it('needs a new version only when the character changed', () => {
  const avatar = {
    avatarId: 'a',
    name: 'Wren',
    tagline: '',
    greeting: '',
    lang: 'en' as const,
    accent: '#34488c',
    visibility: 'private' as const,
    owned: true,
    sample: false,
    version: 1,
    createdAt: '2026-01-01T00:00:00Z',
  };
  const prompt = {
    version: 1,
    active: true,
    systemPrompt: 'You are Wren.',
    safetyRules: '',
    params: { temperature: 0.5 },
    createdAt: '2026-01-01T00:00:00Z',
  };
  const draft = draftOf(avatar, prompt);
  expect(promptDiffers({ ...draft, name: 'Wren II' }, prompt)).toBe(false);
  expect(promptDiffers({ ...draft, temperature: '0.6' }, prompt)).toBe(true);
  expect(promptDiffers(draft, undefined)).toBe(true);
});
