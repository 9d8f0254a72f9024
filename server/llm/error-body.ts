/** Error documents of compatible servers in the one shape that the SDK reads: `{error: {message, code, type, param}}`. Pure. */

/** @returns the same bytes where they have that shape already, or are no JSON object. */
export function toErrorBody(body: Buffer): Buffer {
  let document: unknown;
  try {
    document = JSON.parse(body.toString());
  } catch {
    return body;
  }
  if (!isRecord(document) || isRecord(document['error'])) return body;
  const { error, message, detail, code, type, param } = document;
  const says = [error, message, detail].find((each) => each !== undefined && each !== null);
  const text = typeof says === 'string' ? says : JSON.stringify(says ?? document);
  return Buffer.from(JSON.stringify({ error: { message: text, code, type, param } }));
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
