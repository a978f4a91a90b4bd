/** How the end of a body is known. `untilClose` only for answers. */
export const BODY = { none: 0, length: 1, chunked: 2, untilClose: 3 } as const;
export type BodyKind = (typeof BODY)[keyof typeof BODY];

/** What scanning found. */
export const SCAN = { complete: 0, incomplete: -1, bad: -2 } as const;
export type ScanResult = (typeof SCAN)[keyof typeof SCAN];

/** Why a message was refused; labels of metrics, words in the answer. */
export type Refusal =
  | 'bad-method'
  | 'bad-target'
  | 'bad-version'
  | 'unsupported-version'
  | 'line-too-long'
  | 'head-too-large'
  | 'field-too-large'
  | 'too-many-fields'
  | 'bad-field-name'
  | 'odd-field-name'
  | 'bad-field-value'
  | 'bad-line-end'
  | 'no-host'
  | 'many-hosts'
  | 'bad-host'
  | 'host-mismatch'
  | 'bad-length'
  | 'many-lengths'
  | 'length-and-coding'
  | 'bad-coding'
  | 'unknown-coding'
  | 'coding-not-allowed'
  | 'bad-connection'
  | 'bad-upgrade'
  | 'connect'
  | 'bad-path'
  | 'bad-chunk'
  | 'bad-status'
  | 'body-too-large'
  | 'head-timeout'
  | 'body-timeout';

/** Status of the answer to a refused request. */
export const REFUSAL_STATUS: Readonly<Partial<Record<Refusal, number>>> = {
  'unsupported-version': 505,
  'line-too-long': 414,
  'head-too-large': 431,
  'field-too-large': 431,
  'too-many-fields': 431,
  'unknown-coding': 501,
  connect: 501,
  'body-too-large': 413,
  'head-timeout': 408,
  'body-timeout': 408,
};

/**
 * What a proxy needs of a head, as offsets into the bytes that were scanned. One object is used again for every message: no header is ever
 * made into a string or an object on the way.
 */
export class Head {
  /** First byte of the start line. */
  start = 0;
  /** Where scanning goes on when more bytes come: the first line not wholly seen. -1: the start line. */
  resumeAt = -1;
  /** First field line. */
  fieldsAt = 0;
  /** Just past the empty line. */
  end = 0;
  fields = 0;
  isVersion10 = false;

  methodEnd = 0;
  /** The target as it will be sent on: origin form or `*`. */
  targetAt = 0;
  targetEnd = 0;
  /** Authority of an absolute-form target; equal offsets if there was none. */
  authorityAt = 0;
  authorityEnd = 0;
  hostAt = 0;
  hostEnd = 0;
  isGet = false;
  isHead = false;
  isConnect = false;
  isIdempotent = false;
  expectsContinue = false;

  status = 0;
  isEventStream = false;
  hasDate = false;
  /** From `Keep-Alive: timeout=N`; -1 = none. */
  keepAliveSeconds = -1;

  body: BodyKind = BODY.none;
  length = 0;
  hasLength = false;
  hasCoding = false;
  closes = false;
  keepsAlive = false;
  nominatesUpgrade = false;
  /** The Upgrade field names exactly `websocket`. */
  upgradesToWebSocket = false;
  hasUpgrade = false;
  hasSocketKey = false;
  hasSocketVersion = false;
  sendsTrailers = false;
  /** `TE: trailers`: the client reads trailers of the answer. */
  acceptsTrailers = false;
  /** Some name has other characters than letters, digits and hyphens. */
  hasOddNames = false;
  /** Names in Connection other than close, keep-alive, upgrade and te, in lower case. */
  nominated: string[] | undefined;

  /** Pairs [from, to) of lines that are not passed on, in order. */
  readonly dropped = new Int32Array(256);
  droppedCount = 0;

  refusal: Refusal = 'bad-method';

  /** Forgets the last message. `start` is where the next begins. */
  begin(start: number): void {
    this.start = start;
    this.resumeAt = -1;
  }

  /** Called when the start line has been read. */
  beginFields(): void {
    this.fields = 0;
    this.hostAt = 0;
    this.hostEnd = 0;
    this.expectsContinue = false;
    this.isEventStream = false;
    this.hasDate = false;
    this.keepAliveSeconds = -1;
    this.body = BODY.none;
    this.length = 0;
    this.hasLength = false;
    this.hasCoding = false;
    this.closes = false;
    this.keepsAlive = false;
    this.nominatesUpgrade = false;
    this.upgradesToWebSocket = false;
    this.hasUpgrade = false;
    this.hasSocketKey = false;
    this.hasSocketVersion = false;
    this.sendsTrailers = false;
    this.acceptsTrailers = false;
    this.hasOddNames = false;
    this.nominated = undefined;
    this.droppedCount = 0;
  }

  drop(from: number, to: number): void {
    const { dropped, droppedCount } = this;
    if (droppedCount > 0 && dropped[droppedCount - 1] === from) {
      dropped[droppedCount - 1] = to;
      return;
    }
    dropped[droppedCount] = from;
    dropped[droppedCount + 1] = to;
    this.droppedCount = droppedCount + 2;
  }

  refuse(refusal: Refusal): -2 {
    this.refusal = refusal;
    return SCAN.bad;
  }
}
