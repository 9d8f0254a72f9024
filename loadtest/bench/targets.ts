/** The processes of a run: the model server, the server under test, the three bare relays and the load client. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Account, prepareAccounts } from './accounts.ts';
import type { LineOptions } from './client/dialect.ts';
import type { ClientCommand, ModelAnswer } from './client/main.ts';
import type { BenchOptions } from './options.ts';
import { accepts, answersOk, cores, freePort, Running } from './processes.ts';

/** Something that streams the model to a client. */
export type Target = {
  name: string;
  running: Running;
  /** Lines for `count` streams; `short` asks for answers of a few tokens. */
  lines(count: number, answers: 'usual' | 'short'): LineOptions[];
  /** Lines of `count` connections that never ask. */
  idleLines(count: number): LineOptions[];
};

export type Client = { running: Running; call<Value>(command: ClientCommand): Promise<Value> };
export type Model = { running: Running; url: string; expected: string; unitsPerToken: number };

/** Tokens of one answer. `usual` is four seconds at 50 tokens/s; `short` serves many samples of the first token. */
export const answerTokens = { usual: 200, short: 4 } as const;
export const tokensPerSecond = 50;

const root = fileURLToPath(new URL('../../', import.meta.url));
const script = (path: string) => join(root, path);

export async function startModel(client: Client): Promise<Model> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/v1`;
  const pace = ['--port', String(port), '--tokens-per-second', String(tokensPerSecond)];
  const plain = ['--plain', '--tokens', String(answerTokens.usual)];
  const running = await Running.start({
    name: 'model server',
    args: [script('server/llm/persona/main.ts'), ...pace, ...plain],
    core: cores.around,
    probed: true,
    ready: () => answersOk(`${url}/models`),
  });
  const answer = await client.call<ModelAnswer>({ do: 'ask-model', modelUrl: url, maxTokens: answerTokens.usual });
  return { running, url, expected: answer.text, unitsPerToken: answer.text.length / answerTokens.usual };
}

export async function startClient(): Promise<Client> {
  const running = await Running.start({
    name: 'load client',
    args: [fileURLToPath(new URL('./client/main.ts', import.meta.url))],
    core: cores.around,
    probed: false,
    ready: async () => true,
  });
  return { running, call: (command) => running.remote.call(command) };
}

const relays = [
  { name: 'socket.io', file: 'socket-io.ts', dialect: 'socket.io' },
  { name: 'ws', file: 'ws.ts', dialect: 'json-relay' },
  { name: 'raw uWS', file: 'uws.ts', dialect: 'json-relay' },
] as const;

/** The three bare relays. They speak to the same model server and ask it for answers of the same length. */
export async function startRelays(model: Model): Promise<Target[]> {
  const targets: Target[] = [];
  for (const { name, file, dialect } of relays) {
    const port = await freePort();
    const running = await Running.start({
      name,
      args: [
        fileURLToPath(new URL(`../peers/${file}`, import.meta.url)),
        ...['--port', String(port), '--model-url', model.url, '--max-tokens', String(answerTokens.usual)],
      ],
      core: cores.measured,
      probed: true,
      ready: () => accepts(port),
    });
    const lines = (count: number) => spread(count).map((localAddress) => ({ dialect, port, ...localAddress }));
    targets.push({ name, running, lines, idleLines: lines });
  }
  return targets;
}

/** What makes a server of a run differ from one that a user starts. */
export type Variant = {
  name?: string;
  env?: Readonly<Record<string, string>>;
  args?: readonly string[];
  /** Where its data folder is made; the temporary folder otherwise. */
  dataIn?: string;
};

/** The server as a user starts it, in a data folder of its own that is removed afterwards. */
export async function startServer(
  model: Model,
  options: BenchOptions,
  { name = 'tsumugi', env: more = {}, args = [], dataIn = tmpdir() }: Variant = {},
): Promise<Target & { stop(): Promise<void> }> {
  const dataDir = mkdtempSync(join(dataIn, 'tsumugi-bench-'));
  const env = {
    // Its own choice: a port that was free before may be somebody else's by the time it listens.
    PORT: '0',
    TSUMUGI_DATA_DIR: dataDir,
    OPENAI_BASE_URL: model.url,
    OPENAI_API_KEY: 'bench',
    OPENAI_MODEL: 'tsumugi-persona',
    ...serverSettings,
    ...more,
  };
  let port = Number.NaN;
  let running: Running | undefined;
  const stop = async () => {
    await running?.stop();
    rmSync(dataDir, { recursive: true, force: true });
  };
  try {
    running = await Running.start({
      name,
      args: [...args, script('server/main.ts')],
      env,
      core: cores.measured,
      probed: true,
      ready: async (lines) => {
        port = portOf(lines);
        return port > 0;
      },
      readyWithinMs: 120_000,
    });
    running.pinChildren(cores.around);
    const prepared = await prepareAccounts(`http://127.0.0.1:${port}`, options.accounts, answerTokens);
    const line = (account: Account, codec = options.codec): LineOptions => ({
      dialect: 'tsumugi',
      port,
      codec,
      accessToken: account.accessToken,
    });
    const pick = (place: number) => prepared.accounts[place % prepared.accounts.length] as Account;
    return {
      name,
      running,
      lines: (count, answers) =>
        spread(count).map((from, place) => ({ ...line(pick(place)), ...from, avatarId: prepared.avatars[answers] })),
      idleLines: (count) => spread(count).map((from, place) => ({ ...line(pick(place)), ...from })),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** NaN until it has said that it is ready, which it does last. */
function portOf(lines: readonly string[]): number {
  const ready = lines.find((line) => line.startsWith('Tsumugi is ready at '));
  return Number(/:(\d+)$/.exec(ready ?? '')?.[1]);
}

/** What a load from one machine needs: nothing that changes what a token or an idle session costs. */
const serverSettings: Readonly<Record<string, string>> = {
  SIGN_UP_BURST: '100000',
  ARGON_MEMORY_KIB: '1024',
  ARGON_PASSES: '1',
};

/** One source address for each thousand connections, so that no limit per address or range of ports is met. */
function spread(count: number): { localAddress?: string }[] {
  const manySources = process.platform === 'linux';
  return Array.from({ length: count }, (_, place) =>
    manySources ? { localAddress: `127.0.0.${2 + Math.floor(place / 1_000)}` } : {},
  );
}
