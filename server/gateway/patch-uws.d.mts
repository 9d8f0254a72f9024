/** Types of `patch-uws.mjs`, which is plain JavaScript because it also runs under older versions of Node. */
export class UnexpectedBinary extends Error {}
export function isOlder(a: string, b: string): boolean;
export function systemGlibc(): string | undefined;
export function patchBinary(original: Uint8Array, glibc: string): Uint8Array | undefined;
export function patchFolder(
  folder: string,
  system: { glibc?: string | undefined; platform?: string; arch?: string },
): string[];
