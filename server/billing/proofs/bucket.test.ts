/** Copies in S3-compatible storage, against a server that checks each signature as AWS Signature Version 4 defines it. */
import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CheckpointBucket } from './bucket.ts';

const secret = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
let server: Server;
let url = '';
let objects: Map<string, string>;
let refusals: string[];
let failing = 0;
beforeEach(async () => {
  [objects, refusals, failing] = [new Map(), [], 0];
  server = createServer((request, response) => {
    void answer(request).then((status) => response.writeHead(status).end());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/ledger/copies`;
});
afterEach(() => void server.close());

async function answer(request: IncomingMessage): Promise<number> {
  let body = '';
  for await (const piece of request.setEncoding('utf8')) body += piece;
  if (failing > 0) {
    failing -= 1;
    return 403;
  }
  const problem = wrongSignature(request, body);
  if (problem !== undefined) {
    refusals.push(problem);
    return 403;
  }
  const path = request.url ?? '';
  if (request.headers['if-none-match'] === '*' && objects.has(path)) return 412;
  objects.set(path, body);
  return 200;
}

/** The request as the specification canonicalises it, signed again. */
function wrongSignature({ method = '', url: path = '', headers }: IncomingMessage, body: string): string | undefined {
  const match =
    /^AWS4-HMAC-SHA256 Credential=AKID\/(\d{8})\/([\w-]+)\/s3\/aws4_request, SignedHeaders=([\w;-]+), Signature=([0-9a-f]{64})$/.exec(
      headers.authorization ?? '',
    );
  if (match === null) return `no signature: ${headers.authorization}`;
  const [, day = '', region = '', signedHeaders = '', signature] = match;
  const content = String(headers['x-amz-content-sha256']);
  const sha = (text: string) => createHash('sha256').update(text).digest('hex');
  if (content !== 'UNSIGNED-PAYLOAD' && content !== sha(body)) return 'another body than was signed';
  if (!signedHeaders.split(';').includes('host')) return 'the host is not signed';
  const lines = signedHeaders.split(';').map((name) => `${name}:${String(headers[name]).trim()}\n`);
  const canonical = [method, path, '', lines.join(''), signedHeaders, content].join('\n');
  const scope = `${day}/${region}/s3/aws4_request`;
  const toSign = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, sha(canonical)].join('\n');
  const key = [day, region, 's3', 'aws4_request'].reduce<string | Buffer>(
    (from, text) => createHmac('sha256', from).update(text).digest(),
    `AWS4${secret}`,
  );
  return createHmac('sha256', key).update(toSign).digest('hex') === signature ? undefined : 'a wrong signature';
}

const bucketWith = (secretAccessKey: string, warnings: number[] = []) =>
  new CheckpointBucket(
    { url, region: 'eu-north-1', accessKeyId: 'AKID', secretAccessKey },
    { warn: (facts) => void warnings.push((facts as { waiting: number }).waiting) },
  );

test('each checkpoint is one object, signed and never written over', async () => {
  const bucket = bucketWith(secret);
  bucket.put(3, 17, 'a — note\n');
  bucket.put(0, 2, 'another\n');
  bucket.put(3, 17, 'rewritten\n');
  await bucket.idle();
  expect(refusals).toEqual([]);
  expect([...objects]).toEqual([
    ['/ledger/copies/shard-3/0000000000000017.txt', 'a — note\n'],
    ['/ledger/copies/shard-0/0000000000000002.txt', 'another\n'],
  ]);
});

test('what was refused is tried again with the next one, in order', async () => {
  const warnings: number[] = [];
  const bucket = bucketWith(secret, warnings);
  failing = 1;
  bucket.put(1, 1, 'first\n');
  await bucket.idle();
  expect([objects.size, warnings]).toEqual([0, [1]]);
  bucket.put(1, 2, 'second\n');
  await bucket.idle();
  expect([...objects.values()]).toEqual(['first\n', 'second\n']);
});

test('a wrong secret is refused, and told', async () => {
  const warnings: number[] = [];
  const bucket = bucketWith('wrong', warnings);
  bucket.put(1, 1, 'first\n');
  await bucket.idle();
  expect([objects.size, warnings, refusals]).toEqual([0, [1], ['a wrong signature']]);
});
