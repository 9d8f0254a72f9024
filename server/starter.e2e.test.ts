/** `npm start` ended by whoever started it: the server ends with it, and another one takes its place at once. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestServer, type TestServer } from './testing/start-server.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
let server: TestServer;
const started: ChildProcess[] = [];
beforeAll(async () => {
  server = await startTestServer({ embedded: true });
  await server.stop();
});
afterAll(async () => {
  const last = started.at(-1);
  last?.kill('SIGTERM');
  await server?.restart().then((one) => one.close());
});

/** @returns npm, and the address once it is printed. */
function npmStart(): { npm: ChildProcess; ready: Promise<string> } {
  const { PATH = '', HOME = '' } = process.env;
  const npm = spawn('npm', ['start'], {
    cwd: root,
    env: { PATH, HOME, ...server.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.push(npm);
  let output = '';
  const ready = new Promise<string>((resolve, reject) => {
    const look = (text: string) => {
      output += text;
      const url = /ready at (http:\/\/[^\s"]+)/.exec(output)?.[1];
      if (url !== undefined) resolve(url);
      if (/could not start/.test(output)) reject(new Error(output));
    };
    npm.stdout?.setEncoding('utf8').on('data', look);
    npm.stderr?.setEncoding('utf8').on('data', look);
  });
  return { npm, ready };
}

const answers = (url: string) =>
  fetch(`${url}/healthz`).then(
    ({ ok }) => ok,
    () => false,
  );

it.each(['SIGTERM', 'SIGKILL'] as const)(
  'ends with an npm that gets %s, and leaves its folder to the next',
  async (signal) => {
    const first = npmStart();
    const url = await first.ready;
    first.npm.kill(signal);
    // Not a moment later: what stands in its way is about to go.
    const second = npmStart();
    expect(await answers(await second.ready)).toBe(true);
    expect(await answers(url)).toBe(false);
    second.npm.kill('SIGTERM');
  },
);
