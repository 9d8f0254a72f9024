/** What the gateway needs of a log; pino fits. Callers pass facts, never bodies, tokens or addresses in full. */
export interface GatewayLog {
  debug(facts: object, message: string): void;
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}
