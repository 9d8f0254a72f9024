/** An error in Stripe's shape. */
export class OfflineError extends Error {
  readonly status: number;
  readonly code: string;
  readonly param: string | undefined;
  readonly type: string;

  constructor(status: number, code: string, message: string, param?: string, type = 'invalid_request_error') {
    super(message);
    this.name = 'OfflineError';
    this.status = status;
    this.code = code;
    this.param = param;
    this.type = type;
  }

  static missing(object: string, id: string, param = 'id'): OfflineError {
    return new OfflineError(404, 'resource_missing', `No such ${object}: '${id}'`, param);
  }
}
