/** The relays as processes, against a model server of four tokens: a comparison is worth nothing if a peer loses text. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DialectName } from '../bench/client/dialect.ts';
import { Group } from '../bench/client/group.ts';
import { accepts, freePort, Running } from '../bench/processes.ts';

const tokens = ['Hello', ' wörld', ' 元気', '?'];
const text = tokens.join('');
let model: Server;
let asked: { max_tokens?: number; stream?: boolean }[] = [];

beforeAll(async () => {
  model = createServer(async (request, response) => {
    asked.push((await json(request)) as (typeof asked)[number]);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const content of tokens) {
      response.write(`data: ${JSON.stringify({ id: 'x', choices: [{ index: 0, delta: { content } }] })}\n\n`);
    }
    response.end('data: [DONE]\n\n');
  }).listen(0, '127.0.0.1');
  await once(model, 'listening');
});
afterAll(() => model.close());

describe.each<[string, DialectName]>([
  ['socket-io.ts', 'socket.io'],
  ['ws.ts', 'json-relay'],
  ['uws.ts', 'json-relay'],
])('the relay %s', (file, dialect) => {
  it('gives every stream the whole text, again and again', async () => {
    asked = [];
    const port = await freePort();
    const modelUrl = `http://127.0.0.1:${(model.address() as AddressInfo).port}/v1`;
    const relay = fileURLToPath(new URL(file, import.meta.url));
    const running = await Running.start({
      name: file,
      args: [relay, '--port', String(port), '--model-url', modelUrl, '--max-tokens', '4'],
      core: 0,
      probed: true,
      ready: () => accepts(port),
    });
    try {
      const group = new Group();
      await group.open(
        Array.from({ length: 5 }, () => ({ dialect, port })),
        text,
      );
      group.start({ staggerMs: 10 });
      await expect.poll(() => group.count().answers, { interval: 5 }).toBeGreaterThan(20);
      await group.finish();
      const { answers, units, frames, failures, problems } = group.count();
      expect({ failures, problems }).toEqual({ failures: 0, problems: [] });
      expect(units).toBe(answers * text.length);
      expect(frames).toBe(answers * tokens.length);
      expect(asked[0]).toMatchObject({ stream: true, max_tokens: 4 });
      expect((await running.read()).cpuUs).toBeGreaterThan(0);
      group.close();
    } finally {
      await running.stop();
    }
  });
});
