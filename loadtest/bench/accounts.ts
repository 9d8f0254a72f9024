/** Accounts and avatars that the load talks with, made over the public API. */
import { WebSocket } from 'ws';

export type Account = { userId: string; accessToken: string };
export type Prepared = { accounts: Account[]; avatars: { usual: string; short: string } };

/** Signs `count` people up; the first publishes an avatar for each length of answer. */
export async function prepareAccounts(
  origin: string,
  count: number,
  answerTokens: { usual: number; short: number },
): Promise<Prepared> {
  const accounts: Account[] = [];
  // A few at a time: passwords are hashed in a bounded queue.
  const places = Array.from({ length: count }, (_, place) => place)[Symbol.iterator]();
  const worker = async () => {
    for (const place of places) accounts[place] = await signUp(origin, `bench-${place}@example.com`);
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
  const [author] = accounts;
  if (!author) throw new Error('no accounts');
  const usual = await publishAvatar(origin, author, answerTokens.usual);
  return { accounts, avatars: { usual, short: await publishAvatar(origin, author, answerTokens.short) } };
}

async function signUp(origin: string, email: string): Promise<Account> {
  const response = await fetch(`${origin}/auth/sign-up`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email, password: 'a long benchmark password' }),
  });
  if (!response.ok) throw new Error(`sign-up answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as Account;
}

async function publishAvatar(origin: string, author: Account, maxOutputTokens: number): Promise<string> {
  const socket = new WebSocket(`${origin.replace('http', 'ws')}/ws`, 'tsumugi.v1.json', {
    headers: { Authorization: `Bearer ${author.accessToken}` },
  });
  const request = (type: string, id: number, body: object) =>
    new Promise<{ avatarId: string }>((resolve, reject) => {
      socket.on('error', reject);
      socket.on('message', (data) => {
        const frame = JSON.parse(data.toString());
        if (frame.id !== id) return;
        if (frame.type === 'reply') resolve(frame.body);
        else reject(new Error(`${type}: ${frame.code} ${frame.message}`));
      });
      socket.send(JSON.stringify({ type, id, body }));
    });
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  const { avatarId } = await request('companion.create_avatar', 1, {
    name: 'Benchmark',
    systemPrompt: 'You are a calm companion. You answer warmly, in a few sentences, and ask something back.',
    lang: 'en',
    params: { maxOutputTokens },
  });
  await request('companion.publish_avatar', 2, { avatarId, visibility: 'published' });
  socket.close();
  return avatarId;
}
