import { expect, it } from 'vitest';
import { shownForMs, TypingSigns } from './typing.ts';

function bench() {
  let nowMs = 0;
  const due: { atMs: number; task: () => void; off: boolean }[] = [];
  const told: string[] = [];
  let heard: ((body: { conversationId: string }) => void) | undefined;
  const source = {
    request: async (_: string, { conversationId }: { conversationId: string }) => void told.push(conversationId),
    on(_: string, listener: (body: { conversationId: string }) => void) {
      heard = listener;
      return () => {
        heard = undefined;
      };
    },
  };
  const timers = {
    now: () => nowMs,
    after(ms: number, task: () => void) {
      const one = { atMs: nowMs + ms, task, off: false };
      due.push(one);
      return () => {
        one.off = true;
      };
    },
  };
  const pass = (ms: number) => {
    nowMs += ms;
    for (const one of due.filter((each) => !each.off && each.atMs <= nowMs)) {
      one.off = true;
      one.task();
    }
  };
  const signs = new TypingSigns('here', () => source, timers);
  return { signs, told, pass, hear: (conversationId: string) => heard?.({ conversationId }) };
}

it('tells at most every other second', () => {
  const { signs, told, pass } = bench();
  for (let key = 0; key < 50; key++) {
    signs.tell();
    pass(100);
  }
  expect(told).toEqual(['here', 'here', 'here']);
});

it('shows a sign for a while, longer when another comes, and none of other conversations', () => {
  const { signs, pass, hear } = bench();
  const unfollow = signs.follow();
  hear('there');
  expect(signs.elsewhere.value).toBe(false);
  hear('here');
  pass(shownForMs - 1);
  hear('here');
  pass(shownForMs - 1);
  expect(signs.elsewhere.value).toBe(true);
  pass(1);
  expect(signs.elsewhere.value).toBe(false);
  hear('here');
  unfollow();
  expect(signs.elsewhere.value).toBe(false);
  hear('here');
  expect(signs.elsewhere.value).toBe(false);
});
