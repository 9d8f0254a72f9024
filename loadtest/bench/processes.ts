/** Starts, pins, watches and stops the processes of a run. Ends only what it started. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Remote } from './ipc.ts';
import type { ProbeCommand, ProbeReading } from './probe.ts';

/** Core of what is measured, and core of everything around it. */
export const cores = { measured: 0, around: 1 } as const;

export type StartOptions = {
  name: string;
  /** Arguments of Node: the script and its own. */
  args: readonly string[];
  env?: Readonly<Record<string, string>>;
  core: number;
  /** Preloads the probe and allows it to collect garbage. */
  probed: boolean;
  /** Resolves true once the process serves. `lines`: the last ones of its output. */
  ready: (lines: readonly string[]) => Promise<boolean>;
  readyWithinMs?: number;
};

/** True where processes can be bound to cores; elsewhere the run says that they were not. */
export const canPin = availableParallelism() >= 2 && hasTaskset();

export class Running {
  readonly name: string;
  readonly pid: number;
  readonly remote: Remote;
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  #stopping = false;

  private constructor(name: string, child: ChildProcess, pid: number) {
    this.name = name;
    this.pid = pid;
    this.#child = child;
    this.remote = new Remote(child, name);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#lines.push(...text.split('\n').filter(Boolean));
        this.#lines.splice(0, this.#lines.length - 30);
      });
    }
    child.once('exit', (code, signal) => {
      if (!this.#stopping) console.error(`${name} ended (${signal ?? code}):\n${this.#lines.join('\n')}`);
    });
  }

  static async start(options: StartOptions): Promise<Running> {
    const probe = options.probed
      ? ['--expose-gc', '--import', fileURLToPath(new URL('./probe.ts', import.meta.url))]
      : [];
    const command = [
      ...pinning(options.core),
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      ...probe,
      ...options.args,
    ];
    const child = spawn(command[0] ?? process.execPath, command.slice(1), {
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const pid = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('spawn', () => resolve(child.pid ?? 0));
    });
    const running = new Running(options.name, child, pid);
    try {
      await running.#waitUntil(options.ready, options.readyWithinMs ?? 30_000);
    } catch (error) {
      await running.stop();
      throw error;
    }
    return running;
  }

  read(command: ProbeCommand = 'read'): Promise<ProbeReading> {
    return this.remote.call<ProbeReading>(command);
  }

  /** CPU time of everything this process has started, microseconds. 0 where there is no /proc. */
  childrenCpuUs(): number {
    return descendants(this.pid).reduce((sum, process) => sum + process.cpuUs, 0);
  }

  /** Moves what this process has started (a database) to another core. */
  pinChildren(core: number): void {
    if (!canPin) return;
    for (const child of descendants(this.pid)) {
      try {
        execFileSync('taskset', ['-a', '-c', '-p', String(core), String(child.pid)], { stdio: 'ignore' });
      } catch {
        // It has ended meanwhile; nothing to move.
      }
    }
  }

  /** Asks the process to end, insists after 20 s. */
  async stop(): Promise<void> {
    this.#stopping = true;
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 20_000);
    await ended;
    clearTimeout(timer);
  }

  async #waitUntil(ready: StartOptions['ready'], withinMs: number): Promise<void> {
    const until = performance.now() + withinMs;
    while (!(await ready(this.#lines).catch(() => false))) {
      const ended = this.#child.exitCode !== null || this.#child.signalCode !== null;
      if (ended || performance.now() > until) {
        const why = ended ? 'ended' : `was not ready within ${withinMs} ms`;
        throw new Error(`${this.name} ${why}. Its last lines:\n${this.#lines.slice(-12).join('\n')}`);
      }
      await delay(50);
    }
  }
}

function pinning(core: number): string[] {
  return canPin ? ['taskset', '-c', String(core)] : [];
}

function hasTaskset(): boolean {
  try {
    execFileSync('taskset', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

type ProcessTime = { pid: number; parent: number; cpuUs: number };

/** Every process below `root` with its CPU time, that of its ended children included. */
function descendants(root: number): ProcessTime[] {
  const all = processTimes();
  const below = new Set([root]);
  // Parents may come after their children in the listing; a few passes reach every depth that occurs.
  for (let pass = 0; pass < 4; pass++) {
    for (const process of all) if (below.has(process.parent)) below.add(process.pid);
  }
  return all.filter((process) => process.pid !== root && below.has(process.pid));
}

function processTimes(): ProcessTime[] {
  let names: string[];
  try {
    names = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
  const times: ProcessTime[] = [];
  for (const name of names) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      // Fields behind the command's name, which may hold spaces: state, parent, … utime (12th), stime, cutime, cstime.
      const fields = stat
        .slice(stat.lastIndexOf(')') + 2)
        .split(' ')
        .map(Number);
      const ticks = (fields[11] ?? 0) + (fields[12] ?? 0) + (fields[13] ?? 0) + (fields[14] ?? 0);
      times.push({ pid: Number(name), parent: fields[1] ?? 0, cpuUs: ticks * 10_000 });
    } catch {
      // It ended between the listing and the reading.
    }
  }
  return times;
}

/** A port of loopback that is free now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

/** True once an HTTP GET is answered with 200. */
export async function answersOk(url: string): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
  await response.arrayBuffer();
  return response.ok;
}

/** True once something accepts connections at the port. */
export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    }).once('error', () => resolve(false));
  });
}
