/**
 * Makes the native binary of uWebSockets.js load on systems whose glibc is older than the one it was linked against.
 *
 * The binaries for Node 22 and later ask for GLIBC_2.38 for the sake of `__isoc23_strtol`, `__isoc23_strtoul` and
 * `__isoc23_strtoull` alone; they differ from the plain functions only in reading `0b…` prefixes. This points those dynamic
 * symbols at the plain names and marks the need for 2.38 as weak. Run by npm's `postinstall`, under whatever Node npm has.
 *
 * It owns nothing but those few bytes: anything unexpected in the file is refused, never guessed at.
 */
import { readdirSync, readFileSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const TOO_NEW = 'GLIBC_2.38';
const PREFIX = '__isoc23_';
const REPLACEABLE = new Set(['__isoc23_strtol', '__isoc23_strtoul', '__isoc23_strtoull']);
/** First version of the symbols of glibc, by ELF machine: x86-64 and arm64. */
const BASE_VERSION = new Map([
  [62, 'GLIBC_2.2.5'],
  [183, 'GLIBC_2.17'],
]);
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const DT = {
  STRTAB: 5,
  SYMTAB: 6,
  STRSZ: 10,
  GNU_HASH: 0x6ffffef5,
  VERSYM: 0x6ffffff0,
  VERNEED: 0x6ffffffe,
  VERNEEDNUM: 0x6fffffff,
};
const SYMBOL_BYTES = 24;
const FLAG_WEAK = 2;

/** The file is not a binary that this step knows how to change. */
export class UnexpectedBinary extends Error {}

/** `2.36` → [2, 36]; compares as numbers, so that 2.4 is older than 2.36. */
function parseVersion(text) {
  return text.split('.').map(Number);
}

/** @returns {boolean} true when version `a` is older than `b`; both like `2.36` or `2.2.5`. */
export function isOlder(a, b) {
  const [left, right] = [parseVersion(a), parseVersion(b)];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/** @returns {string | undefined} the glibc that runs this process; undefined on musl, Windows and macOS. */
export function systemGlibc() {
  if (process.platform !== 'linux' || !process.report) return undefined;
  // Without this the report looks up the names of all open sockets, which can take seconds.
  if ('excludeNetwork' in process.report) process.report.excludeNetwork = true;
  return process.report.getReport().header?.glibcVersionRuntime;
}

/** Reads the parts of a 64-bit little-endian shared object that dynamic linking is made of. */
function openElf(bytes) {
  const refuse = (why) => {
    throw new UnexpectedBinary(why);
  };
  if (bytes.length < 64 || bytes.readUInt32BE(0) !== 0x7f454c46) refuse('not an ELF file');
  if (bytes[4] !== 2 || bytes[5] !== 1) refuse('not a 64-bit little-endian ELF file');
  if (bytes.readUInt16LE(16) !== 3) refuse('not a shared object');
  const machine = bytes.readUInt16LE(18);
  const baseVersion = BASE_VERSION.get(machine) ?? refuse(`unknown machine ${machine}`);

  const u64 = (offset) => Number(bytes.readBigUInt64LE(offset));
  const segments = [];
  const [tableAt, entryBytes, entries] = [u64(32), bytes.readUInt16LE(54), bytes.readUInt16LE(56)];
  if (entryBytes !== 56) refuse('program headers have an unknown size');
  for (let i = 0; i < entries; i++) {
    const at = tableAt + i * entryBytes;
    segments.push({ type: bytes.readUInt32LE(at), offset: u64(at + 8), address: u64(at + 16), size: u64(at + 32) });
  }
  /** Where an address of the loaded image stands in the file. */
  const fileOffset = (address) => {
    const home = segments.find((s) => s.type === PT_LOAD && address >= s.address && address < s.address + s.size);
    return home ? home.offset + address - home.address : refuse('an address lies outside of the file');
  };
  const dynamic = segments.find((s) => s.type === PT_DYNAMIC) ?? refuse('no dynamic segment');
  const tags = new Map();
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.size; at += 16) {
    const tag = u64(at);
    if (tag === 0) break;
    tags.set(tag, u64(at + 8));
  }
  const tag = (number) => tags.get(number) ?? refuse(`dynamic entry ${number.toString(16)} is missing`);
  return { bytes, refuse, fileOffset, tag, baseVersion };
}

/** The versions that the file needs of its libraries, with the place of each entry. */
function readNeeds(elf, nameAt) {
  const { bytes, tag, fileOffset } = elf;
  const needs = [];
  let fileAt = fileOffset(tag(DT.VERNEED));
  for (let i = 0; i < tag(DT.VERNEEDNUM); i++) {
    const library = nameAt(bytes.readUInt32LE(fileAt + 4));
    let at = fileAt + bytes.readUInt32LE(fileAt + 8);
    for (let k = bytes.readUInt16LE(fileAt + 2); k > 0; k--) {
      needs.push({
        library,
        name: nameAt(bytes.readUInt32LE(at + 8)),
        index: bytes.readUInt16LE(at + 6),
        flagsAt: at + 4,
        weak: (bytes.readUInt16LE(at + 4) & FLAG_WEAK) !== 0,
      });
      at += bytes.readUInt32LE(at + 12);
    }
    fileAt += bytes.readUInt32LE(fileAt + 12);
  }
  return needs;
}

/** Undefined symbols stand before the hashed ones, whose first index the hash table tells. */
function readUndefined(elf, nameAt) {
  const { bytes, tag, fileOffset } = elf;
  const [symbolsAt, versionsAt] = [fileOffset(tag(DT.SYMTAB)), fileOffset(tag(DT.VERSYM))];
  const firstHashed = bytes.readUInt32LE(fileOffset(tag(DT.GNU_HASH)) + 4);
  const symbols = [];
  for (let i = 1; i < firstHashed; i++) {
    const at = symbolsAt + i * SYMBOL_BYTES;
    const versionAt = versionsAt + i * 2;
    symbols.push({
      name: nameAt(bytes.readUInt32LE(at)),
      at,
      versionAt,
      version: bytes.readUInt16LE(versionAt) & 0x7fff,
    });
  }
  return symbols;
}

/**
 * Changes a copy of the binary so that it loads on `glibc`.
 * @param {Buffer} original
 * @param {string} glibc version of the system, e.g. `2.36`
 * @returns {Buffer | undefined} the changed bytes; undefined when the file loads as it is
 * @throws UnexpectedBinary when it is not the file that this step was written for, or cannot be made to load
 */
export function patchBinary(original, glibc) {
  const bytes = Buffer.from(original);
  try {
    return patchCopy(bytes, glibc) ? bytes : undefined;
  } catch (error) {
    if (error instanceof RangeError) throw new UnexpectedBinary('the file is truncated');
    throw error;
  }
}

function patchCopy(bytes, glibc) {
  const elf = openElf(bytes);
  const [stringsAt, stringsSize] = [elf.fileOffset(elf.tag(DT.STRTAB)), elf.tag(DT.STRSZ)];
  const nameAt = (offset) => {
    const end = offset < stringsSize ? bytes.indexOf(0, stringsAt + offset) : -1;
    return end < 0
      ? elf.refuse('a name lies outside of the string table')
      : bytes.toString('latin1', stringsAt + offset, end);
  };
  const needs = readNeeds(elf, nameAt);
  let changed = false;
  for (const need of needs.filter((n) => n.name === TOO_NEW && !n.weak)) {
    const base = needs.find((n) => n.library === need.library && n.name === elf.baseVersion);
    if (!base) return elf.refuse(`${need.library} is not needed with ${elf.baseVersion}`);
    for (const symbol of readUndefined(elf, nameAt).filter((s) => s.version === need.index)) {
      if (!REPLACEABLE.has(symbol.name)) return elf.refuse(`${symbol.name} also needs ${TOO_NEW}`);
      // The plain name is the tail of the same string, so that no byte of the string table changes.
      bytes.writeUInt32LE(bytes.readUInt32LE(symbol.at) + PREFIX.length, symbol.at);
      bytes.writeUInt16LE(base.index, symbol.versionAt);
    }
    bytes.writeUInt16LE(bytes.readUInt16LE(need.flagsAt) | FLAG_WEAK, need.flagsAt);
    need.weak = true;
    changed = true;
  }
  const tooNew = needs.find((n) => !n.weak && n.name.startsWith('GLIBC_2') && isOlder(glibc, n.name.slice(6)));
  if (tooNew)
    return elf.refuse(`it needs ${tooNew.name} or newer, this system has ${glibc}; please use a newer distribution`);
  return changed;
}

/** Writes beside the file and renames, so that a reader (or a hard link of a package store) never sees half of it. */
function replaceFile(path, bytes) {
  const fresh = `${path}.${process.pid}.new`;
  try {
    writeFileSync(fresh, bytes, { mode: statSync(path).mode });
    renameSync(fresh, path);
  } finally {
    rmSync(fresh, { force: true });
  }
}

/**
 * Patches every binary in `folder` that this platform could load.
 * @param {string} folder of the package uWebSockets.js
 * @param {{ glibc?: string, platform?: string, arch?: string }} system
 * @returns {string[]} names of the files that were changed
 * @throws UnexpectedBinary with the file's name in the message
 */
export function patchFolder(folder, system) {
  if (system.platform !== 'linux' || system.glibc === undefined || !isOlder(system.glibc, '2.38')) return [];
  const mine = new RegExp(`^uws_linux_${system.arch}_\\d+\\.node$`);
  const changed = [];
  for (const name of readdirSync(folder).filter((file) => mine.test(file))) {
    const path = join(folder, name);
    try {
      const bytes = patchBinary(readFileSync(path), system.glibc);
      if (bytes === undefined) continue;
      replaceFile(path, bytes);
      changed.push(name);
    } catch (error) {
      if (error instanceof UnexpectedBinary) throw new UnexpectedBinary(`${name}: ${error.message}`);
      throw error;
    }
  }
  return changed;
}

function main() {
  const folder = dirname(createRequire(import.meta.url).resolve('uWebSockets.js/uws.js'));
  const changed = patchFolder(folder, { glibc: systemGlibc(), platform: process.platform, arch: process.arch });
  if (changed.length > 0) console.log(`uWebSockets.js: made ${changed.join(', ')} load on glibc ${systemGlibc()}.`);
}

const startedAs = process.argv[1];
if (startedAs !== undefined && import.meta.url === pathToFileURL(realpathSync(startedAs)).href) {
  try {
    main();
  } catch (error) {
    console.error(
      `uWebSockets.js cannot be prepared for this system: ${error instanceof Error ? error.message : error}`,
    );
    process.exitCode = 1;
  }
}
