/** Opens many long answers, each read by several clients through the gateways in turn. */
import { AuthClient } from '../../../protocol/auth-client.ts';
import { TsumugiClient } from '../../../protocol/client.ts';
import { longTag, question } from '../story.ts';
import { leanFetch } from './lean-fetch.ts';
import { StreamingClient } from './streaming-client.ts';

export type Stream = { tag: string; clients: StreamingClient[] };
export type StreamsOptions = {
  streams: number;
  clients: number;
  tokensPerSecond: number;
  /** Tokens of each answer; by default they outlast set-up, the measurements and a slow machine. */
  answerTokens?: number;
  /** Place of the gateway where everybody asks; by default they take turns. */
  askAt?: number;
};

const answerSeconds = 400;
const signUpsAtOnce = 8;

/** Resolves when all have asked. The first client of each is the one that did. */
export async function openStreams(
  origins: readonly string[],
  { streams, clients, tokensPerSecond, askAt, answerTokens = answerSeconds * tokensPerSecond }: StreamsOptions,
): Promise<Stream[]> {
  const made: Stream[] = [];
  const places = Array.from({ length: streams }, (_, place) => place)[Symbol.iterator]();
  const worker = async () => {
    for (const place of places) {
      const readers = Math.floor(clients / streams) + (place < clients % streams ? 1 : 0);
      const first = askAt ?? place;
      made.push(await openStream(origins, { place, first, readers: Math.max(1, readers), tokens: answerTokens }));
    }
  };
  await Promise.all(Array.from({ length: signUpsAtOnce }, worker));
  return made;
}

type Opening = { place: number; first: number; readers: number; tokens: number };

async function openStream(origins: readonly string[], { place, first, readers, tokens }: Opening): Promise<Stream> {
  const origin = origins[first % origins.length] ?? '';
  const auth = new AuthClient({ url: origin, fetch: leanFetch });
  await auth.signUp({ email: `storm-${place}@example.com`, password: 'a long pass phrase', locale: 'en' });
  const opener = new TsumugiClient({ url: origin, getTicket: () => auth.socketTicket() });
  await opener.connect();
  const [avatar] = (await opener.request('companion.list_avatars', {})).avatars;
  if (avatar === undefined) throw new Error('The server has no avatars.');
  const { conversationId } = await opener.request('chat.open', { avatarId: avatar.avatarId, kind: 'conversation' });
  opener.close();
  const clients: StreamingClient[] = [];
  for (let reader = 0; reader < readers; reader++) {
    const at = origins[(first + reader) % origins.length] ?? origin;
    const client = new StreamingClient(at, auth, conversationId);
    await client.open();
    clients.push(client);
  }
  const tag = longTag(tokens, `s${place}`);
  await clients[0]?.conversation?.send(question(tag));
  return { tag, clients };
}
