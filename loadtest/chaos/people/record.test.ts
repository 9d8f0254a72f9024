import { beforeEach, describe, expect, test } from 'vitest';
import type { Message } from '../../../protocol/chat.ts';
import { codecs } from '../../../protocol/codec.ts';
import { ClientRecord } from './record.ts';
import { WireTap } from './wire-tap.ts';

let record: ClientRecord;
beforeEach(() => {
  record = new ClientRecord();
});
const broken = () => record.violations.map(({ invariant }) => invariant);

describe('texts of one answer', () => {
  test('that agree become the longest of them', () => {
    record.text('g', 0, 'one ', 'phone');
    record.text('g', 4, 'two', 'phone');
    record.text('g', 0, 'one', 'desk');
    record.text('g', 3, ' two three', 'desk');
    expect(record.shown.get('g')).toEqual({ text: 'one two three', device: 'desk' });
    expect(broken()).toEqual([]);
  });

  test('that differ are a violation', () => {
    record.text('g', 0, 'one two', 'phone');
    record.text('g', 4, 'too', 'desk');
    expect(broken()).toEqual(['text is never taken back']);
  });
});

test('two ends of one answer are a violation, the same end twice is none', () => {
  const done = {
    conversationId: 'c',
    generationId: 'g',
    messageId: 'm',
    finishReason: 'stop' as const,
    usage: { tokensIn: 1, tokensOut: 2 },
    ledger: { shard: 3, seq: 1, hash: 'a' },
    length: 3,
    revision: 1,
  };
  record.done(done, 'phone');
  record.done({ ...done, revision: 2 }, 'desk');
  expect(broken()).toEqual([]);
  record.done({ ...done, finishReason: 'stopped' }, 'desk');
  expect(broken()).toEqual(['an answer ends once']);
});

describe('the tap', () => {
  const codec = codecs['tsumugi.v1.json'];
  const message = { messageId: 'm', generationId: 'g', parentId: 'u', text: 'whole text' } as Message;
  const ears = () => new WireTap(record, 'phone', 'user', codec).listen();
  const delta = (offset: number, text: string) =>
    codec.encode({ type: 'chat.delta', body: { generationId: 'g', epoch: 1, seq: 0, offset, text } });

  test('knows what was asked when the answer comes', () => {
    const { up, down } = ears();
    up(codec.encode({ type: 'chat.send', id: 4, body: { conversationId: 'c', clientMessageId: 'x', text: 'Hello' } }));
    down(codec.encode({ type: 'reply', id: 4, body: { messageId: 'm', generationId: 'g' } }));
    expect(record.asked.get('x')).toMatchObject({ userId: 'user', conversationId: 'c', text: 'Hello' });
    expect([...(record.asked.get('x')?.acknowledged ?? [])]).toEqual(['m g']);
  });

  test('takes snapshots, deltas and messages as shown', () => {
    const { up, down } = ears();
    up(codec.encode({ type: 'chat.attach', id: 1, body: { conversationId: 'c' } }));
    down(
      codec.encode({
        type: 'reply',
        id: 1,
        body: { messages: [], generation: { generationId: 'g', text: 'whole' }, resumed: false },
      }),
    );
    down(delta(5, ' te'));
    expect(record.shown.get('g')?.text).toBe('whole te');
    down(codec.encode({ type: 'chat.message', body: { message, revision: 1, generation: null } }));
    expect(record.shown.get('g')?.text).toBe('whole text');
    expect(broken()).toEqual([]);
  });

  test('finds a hole', () => {
    const { down } = ears();
    down(delta(0, 'whole'));
    down(delta(7, 'ext'));
    expect(broken()).toEqual(['no holes on the wire']);
  });

  test('finds a message that changes', () => {
    const { down } = ears();
    down(codec.encode({ type: 'chat.message', body: { message, revision: 1, generation: null } }));
    const changed = { ...message, generationId: null, text: 'another text' };
    down(codec.encode({ type: 'chat.message', body: { message: changed, revision: 1, generation: null } }));
    expect(broken()).toEqual(['a message never changes']);
  });
});
