/** The Redis of a run. It writes every command to disk, so that only what is made to lose data does. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Redis as Client } from 'ioredis';
import { freePort } from './part.ts';

export type Lease = { name: string; owner: string; untilMs: number };

export class Redis {
  readonly port: number;
  readonly #folder: string;
  #child: ChildProcess;

  private constructor(port: number, folder: string, child: ChildProcess) {
    this.port = port;
    this.#folder = folder;
    this.#child = child;
  }

  static async start(runFolder: string): Promise<Redis> {
    const folder = join(runFolder, 'redis');
    mkdirSync(folder);
    const port = await freePort();
    return new Redis(port, folder, await launch(folder, port));
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  async kill(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }

  async restart(): Promise<void> {
    this.#child = await launch(this.#folder, this.port);
  }

  freeze(): void {
    this.#child.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child.kill('SIGCONT');
  }

  loseEverything(): Promise<void> {
    return this.#with(async (client) => void (await client.flushall()));
  }

  /** Leases that somebody holds. */
  leases(): Promise<Lease[]> {
    return this.#with(async (client) => {
      const found: Lease[] = [];
      for (const key of await client.keys('lease:*')) {
        const { owner = '', until = '0' } = await client.hgetall(key);
        if (owner !== '') found.push({ name: key.slice('lease:'.length), owner, untilMs: Number(until) });
      }
      return found;
    });
  }

  /** Logs of answers without an end of their life. */
  async endlessLogs(): Promise<string[]> {
    return this.#with(async (client) => {
      const endless: string[] = [];
      for (const key of await client.keys('generation:log:*')) if ((await client.pttl(key)) < 0) endless.push(key);
      return endless;
    });
  }

  killNow(): void {
    this.#child.kill('SIGKILL');
  }

  async #with<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const client = new Client(this.url, { maxRetriesPerRequest: 3 });
    client.on('error', () => {});
    try {
      return await work(client);
    } finally {
      client.disconnect();
    }
  }
}

function launch(folder: string, port: number): Promise<ChildProcess> {
  const place = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder];
  const durable = ['--save', '', '--appendonly', 'yes', '--appendfsync', 'always'];
  const child = spawn('redis-server', [...place, ...durable], { stdio: ['ignore', 'pipe', 'ignore'] });
  return new Promise((resolve, reject) => {
    let output = '';
    child.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'ENOENT'
          ? new Error('redis-server is not on PATH, and the run needs it (Debian: apt install redis-server).')
          : error,
      ),
    );
    child.once('exit', (code) => reject(new Error(`redis-server stopped (${code}): ${output.slice(-400)}`)));
    child.stdout.on('data', (text) => {
      if (output.length < 10_000) output += text;
      if (output.includes('Ready to accept connections')) resolve(child);
    });
  });
}
