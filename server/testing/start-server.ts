/** Starts the whole server as a process of its own, as `npm start` does, and knows when it is ready. For end-to-end tests. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { atEnd } from '../../db/testing/at-end.ts';
import { createTestDatabase } from '../../db/testing/postgres.ts';

const main = fileURLToPath(new URL('../main.ts', import.meta.url));

export type TestServer = {
  /** `http://127.0.0.1:<port>` */
  url: string;
  process: ChildProcess;
  dataDir: string;
  /** Its settings, for commands beside it. */
  env: Readonly<Record<string, string>>;
  /** Everything that the server has printed. */
  output(): string;
  /** SIGTERM and the end of it. @returns the exit code */
  stop(): Promise<number | null>;
  /** SIGKILL and the end of it; the data stay. */
  kill(): Promise<void>;
  /** Starts it again over the same data. */
  restart(env?: Record<string, string>): Promise<TestServer>;
  /** Stops it and removes its data. */
  close(): Promise<void>;
};

export type StartOptions = {
  env?: Record<string, string>;
  /** With the embedded PostgreSQL in a folder of its own, instead of a clone of the tests' database. */
  embedded?: boolean;
};

/** Cheap password hashing and room for a whole test's sign-ups; everything else as it ships. */
const testEnv = {
  HOST: '127.0.0.1',
  PORT: '0',
  NODE_ENV: 'test',
  LOG_LEVEL: 'info',
  ARGON_MEMORY_KIB: '1024',
  ARGON_PASSES: '1',
  SIGN_UP_BURST: '10000',
  PERSONA_TOKENS_PER_SECOND: '400',
};

export async function startTestServer(options: StartOptions = {}): Promise<TestServer> {
  const dataDir = await mkdtemp(join(tmpdir(), 'tsumugi-e2e-'));
  const database = options.embedded === true ? undefined : await createTestDatabase();
  const env = {
    ...testEnv,
    TSUMUGI_DATA_DIR: dataDir,
    ...(database === undefined ? {} : { DATABASE_URL: database.ownerUrl }),
    ...options.env,
  };
  const release = async () => {
    await database?.close();
    await rm(dataDir, { recursive: true, force: true });
  };
  try {
    return await launch(env, dataDir, release);
  } catch (error) {
    await release();
    throw error;
  }
}

async function launch(env: Record<string, string>, dataDir: string, release: () => Promise<void>): Promise<TestServer> {
  const { child, output } = spawnServer(env);
  const url = await readyUrl(child, output);
  const ended = async (): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    return child.exitCode;
  };
  const stop = () => {
    child.kill('SIGTERM');
    return ended();
  };
  const kill = async () => {
    child.kill('SIGKILL');
    await ended();
  };
  return {
    url,
    process: child,
    dataDir,
    env,
    output,
    stop,
    kill,
    restart: (more = {}) => launch({ ...env, ...more }, dataDir, release),
    async close() {
      await stop();
      await release();
    },
  };
}

/** A server that is expected not to start. @returns its exit code and what it printed */
export async function runServer(
  env: Record<string, string>,
  args: string[] = [],
): Promise<{ code: number | null; output: string }> {
  const { child, output } = spawnServer({ ...testEnv, ...env }, args);
  await once(child, 'close');
  return { code: child.exitCode, output: output() };
}

function spawnServer(env: Record<string, string>, args: string[] = []): { child: ChildProcess; output: () => string } {
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(process.execPath, [main, ...args], {
    env: { PATH, HOME, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // A test that ran out of time knows nothing of the server that it was waiting for.
  child.once(
    'exit',
    atEnd(() => child.kill('SIGKILL')),
  );
  let text = '';
  const collect = (chunk: string) => {
    text += chunk;
  };
  child.stdout?.setEncoding('utf8').on('data', collect);
  child.stderr?.setEncoding('utf8').on('data', collect);
  return { child, output: () => text };
}

function readyUrl(child: ChildProcess, output: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    const look = () => {
      const found = /ready at (https?:\/\/[^\s"]+)/.exec(output())?.[1];
      if (found !== undefined) resolve(found);
    };
    child.stdout?.on('data', look);
    child.once('exit', (code) => reject(new Error(`the server ended with ${code} before it was ready:\n${output()}`)));
  });
}
