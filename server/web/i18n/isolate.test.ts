import { expect, it } from 'vitest';
import { isolate } from './isolate.ts';
import { fill } from './translate.ts';

it('leaves ordinary names alone', () => {
  for (const name of ['Kaito', '紡', 'Zoë {x}', '12,000', '']) expect(isolate(name)).toBe(name);
});

it('keeps a name that runs the other way, or tries to, from turning what stands around it', () => {
  expect(fill('Write to {name}!', { name: 'שלום' })).toBe('Write to \u2068שלום\u2069!');
  expect(isolate('evil\u202etxt')).toBe('\u2068eviltxt\u2069');
  // A closing mark must not end the isolate early.
  expect(isolate('a\u2069\u202eb')).toBe('\u2068ab\u2069');
});
