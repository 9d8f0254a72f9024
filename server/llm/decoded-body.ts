/**
 * Bodies that come compressed although none was asked for, as some proxies send them. Owns the decoding: pieces, end and failure
 * are passed on in the order in which they came. Refuses encodings that Node does not know.
 */
import { constants, createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import type { BodySink } from './dispatch-fetch.ts';

/** What is sent so far is wanted at once, and a stream that breaks off is still worth reading. */
const zlibFlush = { flush: constants.Z_SYNC_FLUSH, finishFlush: constants.Z_SYNC_FLUSH };
const brotliFlush = { flush: constants.BROTLI_OPERATION_FLUSH, finishFlush: constants.BROTLI_OPERATION_FLUSH };
const decoders = {
  gzip: () => createGunzip(zlibFlush),
  'x-gzip': () => createGunzip(zlibFlush),
  deflate: () => createInflate(zlibFlush),
  br: () => createBrotliDecompress(brotliFlush),
  zstd: () => createZstdDecompress(),
} as const;

/**
 * @param encoding the header `Content-Encoding`.
 * @returns what takes the bytes as they come; `sink` itself where they are plain.
 * @throws Error for an encoding that is not known.
 */
export function decodedTo(encoding: string | null, sink: BodySink): BodySink {
  const name = (encoding ?? '').trim().toLowerCase();
  if (name === '' || name === 'identity') return sink;
  if (!isKnown(name)) throw new Error('The provider answered in an encoding that is not known.');
  const decoder = decoders[name]();
  let broken: Error | undefined;
  decoder.on('data', (chunk: Buffer) => sink.onChunk(chunk));
  decoder.once('end', () => (broken === undefined ? sink.onEnd() : sink.onError(broken)));
  decoder.once('error', (error) => sink.onError(broken ?? error));
  return {
    onChunk: (chunk) => void decoder.write(chunk),
    onEnd: () => void decoder.end(),
    onError(error) {
      broken = error;
      decoder.end();
    },
  };
}

const isKnown = (name: string): name is keyof typeof decoders => Object.hasOwn(decoders, name);
