/**
 * One PostgreSQL cluster in a folder: made, started, stopped. Knows processes and settings; where the folder lies and who
 * may start it is for others.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Binaries } from './binaries.ts';
import type { SystemUser } from './system-user.ts';

export const superuser = 'tsumugi_owner';

export type ClusterOptions = {
  binaries: Binaries;
  /** Runs as the caller when undefined. */
  user: SystemUser | undefined;
  /** Must be reachable for `user`. */
  folder: string;
  password: string;
  /** Beside the fixed ones: `name=value`. */
  settings?: readonly string[];
  /** A free one when not given. The same one again lets clients find a cluster that was started anew. */
  port?: number;
  log: (line: string) => void;
};

export type RunningCluster = {
  readonly pid: number;
  readonly port: number;
  url(database: string): string;
  /** Resolves when the postmaster is gone; the exit code, or the signal's name. */
  readonly exited: Promise<string>;
  /** Lets running transactions be cut off, writes a checkpoint. Kills it when that takes longer than `timeoutMs`. */
  stop(timeoutMs?: number): Promise<void>;
  /** For `process.on('exit')`: no waiting. SIGINT ends it in order, SIGQUIT at once (crash recovery at the next start). */
  signal(signal: 'SIGINT' | 'SIGQUIT'): void;
};

const fixedSettings = [
  'listen_addresses=127.0.0.1',
  'unix_socket_directories=',
  'password_encryption=scram-sha-256',
  'max_connections=60',
  'shared_buffers=64MB',
  'wal_writer_delay=10ms',
  'max_wal_size=512MB',
  'log_timezone=UTC',
  'timezone=UTC',
  'log_min_messages=warning',
  'log_statement=none',
  // Statements can hold texts of people; an error must not carry them into the log.
  'log_min_error_statement=panic',
  'log_parameter_max_length_on_error=0',
  'log_error_verbosity=terse',
];

/** The superuser's URL of a database of an embedded cluster. */
export function clusterUrl(port: number, password: string, database: string): string {
  return `postgres://${superuser}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`;
}

/** True when the folder holds a finished cluster. */
export function isInitialized(folder: string): boolean {
  return existsSync(join(folder, 'PG_VERSION')) && existsSync(join(folder, 'global', 'pg_control'));
}

/** Makes the cluster. The folder must be empty and belong to `user`. */
export async function initialize(options: ClusterOptions, extra: readonly string[] = []): Promise<void> {
  // initdb reads the password from a file; only its user may read that. It lies beside the folder, so that what a killed
  // start leaves behind is cleared away together.
  const passwordFile = `${options.folder}.password`;
  let child: ChildProcess | undefined;
  const clearUp = () => rmSync(passwordFile, { force: true });
  const atExit = () => {
    child?.kill('SIGTERM');
    clearUp();
  };
  process.once('exit', atExit);
  try {
    writeFileSync(passwordFile, `${options.password}\n`, { mode: 0o600, flag: 'wx' });
    if (options.user) chownSync(passwordFile, options.user.uid, options.user.gid);
    child = start(options.binaries.initdb, options, [
      `--pgdata=${options.folder}`,
      `--username=${superuser}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--no-instructions',
      ...extra,
    ]);
    const output = collect(child);
    const end = await exitOf(child);
    if (end !== '0') throw new Error(`PostgreSQL could not be set up (${end}): ${reasonIn(output())}`);
  } finally {
    process.removeListener('exit', atExit);
    clearUp();
  }
}

/** Starts the postmaster and resolves when it accepts connections. */
export async function startCluster(options: ClusterOptions): Promise<RunningCluster> {
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort());
    try {
      return await startOn(port, options);
    } catch (error) {
      // Somebody else took the port in between.
      if (attempt >= 3 || !/could not bind|Address already in use|could not create any TCP/i.test(String(error)))
        throw error;
    }
  }
}

async function startOn(port: number, options: ClusterOptions): Promise<RunningCluster> {
  const settings = [...fixedSettings, ...(options.settings ?? []), `port=${port}`].flatMap((setting) => [
    '-c',
    setting,
  ]);
  const child = start(options.binaries.postgres, options, ['-D', options.folder, ...settings]);
  const output = collect(child, options.log);
  const exited = exitOf(child);
  const pid = child.pid;
  if (pid === undefined) throw new Error(`PostgreSQL did not start: ${await exited}`);
  await readiness(child, exited, output);
  let stopping: Promise<void> | undefined;
  return {
    pid,
    port,
    exited,
    url: (database) => clusterUrl(port, options.password, database),
    signal: (signal) => void child.kill(signal),
    stop(timeoutMs = 15_000) {
      stopping ??= stopChild(child, exited, timeoutMs);
      return stopping;
    },
  };
}

async function stopChild(child: ChildProcess, exited: Promise<string>, timeoutMs: number): Promise<void> {
  child.kill('SIGINT'); // "fast": ends the sessions, then a checkpoint
  const timer = setTimeout(() => child.kill('SIGQUIT'), timeoutMs);
  await exited;
  clearTimeout(timer);
}

/** In a session of its own, so that Ctrl-C in the terminal reaches the server only, which drains first and stops it then. */
function start(program: string, options: ClusterOptions, args: string[]): ChildProcess {
  const identity = options.user ? { uid: options.user.uid, gid: options.user.gid } : {};
  const child = spawn(program, args, {
    ...identity,
    cwd: '/',
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    // Nothing of the server's environment: it may hold keys.
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
  });
  return child;
}

/** Reads both outputs to the end, always: a full pipe would stop the server. Keeps the last lines. */
function collect(child: ChildProcess, log?: (line: string) => void): () => string {
  let tail = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8');
    stream?.on('data', (text: string) => {
      tail = (tail + text).slice(-8_000);
      // Errors of statements are the caller's to log: their messages can quote values.
      if (log) for (const line of text.split('\n')) if (/ (WARNING|FATAL|PANIC): /.test(line)) log(line.trim());
    });
  }
  return () => tail;
}

function exitOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(String(code ?? signal)));
  });
}

async function readiness(child: ChildProcess, exited: Promise<string>, output: () => string): Promise<void> {
  const ready = new Promise<true>((resolve) => {
    const look = () => output().includes('database system is ready to accept connections') && resolve(true);
    child.stderr?.on('data', look);
    look();
  });
  const end = await Promise.race([ready, exited]);
  if (end !== true) throw new Error(`PostgreSQL stopped at its start (${end}): ${reasonIn(output())}`);
}

/** The first line that says what was wrong, such as a full disk; what follows it only tells what came of that. */
export function reasonIn(output: string): string {
  const lines = output.trim().split('\n');
  const said = lines.map((line) => /(?:\b(?:FATAL|PANIC|ERROR)|^initdb: error): +(.+)$/.exec(line)?.[1]);
  return said.find((each) => each !== undefined) ?? lines.slice(-4).join(' | ');
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => probe.once('error', reject).listen(0, '127.0.0.1', () => resolve()));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('The system gave no port.');
  return address.port;
}

export function newPassword(): string {
  return randomBytes(24).toString('base64url');
}
