/** Real processes, really killed. */
import { type ChildProcess, fork } from 'node:child_process';
import { on, once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';

type Message = { ready?: string; refused?: string; log?: string; texts?: string[] };

let dataDir: string;
let children: ChildProcess[];
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'tsumugi-embedded-'));
  children = [];
});
afterEach(async () => {
  await Promise.all(children.map((child) => end(child, 'SIGKILL')));
  killPostmaster('SIGKILL');
  rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 });
});

const program = fileURLToPath(new URL('./test-program.ts', import.meta.url));

/** Starts the program and gives its first answer, and what it logged until then. */
async function start(): Promise<{ child: ChildProcess; ready: string; refused: string; logged: string[] }> {
  const child = fork(program, [dataDir], { execArgv: [], stdio: 'inherit' });
  children.push(child);
  inbox(child);
  const logged: string[] = [];
  for (;;) {
    const message = await next(child);
    if (message.log !== undefined) logged.push(message.log);
    else return { child, ready: message.ready ?? '', refused: message.refused ?? '', logged };
  }
}

/** In order, one at a time: several may come in one turn of the event loop. */
async function next(child: ChildProcess): Promise<Message> {
  const { value } = await inbox(child).next();
  return (value as [Message])[0];
}

const inboxes = new WeakMap<ChildProcess, NodeJS.AsyncIterator<unknown[]>>();
function inbox(child: ChildProcess): NodeJS.AsyncIterator<unknown[]> {
  const found = inboxes.get(child) ?? on(child, 'message');
  inboxes.set(child, found);
  return found;
}

async function append(child: ChildProcess, text: string): Promise<string[]> {
  child.send({ append: text });
  for (;;) {
    const { texts } = await next(child);
    if (texts !== undefined) return texts;
  }
}

async function end(child: ChildProcess, how: NodeJS.Signals | 'stop'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  if (how === 'stop') child.send({ stop: true });
  else child.kill(how);
  await gone;
}

function postmaster(): number | undefined {
  const file = join(dataDir, 'postgres', 'postmaster.pid');
  return existsSync(file) ? Number.parseInt(readFileSync(file, 'utf8'), 10) : undefined;
}

function killPostmaster(signal: NodeJS.Signals): void {
  const pid = postmaster();
  if (pid === undefined) return;
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone.
  }
}

test('a second start is refused in one line that says where the first one is; the first one goes on', async () => {
  const first = await start();
  const second = await start();
  expect(second.refused).toMatch(/already running in .*: pid \d+, address http:\/\/127\.0\.0\.1:4567\.$/);
  expect(second.refused).toContain(`pid ${first.child.pid}`);
  expect(await append(first.child, 'a')).toEqual(['a']);
  await end(first.child, 'stop');
  expect(existsSync(join(dataDir, 'server.lock'))).toBe(false);
  expect(postmaster()).toBeUndefined();
});

test('what was acknowledged survives kill -9 of the server, and of the server and PostgreSQL', async () => {
  const first = await start();
  expect(await append(first.child, 'a')).toEqual(['a']);
  await end(first.child, 'SIGKILL');
  const orphan = postmaster();
  expect(orphan).toBeDefined();

  const second = await start();
  expect(second.logged.join()).toContain(`earlier server left behind (pid ${orphan})`);
  expect(await append(second.child, 'b')).toEqual(['a', 'b']);
  killPostmaster('SIGKILL');
  await end(second.child, 'SIGKILL');

  const third = await start();
  expect(await append(third.child, 'c')).toEqual(['a', 'b', 'c']);
  await end(third.child, 'stop');
});

test('a lock and a pid file whose numbers belong to others now do not keep the folder closed', async () => {
  const first = await start();
  await append(first.child, 'a');
  await end(first.child, 'stop');
  // This test's own process lives, but began at another time, and is no PostgreSQL.
  writeFileSync(join(dataDir, 'server.lock'), JSON.stringify({ pid: process.pid, startTime: 1 }));
  writeFileSync(join(dataDir, 'postgres', 'postmaster.pid'), `${process.pid}\n${dataDir}\n1\n1\n`);
  const second = await start();
  expect(second.refused).toBe('');
  expect(await append(second.child, 'b')).toEqual(['a', 'b']);
  await end(second.child, 'stop');
});

test('a first start that was cut off leaves nothing that the next one trips over', async () => {
  const child = fork(program, [dataDir], { execArgv: [], stdio: 'inherit' });
  children.push(child);
  // The password is written before the cluster is made.
  while (!existsSync(join(dataDir, 'postgres-password'))) await new Promise(setImmediate);
  await end(child, 'SIGKILL');
  const next = await start();
  expect(next.refused).toBe('');
  expect(next.logged.join()).toContain('making a new database');
  expect(await append(next.child, 'a')).toEqual(['a']);
  await end(next.child, 'stop');
});

test('a first start that is told to stop takes what makes the cluster with it, and leaves no password', async () => {
  const child = fork(program, [dataDir], { execArgv: [], stdio: 'inherit' });
  children.push(child);
  while (!readdirSync(dataDir).some((name) => /unfinished-\d+$/.test(name))) await new Promise(setImmediate);
  await expect.poll(programsOn).toHaveLength(1);
  await end(child, 'SIGTERM');
  await expect.poll(programsOn).toEqual([]);
  expect(readdirSync(dataDir).filter((name) => name.endsWith('.password'))).toEqual([]);
});

/** The programs of PostgreSQL that were told of the folder. */
const programsOn = (): string[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => (existsSync(`/proc/${pid}/cmdline`) ? readFileSync(`/proc/${pid}/cmdline`, 'utf8') : ''))
    .filter((line) => line.includes('/initdb\0') && line.includes(dataDir));

test('Ctrl-C in the terminal does not reach PostgreSQL: it has a session of its own', async () => {
  const { child } = await start();
  const sessionOf = (pid: number) => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[3];
  const pid = postmaster() ?? 0;
  expect(sessionOf(pid)).toBe(String(pid));
  expect(sessionOf(child.pid ?? 0)).not.toBe(String(pid));
  await end(child, 'stop');
});

test('nobody without the password gets in, and the password is closed', async () => {
  const { child, ready } = await start();
  const port = Number(/127\.0\.0\.1:(\d+)/.exec(ready)?.[1]);
  const { default: postgres } = await import('postgres');
  const stranger = postgres(`postgres://tsumugi_owner:guess@127.0.0.1:${port}/tsumugi`, { max: 1 });
  await expect(stranger`select 1`).rejects.toMatchObject({ code: '28P01' });
  await stranger.end();
  const { statSync } = await import('node:fs');
  expect(statSync(join(dataDir, 'postgres-password')).mode & 0o777).toBe(0o600);
  await end(child, 'stop');
});
