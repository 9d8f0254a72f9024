import { expect, it } from 'vitest';
import type { LogPiece } from '../../db/live/live-store.ts';
import { Followers } from './followers.ts';
import { Generation, type GenerationFacts } from './generation.ts';

const log = { info() {}, warn() {}, error() {} };

/** An answer of which so many pieces are in the log. */
function answer(generationId: string, texts: readonly string[]): Generation {
  const facts = { generationId, conversationId: `of ${generationId}`, epoch: 1 } as GenerationFacts;
  const generation = new Generation(facts);
  for (const text of texts) grow(generation, text);
  return generation;
}

function grow(generation: Generation, text: string): void {
  generation.receive(text);
  generation.takePiece();
  generation.acknowledge();
}

function listen() {
  const messages: { gateway: string; pieces: string[] }[] = [];
  const shown = ({ generationId, seq, text }: LogPiece) => `${generationId} ${seq} ${text}`;
  const calls = {
    tell: async (gateway: string, pieces: readonly LogPiece[]) =>
      void messages.push({ gateway, pieces: pieces.map(shown) }),
  };
  return { messages, followers: new Followers(calls, log) };
}

it('tells each gateway in one message what a write has brought of all the answers that it follows', async () => {
  const { messages, followers } = listen();
  const [tide, fog, rain] = [answer('tide', ['a']), answer('fog', []), answer('rain', [])];
  followers.add(tide, 'east');
  followers.add(tide, 'west');
  followers.add(fog, 'west');
  for (const generation of [tide, fog, rain]) {
    grow(generation, 'b');
    followers.tell(generation);
  }
  await Promise.resolve();
  expect(messages).toEqual([
    { gateway: 'east', pieces: ['tide 1 b'] },
    { gateway: 'west', pieces: ['tide 1 b', 'fog 0 b'] },
  ]);
  followers.tell(tide);
  followers.remove('tide', 'east');
  followers.forget('fog');
  for (const generation of [tide, fog]) {
    grow(generation, 'c');
    followers.tell(generation);
  }
  await Promise.resolve();
  expect(messages.slice(2)).toEqual([{ gateway: 'west', pieces: ['tide 2 c'] }]);
});

it('tells whoever asked before there was anything all of it from the beginning', async () => {
  const { messages, followers } = listen();
  followers.expect('tide', 'west');
  const tide = answer('tide', ['a', 'b']);
  followers.tell(tide);
  await Promise.resolve();
  expect(messages).toEqual([{ gateway: 'west', pieces: ['tide 0 a', 'tide 1 b'] }]);
});

it('begins another message where one is full, in order', async () => {
  const { messages, followers } = listen();
  const long = 'x'.repeat(40_000);
  for (const name of ['one', 'two', 'three']) {
    const generation = answer(name, []);
    followers.add(generation, 'west');
    grow(generation, long);
    followers.tell(generation);
  }
  await Promise.resolve();
  expect(messages.map(({ pieces }) => pieces.map((piece) => piece.slice(0, 5)))).toEqual([
    ['one 0', 'two 0'],
    ['three'],
  ]);
});
