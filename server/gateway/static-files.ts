/**
 * The built page, served from memory: read and compressed once at start, so that no request reaches the disk and no path can
 * leave the folder. Only names that were found at start exist.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { HttpReply } from '../http.ts';

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.webmanifest': 'application/manifest+json; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.webp': 'image/webp',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
};
const compressible = /^(text|application|image\/svg)/;
/** Below this size compression costs a header and saves nothing. */
const MIN_COMPRESSED_BYTES = 1024;
/** Vite puts a hash of the content into the name. */
const hashedName = /[-.][A-Za-z0-9_-]{8,}\.\w+$/;

/** For pages: only what this server itself serves. */
export const pagePolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "font-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

type StaticFile = {
  etag: string;
  headers: Record<string, string>;
  plain: Uint8Array;
  br?: Uint8Array;
  gzip?: Uint8Array;
};

export class StaticFiles {
  readonly #files: ReadonlyMap<string, StaticFile>;

  constructor(files: ReadonlyMap<string, StaticFile>) {
    this.#files = files;
  }

  /** Reads a folder and everything below it. @throws when it cannot be read */
  static async load(folder: string): Promise<StaticFiles> {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = new Map<string, StaticFile>();
    for (const entry of entries.filter((found) => found.isFile())) {
      const path = join(entry.parentPath, entry.name);
      const url = `/${relative(folder, path).split(sep).map(encodeURIComponent).join('/')}`;
      files.set(url, await readStatic(path, url));
    }
    return new StaticFiles(files);
  }

  get size(): number {
    return this.#files.size;
  }

  /**
   * The reply for a path as sent. Addresses within the page (no file name, a client that takes HTML) get `index.html`.
   * @returns undefined when there is nothing
   */
  find(path: string, headers: ReadonlyMap<string, string>): HttpReply | undefined {
    const file = this.#files.get(path) ?? this.#page(path, headers);
    if (file === undefined) return undefined;
    const wanted = (headers.get('if-none-match') ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''));
    if (wanted.includes(file.etag)) return { status: 304, headers: file.headers };
    const accepted = acceptedEncodings(headers.get('accept-encoding') ?? '');
    if (file.br && accepted.has('br')) return encoded(file, file.br, 'br');
    if (file.gzip && accepted.has('gzip')) return encoded(file, file.gzip, 'gzip');
    return { status: 200, headers: file.headers, body: file.plain };
  }

  #page(path: string, headers: ReadonlyMap<string, string>): StaticFile | undefined {
    const isFileName = extname(path) !== '';
    const takesHtml = (headers.get('accept') ?? '').includes('text/html');
    return path === '/' || (!isFileName && takesHtml) ? this.#files.get('/index.html') : undefined;
  }
}

function encoded(file: StaticFile, body: Uint8Array, encoding: string): HttpReply {
  return { status: 200, headers: { ...file.headers, 'content-encoding': encoding }, body };
}

function acceptedEncodings(header: string): Set<string> {
  const accepted = new Set<string>();
  for (const wish of header.split(',')) {
    const [name = '', quality = ''] = wish.split(';').map((part) => part.trim());
    if (!/^q=0(\.0*)?$/.test(quality)) accepted.add(name.toLowerCase());
  }
  return accepted;
}

async function readStatic(path: string, url: string): Promise<StaticFile> {
  const plain = new Uint8Array(await readFile(path));
  const contentType = contentTypes[extname(path).toLowerCase()] ?? 'application/octet-stream';
  const etag = `"${createHash('sha256').update(plain).digest('base64url').slice(0, 27)}"`;
  const isPage = contentType.startsWith('text/html');
  const isImmutable = !isPage && url.startsWith('/assets/') && hashedName.test(url);
  const headers: Record<string, string> = {
    'content-type': contentType,
    'cache-control': isImmutable ? 'public, max-age=31536000, immutable' : 'no-cache',
    'content-security-policy': pagePolicy,
    etag,
  };
  if (!compressible.test(contentType) || plain.byteLength < MIN_COMPRESSED_BYTES) return { etag, headers, plain };
  headers['vary'] = 'accept-encoding';
  const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } };
  const [br, zipped] = await Promise.all([promisify(brotliCompress)(plain, quality), promisify(gzip)(plain)]);
  return { etag, headers, plain, br, gzip: zipped };
}
