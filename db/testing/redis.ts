/** A redis-server, or valkey-server, of its own for a test file: from PATH, on a free port, durable in a temporary folder. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { Redis } from 'ioredis';
import { atEnd } from './at-end.ts';

export type TestRedis = {
  url: string;
  /** In order; removes the data. */
  stop(): Promise<void>;
  /** As by kill -9; the data stays for `restart`. */
  kill(): Promise<void>;
  /** It goes on without anything that it had. */
  loseData(): Promise<void>;
  /** Starts again on the same port and data. */
  restart(): Promise<void>;
};

/** @throws Error that says so when redis-server is not installed. */
export async function startRedis(): Promise<TestRedis> {
  const folder = mkdtempSync(join(tmpdir(), 'tsumugi-redis-'));
  const launched = await launchAnywhere(folder);
  const { port } = launched;
  let { child } = launched;
  const ended = atEnd(() => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    url: `redis://127.0.0.1:${port}`,
    kill: () => end(child, 'SIGKILL'),
    async loseData() {
      const client = new Redis(port, '127.0.0.1');
      await client.flushall();
      client.disconnect();
    },
    async restart() {
      child = await launch(folder, port);
    },
    async stop() {
      await end(child, 'SIGTERM');
      ended();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Somebody else may take a free port before the server has it. */
async function launchAnywhere(folder: string): Promise<{ port: number; child: ChildProcess }> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    try {
      return { port, child: await launch(folder, port) };
    } catch (error) {
      if (attempt >= 3 || !/address already in use/i.test(String(error))) throw error;
    }
  }
}

/** The first of the two that is on PATH. */
const program =
  ['redis-server', 'valkey-server'].find((name) =>
    (process.env['PATH'] ?? '').split(delimiter).some((each) => existsSync(join(each, name))),
  ) ?? 'redis-server';

function launch(folder: string, port: number): Promise<ChildProcess> {
  const options = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'yes'];
  const child = spawn(program, [...options, '--appendfsync', 'always'], { stdio: ['ignore', 'pipe', 'pipe'] });
  return new Promise((resolve, reject) => {
    let output = '';
    child.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'ENOENT'
          ? new Error('redis-server is not installed: these tests need it on PATH (Debian: apt install redis-server).')
          : error,
      ),
    );
    child.once('exit', (code) =>
      reject(new Error(`redis-server stopped at its start (${code}): ${output.slice(-400)}`)),
    );
    child.stdout.on('data', (text) => {
      output += text;
      if (output.includes('Ready to accept connections')) resolve(child);
    });
  });
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await gone;
}

function freePort(): Promise<number> {
  const probe = createServer();
  return new Promise((resolve, reject) => {
    probe.once('error', reject).listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() =>
        address !== null && typeof address === 'object' ? resolve(address.port) : reject(new Error('No port.')),
      );
    });
  });
}
