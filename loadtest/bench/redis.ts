/** A redis-server beside what is measured. It writes nothing to disk: the server's own cost is asked for, not the disk's. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { accepts, canPin, cores, freePort } from './processes.ts';

const READY_WITHIN_MS = 10_000;

export class Redis {
  readonly url: string;
  readonly #child: ChildProcess;

  private constructor(url: string, child: ChildProcess) {
    this.url = url;
    this.#child = child;
  }

  /** Undefined where redis-server is not installed. */
  static async start(): Promise<Redis | undefined> {
    const port = await freePort();
    const pinned = canPin ? ['taskset', '-c', String(cores.around)] : [];
    const [program = '', ...args] = [...pinned, 'redis-server', '--port', String(port), '--bind', '127.0.0.1'];
    const child = spawn(program, [...args, '--save', '', '--appendonly', 'no'], { stdio: 'ignore' });
    child.on('error', () => {});
    const until = performance.now() + READY_WITHIN_MS;
    while (!(await accepts(port))) {
      if (child.exitCode !== null || child.pid === undefined || performance.now() > until) {
        child.kill();
        return undefined;
      }
      await delay(50);
    }
    return new Redis(`redis://127.0.0.1:${port}`, child);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await ended;
  }
}
