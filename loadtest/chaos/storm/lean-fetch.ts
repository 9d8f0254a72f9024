/**
 * As much of `fetch` as an `AuthClient` uses, over a bare TCP socket: two thousand clients that share one process with each other, and
 * the machine with the servers, must not be what is measured. As in the real world, each client has a connection of its own.
 */
import { connect } from 'node:net';

type Answer = { status: number; text: () => Promise<string> };

export const leanFetch = ((
  address: string,
  { method, headers, body }: { method: 'POST'; headers: Record<string, string>; body: string },
): Promise<Answer> => {
  const url = new URL(address);
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const socket = connect({ host: url.hostname, port: Number(url.port), noDelay: true });
  let answer: Buffer = Buffer.alloc(0);
  socket.on('error', reject);
  socket.on('close', () => reject(new Error('closed before the answer')));
  socket.on('data', (chunk) => {
    answer = answer.length === 0 ? chunk : Buffer.concat([answer, chunk]);
    try {
      const read = readAnswer(answer);
      if (read === undefined) return;
      resolve(read);
      socket.destroy();
    } catch (error) {
      socket.destroy(error as Error);
    }
  });
  let head = `${method} ${url.pathname} HTTP/1.1\r\nHost: ${url.host}\r\n`;
  for (const name in headers) head += `${name}: ${headers[name]}\r\n`;
  socket.write(`${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  return promise;
}) as unknown as typeof globalThis.fetch;

/** Undefined while it has not wholly come. The server under test says how long each of its answers is. */
function readAnswer(bytes: Buffer): Answer | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const head = bytes.toString('latin1', 0, end);
  const size = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
  if (size === undefined) throw new Error(`An answer without its length: ${head.slice(0, 200)}`);
  const bodyAt = end + 4;
  if (bytes.length < bodyAt + Number(size)) return undefined;
  const body = bytes.toString('utf8', bodyAt, bodyAt + Number(size));
  return { status: Number(head.slice(9, 12)), text: async () => body };
}
