import { createSecretKey, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CellAddress, decryptCell, encryptCell, keyIdOf, keyIdToUuid, uuidToKeyId } from './encrypted.ts';

const key = createSecretKey(randomBytes(32));
const keyId = randomBytes(16);
const cell: CellAddress = { table: 'identity.users', column: 'email_enc', rowId: 'row-1' };
const seal = (text: string) => encryptCell(key, keyId, cell, Buffer.from(text));

describe('000-R25: encrypted cells', () => {
  test('give back every text', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const back = decryptCell(key, cell, encryptCell(key, keyId, cell, bytes));
        expect(back.equals(bytes)).toBe(true);
      }),
    );
  });

  test('have the documented layout', () => {
    const sealed = seal('abc');
    expect(sealed.length).toBe(1 + 16 + 12 + 3 + 16);
    expect(sealed[0]).toBe(1);
    expect(keyIdOf(cell, sealed).equals(keyId)).toBe(true);
  });

  test('never repeat', () => {
    expect(seal('abc').equals(seal('abc'))).toBe(false);
  });

  test('refuse a change of any single bit', () => {
    const sealed = seal('a@example.com');
    for (let at = 0; at < sealed.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const changed = Buffer.from(sealed);
        changed[at] = (changed[at] ?? 0) ^ (1 << bit);
        expect(() => decryptCell(key, cell, changed)).toThrow(/cannot be read/);
      }
    }
  });

  test('refuse to be cut or lengthened', () => {
    const sealed = seal('a@example.com');
    for (let length = 0; length < sealed.length; length++) {
      expect(() => decryptCell(key, cell, sealed.subarray(0, length))).toThrow(/cannot be read/);
    }
    expect(() => decryptCell(key, cell, Buffer.concat([sealed, Buffer.of(0)]))).toThrow(/not_authentic/);
  });

  test.each([
    ['table', { ...cell, table: 'identity.profiles' }],
    ['column', { ...cell, column: 'name_enc' }],
    ['row', { ...cell, rowId: 'row-2' }],
    ['table and column cut elsewhere', { ...cell, table: 'identity.usersemail', column: '_enc' }],
  ])('open nowhere else: other %s', (_, elsewhere) => {
    expect(() => decryptCell(key, elsewhere, seal('x'))).toThrow(/not_authentic/);
  });

  test('open under no other key', () => {
    expect(() => decryptCell(createSecretKey(randomBytes(32)), cell, seal('x'))).toThrow(/not_authentic/);
  });

  test('say nothing of the text or the key in their errors', () => {
    const sealed = seal('secret text');
    sealed[sealed.length - 1] = (sealed.at(-1) ?? 0) ^ 1;
    expect(() => decryptCell(key, cell, sealed)).toThrow(
      'identity.users.email_enc of row row-1 cannot be read: not_authentic.',
    );
  });

  test('carry key ids as uuids', () => {
    const uuid = '0198c5a2-7d7c-7a52-8f1e-aabbccddeeff';
    expect(keyIdToUuid(uuidToKeyId(uuid))).toBe(uuid);
    expect(() => encryptCell(key, Buffer.alloc(15), cell, Buffer.of())).toThrow(RangeError);
  });
});
