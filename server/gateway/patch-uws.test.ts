import { linkSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadUws } from './native.ts';
import { isOlder, patchBinary, patchFolder, systemGlibc, UnexpectedBinary } from './patch-uws.mjs';

/** The versions a made-up binary needs of libc, and the version that each of its undefined symbols asks for. */
type Shape = { needs: string[]; symbols: [name: string, version: string][]; machine?: number };
const usual: Shape = {
  needs: ['GLIBC_2.2.5', 'GLIBC_2.36', 'GLIBC_2.38'],
  symbols: [
    ['malloc', 'GLIBC_2.2.5'],
    ['__isoc23_strtol', 'GLIBC_2.38'],
    ['arc4random', 'GLIBC_2.36'],
    ['__isoc23_strtoull', 'GLIBC_2.38'],
  ],
};
const AT = { dynamic: 0x100, hash: 0x200, symbols: 0x240, versions: 0x380, needs: 0x3c0, strings: 0x500, end: 0x800 };

/** The smallest shared object that a dynamic linker would take a look at: addresses equal offsets. */
function makeBinary({ needs, symbols, machine = 62 }: Shape): Buffer {
  const bytes = Buffer.alloc(AT.end);
  let stringsSize = 1;
  const string = (text: string): number => {
    const at = stringsSize;
    stringsSize += bytes.write(`${text}\0`, AT.strings + at, 'latin1');
    return at;
  };
  bytes.write('\x7fELF\x02\x01\x01', 0, 'latin1');
  bytes.writeUInt16LE(3, 16);
  bytes.writeUInt16LE(machine, 18);
  bytes.writeBigUInt64LE(64n, 32);
  bytes.writeUInt16LE(56, 54);
  bytes.writeUInt16LE(2, 56);
  const segment = (at: number, type: number, offset: number, size: number): void => {
    bytes.writeUInt32LE(type, at);
    for (const [place, value] of [
      [8, offset],
      [16, offset],
      [32, size],
    ] as const)
      bytes.writeBigUInt64LE(BigInt(value), at + place);
  };
  segment(64, 1, 0, AT.end);
  segment(120, 2, AT.dynamic, 0x80);

  bytes.writeUInt16LE(1, AT.needs);
  bytes.writeUInt16LE(needs.length, AT.needs + 2);
  bytes.writeUInt32LE(string('libc.so.6'), AT.needs + 4);
  bytes.writeUInt32LE(16, AT.needs + 8);
  for (const [i, name] of needs.entries()) {
    const at = AT.needs + 16 + i * 16;
    bytes.writeUInt16LE(i + 2, at + 6);
    bytes.writeUInt32LE(string(name), at + 8);
    bytes.writeUInt32LE(i + 1 < needs.length ? 16 : 0, at + 12);
  }
  for (const [i, [name, version]] of symbols.entries()) {
    bytes.writeUInt32LE(string(name), AT.symbols + (i + 1) * 24);
    bytes.writeUInt16LE(needs.indexOf(version) + 2, AT.versions + (i + 1) * 2);
  }
  bytes.writeUInt32LE(symbols.length + 1, AT.hash + 4);
  const tags = [
    [5, AT.strings],
    [10, stringsSize],
    [6, AT.symbols],
    [0x6ffffef5, AT.hash],
    [0x6ffffff0, AT.versions],
    [0x6ffffffe, AT.needs],
    [0x6fffffff, 1],
  ] as const;
  for (const [i, [tag, value]] of tags.entries()) {
    bytes.writeBigUInt64LE(BigInt(tag), AT.dynamic + i * 16);
    bytes.writeBigUInt64LE(BigInt(value), AT.dynamic + i * 16 + 8);
  }
  return bytes;
}

/** The undefined symbols with the version that each asks for, as a linker would read them. */
function readSymbols(bytes: Uint8Array, count: number): [string, number][] {
  const view = Buffer.from(bytes);
  return Array.from({ length: count }, (_, i) => {
    const at = AT.strings + view.readUInt32LE(AT.symbols + (i + 1) * 24);
    return [view.toString('latin1', at, view.indexOf(0, at)), view.readUInt16LE(AT.versions + (i + 1) * 2)];
  });
}

describe('patchBinary', () => {
  it('points the three symbols at the plain functions and makes the newer version optional', () => {
    const original = makeBinary(usual);
    const patched = patchBinary(original, '2.36');
    expect(patched && readSymbols(patched, 4)).toEqual([
      ['malloc', 2],
      ['strtol', 2],
      ['arc4random', 3],
      ['strtoull', 2],
    ]);
    expect(patched?.[AT.needs + 16 + 2 * 16 + 4]).toBe(2);
    expect(original).toEqual(makeBinary(usual));
  });

  it('takes the base version of arm64', () => {
    const shape: Shape = {
      needs: ['GLIBC_2.17', 'GLIBC_2.38'],
      symbols: [['__isoc23_strtoul', 'GLIBC_2.38']],
      machine: 183,
    };
    const patched = patchBinary(makeBinary(shape), '2.36');
    expect(patched && readSymbols(patched, 1)).toEqual([['strtoul', 2]]);
  });

  it('has nothing to do the second time', () => {
    const patched = patchBinary(makeBinary(usual), '2.36');
    expect(patched && patchBinary(patched, '2.36')).toBeUndefined();
  });

  it.each([
    [
      'another symbol that needs 2.38',
      makeBinary({ ...usual, symbols: [['strlcpy', 'GLIBC_2.38']] }),
      /strlcpy also needs GLIBC_2\.38/,
    ],
    [
      'a system older than the rest of the file',
      makeBinary({ ...usual, needs: ['GLIBC_2.2.5', 'GLIBC_2.37', 'GLIBC_2.38'], symbols: [] }),
      /needs GLIBC_2\.37 or newer, this system has 2\.36/,
    ],
    [
      'a file without the base version',
      makeBinary({ needs: ['GLIBC_2.38'], symbols: [] }),
      /not needed with GLIBC_2\.2\.5/,
    ],
    ['another machine', makeBinary({ ...usual, machine: 40 }), /unknown machine 40/],
    ['a script', Buffer.from('#!/bin/sh\nexit 0\n'.repeat(9)), /not an ELF file/],
    ['an empty file', Buffer.alloc(0), /not an ELF file/],
  ])('refuses %s', (_, bytes, why) => {
    expect(() => patchBinary(bytes, '2.36')).toThrow(UnexpectedBinary);
    expect(() => patchBinary(bytes, '2.36')).toThrow(why);
  });

  it('refuses a file that ends before what it refers to, wherever it was cut', () => {
    const bytes = makeBinary(usual);
    for (let end = 0; end < AT.strings; end += 7) {
      expect(() => patchBinary(bytes.subarray(0, end), '2.36')).toThrow(UnexpectedBinary);
    }
  });
});

describe('patchFolder', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'patch-uws-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const linux = { glibc: '2.36', platform: 'linux', arch: 'x64' };
  const name = 'uws_linux_x64_137.node';

  it('changes the files of this platform only, and never through a hard link', () => {
    const original = makeBinary(usual);
    for (const file of [name, 'uws_linux_arm64_137.node', 'uws_win32_x64_137.node'])
      writeFileSync(join(folder, file), original);
    linkSync(join(folder, name), join(folder, 'store'));
    expect(patchFolder(folder, linux)).toEqual([name]);
    expect(readFileSync(join(folder, name))).toEqual(patchBinary(original, '2.36'));
    for (const file of ['uws_linux_arm64_137.node', 'uws_win32_x64_137.node', 'store']) {
      expect(readFileSync(join(folder, file))).toEqual(original);
    }
    expect(patchFolder(folder, linux)).toEqual([]);
  });

  it.each([
    ['a newer glibc', { ...linux, glibc: '2.38' }],
    ['musl', { ...linux, glibc: undefined }],
    ['Windows', { platform: 'win32', arch: 'x64' }],
    ['macOS', { platform: 'darwin', arch: 'arm64' }],
  ])('leaves everything alone on %s', (_, system) => {
    writeFileSync(join(folder, name), makeBinary(usual));
    expect(patchFolder(folder, system)).toEqual([]);
    expect(readFileSync(join(folder, name))).toEqual(makeBinary(usual));
  });

  it('names the file that it refuses', () => {
    writeFileSync(join(folder, name), 'not a library');
    expect(() => patchFolder(folder, linux)).toThrow(`${name}: not an ELF file`);
  });
});

it('compares versions by number', () => {
  expect(isOlder('2.4', '2.36')).toBe(true);
  expect(isOlder('2.38', '2.38')).toBe(false);
  expect(isOlder('2.2.5', '2.3')).toBe(true);
});

it('has left the installed library in a state that loads, with nothing more to do', () => {
  expect(loadUws().App).toBeTypeOf('function');
  const folder = dirname(createRequire(import.meta.url).resolve('uWebSockets.js'));
  expect(patchFolder(folder, { glibc: systemGlibc(), platform: process.platform, arch: process.arch })).toEqual([]);
});
