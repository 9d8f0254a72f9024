/**
 * The version of the contract. The major number is part of the subprotocol's name; the minor number rises with every
 * change that old clients survive. `version.test.ts` pins it to a hash of every schema and code.
 */
export const PROTOCOL_VERSION = '1.0';
