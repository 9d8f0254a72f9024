import { expect, it } from 'vitest';
import { ManualClock } from '../clock.ts';
import { UserNews } from './user-news.ts';

const log = { info() {}, warn() {}, error() {} };

/** A live store's channels, as far as they are subscribed and left. */
function openNews() {
  const calls: string[] = [];
  const live = {
    publish: async () => {},
    subscribe: async (channel: string) => {
      calls.push(`+${channel}`);
      return async () => void calls.push(`-${channel}`);
    },
  };
  const clock = new ManualClock();
  return { news: new UserNews(live, 'here', log, clock), clock, calls };
}

it('hears a user as long as he is connected, and a moment longer', async () => {
  const { news, clock, calls } = openNews();
  news.join('u');
  await news.ready('u');
  news.leave('u');
  clock.advance(4_999);
  news.join('u');
  clock.advance(60_000);
  await news.ready('u');
  expect(calls).toEqual(['+user:u']);
  news.leave('u');
  news.leave('u');
  clock.advance(5_000);
  await expect.poll(() => calls).toEqual(['+user:u', '-user:u']);
  news.join('u');
  await news.ready('u');
  expect(calls).toEqual(['+user:u', '-user:u', '+user:u']);
});
