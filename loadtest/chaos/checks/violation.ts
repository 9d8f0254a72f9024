/** Something that must never be, found. */
export type Violation = {
  /** The promise that was broken. */
  invariant: string;
  /** Id of what it is about: a generation, a message, a user, a part. */
  subject: string;
  /** For people: what was expected and what was found. */
  detail: string;
};
