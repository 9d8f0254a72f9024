import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Cursor } from '../peer.ts';
import { Generation, type GenerationFacts } from './generation.ts';

const facts: GenerationFacts = {
  generationId: 'g1',
  conversationId: 'c1',
  userId: 'u1',
  payeeUserId: null,
  avatarId: 'a1',
  parentId: 'm1',
  messageId: 'm2',
  epoch: 1,
  model: 'test',
  promptTokens: 3,
  firstTurn: true,
  sourceRefs: [],
  startedAtMs: 0,
};

/** Applies a push to what a client has, as the protocol says. */
function apply(text: string, push: ReturnType<Generation['next']>): string {
  if (push?.type === 'chat.snapshot') return push.body.generation.text;
  if (push?.type !== 'chat.delta') return text;
  const { offset, text: piece } = push.body;
  expect(offset).toBeLessThanOrEqual(text.length);
  return offset + piece.length <= text.length ? text : text.slice(0, offset) + piece;
}

/** Whatever there is, in one piece. */
const ANY = Number.POSITIVE_INFINITY;

/** Any text of any script, including characters of two UTF-16 units and combining ones. */
const anyText = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 });

describe('Generation', () => {
  it('shows nothing that is not in the log', () => {
    const generation = new Generation(facts);
    const cursor: Cursor = generation.cursor();
    generation.receive('hello');
    expect(generation.next(cursor, ANY)).toBeUndefined();
    expect(generation.takePiece()).toMatchObject({ seq: 0, offset: 0, text: 'hello' });
    expect(generation.next(cursor, ANY)).toBeUndefined();
    generation.acknowledge();
    expect(generation.next(cursor, ANY)).toMatchObject({
      type: 'chat.delta',
      body: { seq: 0, offset: 0, text: 'hello' },
    });
    expect(generation.next(cursor, ANY)).toBeUndefined();
  });

  it('has one piece on its way at a time and keeps it unchanged for another try', () => {
    const generation = new Generation(facts);
    generation.receive('a');
    const first = generation.takePiece();
    generation.receive('b');
    expect(generation.takePiece()).toBeUndefined();
    expect(generation.unwritten).toBe(first);
    generation.acknowledge();
    expect(generation.takePiece()).toMatchObject({ seq: 1, offset: 1, text: 'b' });
  });

  it('gives readers with equal cursors the identical push', () => {
    const generation = new Generation(facts);
    const [one, two] = [generation.cursor(), generation.cursor()];
    generation.receive('shared');
    generation.takePiece();
    generation.acknowledge();
    expect(generation.next(one, ANY)).toBe(generation.next(two, ANY));
  });

  it('replaces what PostgreSQL cannot hold, one unit for one unit', () => {
    const generation = new Generation(facts);
    generation.receive('a\0b\ud800c');
    expect(generation.takePiece()?.text).toBe('a\ufffdb\ufffdc');
  });

  it('answers a cursor of another epoch with a snapshot', () => {
    const generation = new Generation({ ...facts, epoch: 2 }, [
      { generationId: 'g1', epoch: 1, seq: 0, offset: 0, text: 'kept' },
    ]);
    const cursor: Cursor = { epoch: 1, seq: 4, offset: 2 };
    expect(generation.next(cursor, ANY)).toMatchObject({
      type: 'chat.snapshot',
      body: { generation: { text: 'kept', epoch: 2, seq: 0 } },
    });
    expect(cursor).toEqual({ epoch: 2, seq: 0, offset: 4 });
  });

  it('merges whole pieces up to what is asked for, and at least one', () => {
    const generation = new Generation(facts);
    for (const text of ['one ', 'two ', 'three ', 'four']) {
      generation.receive(text);
      generation.takePiece();
      generation.acknowledge();
    }
    const cursor: Cursor = { epoch: 1, seq: -1, offset: 0 };
    expect(generation.next(cursor, 9)).toMatchObject({ body: { seq: 1, offset: 0, text: 'one two ' } });
    expect(generation.next(cursor, 2)).toMatchObject({ body: { seq: 2, offset: 8, text: 'three ' } });
    expect(generation.next(cursor, 2)).toMatchObject({ body: { seq: 3, offset: 14, text: 'four' } });
    expect(generation.next(cursor, 2)).toBeUndefined();
    expect(cursor).toEqual({ epoch: 1, seq: 3, offset: 18 });
  });

  it('takes no text behind its end', () => {
    const generation = new Generation(facts);
    generation.receive('a');
    generation.end = { finishReason: 'aborted', usage: undefined, error: undefined, stopped: true };
    generation.receive('b');
    expect(generation.takePiece()?.text).toBe('a');
    expect(generation.takePiece()).toBeUndefined();
  });

  it('gives every reader the same text under any schedule of writing, reading, rejoining and duplicates', () => {
    const steps = fc.array(
      fc.oneof(
        fc.record({ do: fc.constant('receive' as const), text: anyText }),
        fc.record({ do: fc.constantFrom('take' as const, 'acknowledge' as const) }),
        fc.record({
          do: fc.constantFrom('read' as const, 'rejoin' as const, 'again' as const),
          reader: fc.nat(2),
          units: fc.nat(20),
        }),
      ),
      { maxLength: 80 },
    );
    fc.assert(
      fc.property(steps, (schedule) => {
        const generation = new Generation(facts);
        const readers = [0, 1, 2].map(() => ({
          text: '',
          cursor: generation.cursor(),
          last: undefined as ReturnType<Generation['next']>,
        }));
        let sent = '';
        for (const step of schedule) {
          if (step.do === 'receive') {
            generation.receive(step.text);
            sent += step.text;
          } else if (step.do === 'take') generation.takePiece();
          else if (step.do === 'acknowledge') generation.acknowledge();
          else if ('reader' in step) {
            const reader = readers[step.reader];
            if (reader === undefined) continue;
            if (step.do === 'rejoin') reader.cursor = generation.cursorAfter(reader.cursor.seq) ?? generation.cursor();
            reader.last = step.do === 'again' ? reader.last : generation.next(reader.cursor, step.units);
            reader.text = apply(reader.text, reader.last);
          }
        }
        while (!generation.drained) {
          generation.takePiece();
          generation.acknowledge();
        }
        for (const reader of readers) expect(apply(reader.text, generation.next(reader.cursor, ANY))).toBe(sent);
        expect(generation.text).toBe(sent);
      }),
      { numRuns: 300 },
    );
  });
});
