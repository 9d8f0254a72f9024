import { expect, it } from 'vitest';
import { toWhy } from './trace-why.ts';

it('reads the sentences of older traces as codes, and codes as they are', () => {
  expect(toWhy('older turns did not fit into the budget')).toBe('older_turns_over_budget');
  expect(toWhy('active version of the avatar’s prompt')).toBe('active_prompt');
  expect(toWhy('recent_turn')).toBe('recent_turn');
});
