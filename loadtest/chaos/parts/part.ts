/** A program of the run as a process: started, told apart from others in the log, ended on purpose or found to have ended by itself. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { createServer } from 'node:net';

export type PartOptions = {
  name: string;
  /** Arguments of Node: the script and its own. */
  args: readonly string[];
  env?: Readonly<Record<string, string>>;
  /** It serves as soon as it prints this. */
  ready: RegExp;
  logFile: string;
  /** It ended although nobody wanted it to. */
  onUnexpectedEnd: (name: string, how: string) => void;
};

const startMs = 180_000;

export class Part {
  readonly name: string;
  readonly #options: PartOptions;
  readonly #log: WriteStream;
  #child: ChildProcess | undefined;
  #wanted = false;

  constructor(options: PartOptions) {
    this.name = options.name;
    this.#options = options;
    this.#log = createWriteStream(options.logFile, { flags: 'a' });
  }

  get running(): boolean {
    return this.#child !== undefined;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Resolves when it serves. */
  async start(): Promise<void> {
    const { args, env, ready, onUnexpectedEnd } = this.#options;
    const { PATH = '', HOME = '' } = process.env;
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...args], {
      env: { PATH, HOME, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#wanted = true;
    let output = '';
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const read = (text: string) => {
      this.#log.write(text);
      if (output.length < 100_000) output += text;
      if (ready.test(output)) resolve();
    };
    child.stdout?.setEncoding('utf8').on('data', read);
    child.stderr?.setEncoding('utf8').on('data', read);
    child.once('exit', (code, signal) => {
      if (this.#child === child) this.#child = undefined;
      const how = String(code ?? signal);
      reject(new Error(`${this.name} ended with ${how} before it was ready:\n${output.slice(-2_000)}`));
      if (this.#wanted) onUnexpectedEnd(this.name, how);
    });
    const timer = setTimeout(
      () => reject(new Error(`${this.name} was not ready in time:\n${output.slice(-2_000)}`)),
      startMs,
    );
    await promise.finally(() => clearTimeout(timer));
  }

  /** @returns how it ended: its exit code, or the name of the signal. */
  async end(signal: 'SIGTERM' | 'SIGKILL', withinMs = 30_000): Promise<string> {
    const child = this.#child;
    if (child === undefined) return 'it was not running';
    this.#wanted = false;
    const ended = once(child, 'exit');
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), withinMs);
    const [code, by] = (await ended) as [number | null, string | null];
    clearTimeout(timer);
    return String(code ?? by);
  }

  /** Stops it where it stands; it neither serves nor notices, until `thaw`. */
  freeze(): void {
    this.#child?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child?.kill('SIGCONT');
  }

  /** For the end of this process: no waiting. */
  killNow(): void {
    this.#wanted = false;
    this.#child?.kill('SIGKILL');
  }
}

/** A port of loopback that is free now. */
export function freePort(): Promise<number> {
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
