import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StaticFiles } from './static-files.ts';
import { startGateway, type TestGateway } from './test-gateway.ts';

const script = `export const x = '${'long '.repeat(1000)}';`;
let folder: string;
let running: TestGateway;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'static-'));
  writeFileSync(join(folder, 'secret.txt'), 'outside');
  const dist = join(folder, 'dist');
  mkdirSync(join(dist, 'assets'), { recursive: true });
  writeFileSync(join(dist, 'index.html'), '<!doctype html><title>紡ぎ</title>');
  writeFileSync(join(dist, 'assets', 'main-B3x9Qz_1.js'), script);
  writeFileSync(join(dist, 'assets', 'plain.css'), 'a{}');
  writeFileSync(join(dist, 'a b.txt'), 'spaced');
  running = await startGateway({ files: await StaticFiles.load(dist) });
});
afterAll(() => {
  running.gateway.close();
  rmSync(folder, { recursive: true });
});

type Reply = { status: number; headers: Record<string, unknown>; body: Buffer };
/** Not fetch, which tidies paths and unpacks bodies by itself. */
function get(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const sent = request({ port: running.port, host: '127.0.0.1', path, headers, method }, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk as Buffer);
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) });
    });
    sent.on('error', reject).end();
  });
}

describe('a page', () => {
  it.each(['/', '/index.html'])('stands at %s, under a strict policy', async (path) => {
    const { status, headers, body } = await get(path);
    expect([status, headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect(body.toString()).toContain('紡ぎ');
    expect(headers['cache-control']).toBe('no-cache');
    expect(headers['content-security-policy']).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; " +
        "manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    );
  });

  it('also answers addresses within it, but not missing files or programs', async () => {
    const html = { accept: 'text/html,*/*' };
    expect((await get('/chat/42', html)).body.toString()).toContain('紡ぎ');
    expect((await get('/assets/missing.js', html)).status).toBe(404);
    expect((await get('/chat/42', { accept: 'application/json' })).status).toBe(404);
    expect((await get('/chat/42', html, 'POST')).status).toBe(404);
  });
});

describe('a file', () => {
  it('with a hash in its name is kept for ever, others are asked for again', async () => {
    expect((await get('/assets/main-B3x9Qz_1.js')).headers['cache-control']).toBe(
      'public, max-age=31536000, immutable',
    );
    expect((await get('/assets/plain.css')).headers['cache-control']).toBe('no-cache');
  });

  it('comes compressed as the client wishes', async () => {
    const path = '/assets/main-B3x9Qz_1.js';
    const brotli = await get(path, { 'accept-encoding': 'gzip, br' });
    expect([brotli.headers['content-encoding'], brotliDecompressSync(brotli.body).toString()]).toEqual(['br', script]);
    const zipped = await get(path, { 'accept-encoding': 'br;q=0, gzip' });
    expect([zipped.headers['content-encoding'], gunzipSync(zipped.body).toString()]).toEqual(['gzip', script]);
    const plain = await get(path);
    expect([plain.headers['content-encoding'], plain.body.toString(), plain.headers['vary']]).toEqual([
      undefined,
      script,
      'accept-encoding',
    ]);
  });

  it('is not sent again to a client that has it', async () => {
    const { headers } = await get('/a%20b.txt');
    const again = await get('/a%20b.txt', { 'if-none-match': `"x", W/${headers['etag']}` });
    expect([again.status, again.body.byteLength, again.headers['etag']]).toEqual([304, 0, headers['etag']]);
  });

  it('tells its size to HEAD', async () => {
    const { headers, body } = await get('/a%20b.txt', {}, 'HEAD');
    expect([headers['content-length'], body.byteLength]).toEqual(['6', 0]);
  });

  it.each([
    '/../secret.txt',
    '/..%2fsecret.txt',
    '/assets/../../secret.txt',
    '/%2e%2e/secret.txt',
    '//secret.txt',
    '/assets/..\\..\\secret.txt',
    '/assets',
  ])('outside of the folder does not exist: %s', async (path) => {
    expect((await get(path)).status).toBe(404);
  });
});
