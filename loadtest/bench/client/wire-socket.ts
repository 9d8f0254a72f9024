/**
 * The leanest WebSocket client that is still correct against the servers measured here: a TCP socket and a frame reader.
 * It exists so that the load client is not what limits a measurement. It speaks to loopback only, masks with zeros (legal,
 * and free), and refuses what no server here sends: fragmented messages and masked frames.
 */
import { randomUUID } from 'node:crypto';
import { connect, type Socket } from 'node:net';

export type WireOptions = {
  port: number;
  path: string;
  headers?: Readonly<Record<string, string>>;
  /** Source address, to have more than one address' worth of ports. */
  localAddress?: string;
};

const text = 0x1;
const binary = 0x2;
const closing = 0x8;
const ping = 0x9;
const pong = 0xa;

export class WireSocket {
  /** Gets every whole message; `payload` is only valid during the call. */
  onMessage: (payload: Buffer, isText: boolean) => void = () => {};
  onClose: (code: number) => void = () => {};
  readonly #socket: Socket;
  #rest: Buffer | undefined;
  #closeCode = 1006;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Connects and upgrades. @throws Error with the server's status line when it refuses. */
  static connect(options: WireOptions): Promise<WireSocket> {
    return new Promise((resolve, reject) => {
      const where = { host: '127.0.0.1', port: options.port, noDelay: true };
      const socket = connect(options.localAddress ? { ...where, localAddress: options.localAddress } : where);
      socket.on('error', reject);
      socket.on('close', () => reject(new Error('closed before the upgrade')));
      let head: Buffer = Buffer.alloc(0);
      const onHead = (chunk: Buffer) => {
        head = head.length ? Buffer.concat([head, chunk]) : chunk;
        const end = head.indexOf('\r\n\r\n');
        if (end < 0) return;
        const status = head.toString('latin1', 0, head.indexOf('\r\n'));
        socket.removeAllListeners();
        if (!status.includes(' 101 ')) {
          socket.destroy();
          reject(new Error(`upgrade refused: ${status}`));
          return;
        }
        const wire = new WireSocket(socket);
        wire.#listen();
        resolve(wire);
        // The server's first frame may have come with the head; it is read once the caller has set its listeners.
        wire.#rest = head.subarray(end + 4);
        setImmediate(() => wire.#read(Buffer.alloc(0)));
      };
      socket.on('data', onHead);
      socket.write(upgradeRequest(options));
    });
  }

  sendText(message: string): void {
    this.#write(text, Buffer.from(message));
  }

  sendBinary(message: Uint8Array): void {
    this.#write(binary, message);
  }

  /** Ends the connection with the code 1000 and does not wait for the answer. */
  close(): void {
    this.#write(closing, Buffer.from([3, 232]));
    this.#socket.destroySoon();
  }

  /** As when the network is gone: no close frame, nothing is waited for. */
  cut(): void {
    this.#socket.destroy();
  }

  #listen(): void {
    this.#socket.on('data', (chunk) => this.#read(chunk));
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => this.onClose(this.#closeCode));
  }

  #write(opcode: number, payload: Uint8Array): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) return;
    this.#socket.write(maskedFrame(opcode, payload));
  }

  #read(chunk: Buffer): void {
    const data = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
    this.#rest = undefined;
    let at = 0;
    for (;;) {
      const frame = frameAt(data, at);
      if (!frame) break;
      this.#take(frame.opcode, data.subarray(frame.start, frame.end));
      at = frame.end;
    }
    if (at < data.length) this.#rest = data.subarray(at);
  }

  #take(opcode: number, payload: Buffer): void {
    if (opcode === text || opcode === binary) this.onMessage(payload, opcode === text);
    else if (opcode === ping) this.#write(pong, payload);
    else if (opcode === closing) {
      this.#closeCode = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
      this.#write(closing, payload.subarray(0, 2));
      this.#socket.destroySoon();
    } else if (opcode !== pong) throw new Error(`unexpected opcode ${opcode}`);
  }
}

function upgradeRequest(options: WireOptions): string {
  const headers = {
    Host: `127.0.0.1:${options.port}`,
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Version': '13',
    // 16 bytes out of a store of them: to ask for random ones each time takes longer than the upgrade.
    'Sec-WebSocket-Key': Buffer.from(randomUUID().slice(0, 16)).toString('base64'),
    ...options.headers,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET ${options.path} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

function maskedFrame(opcode: number, payload: Uint8Array): Buffer {
  const size = payload.length;
  const head = Buffer.alloc(size < 126 ? 6 : size < 65_536 ? 8 : 14);
  head[0] = 0x80 | opcode;
  if (size < 126) head[1] = 0x80 | size;
  else if (size < 65_536) {
    head[1] = 0x80 | 126;
    head.writeUInt16BE(size, 2);
  } else {
    head[1] = 0x80 | 127;
    head.writeBigUInt64BE(BigInt(size), 2);
  }
  return Buffer.concat([head, payload]);
}

/** Where the frame that begins at `at` has its payload; undefined while it has not wholly come. */
function frameAt(data: Buffer, at: number): { opcode: number; start: number; end: number } | undefined {
  const first = data[at];
  const second = data[at + 1];
  if (first === undefined || second === undefined) return undefined;
  if (!(first & 0x80) || !(first & 0x0f) || second & 0x80) throw new Error('a fragmented or masked frame');
  let start = at + 2;
  let size = second & 0x7f;
  if (size === 126) {
    if (data.length < at + 4) return undefined;
    size = data.readUInt16BE(at + 2);
    start = at + 4;
  } else if (size === 127) {
    if (data.length < at + 10) return undefined;
    size = Number(data.readBigUInt64BE(at + 2));
    start = at + 10;
  }
  return start + size > data.length ? undefined : { opcode: first & 0x0f, start, end: start + size };
}
