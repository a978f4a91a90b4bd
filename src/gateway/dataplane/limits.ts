/** Every bound of the data plane. Sizes in bytes, times in ms. */
export const LIMITS = {
  requestLineBytes: 8 * 1024,
  headBytes: 32 * 1024,
  fieldBytes: 16 * 1024,
  fields: 100,
  chunkExtensionBytes: 256,
  chunkExtensionsBytes: 4 * 1024,
  trailerBytes: 8 * 1024,
  /** Of a request body kept for another try. */
  replayBytes: 64 * 1024,
  /** Bytes taken from a client that are not its present request. */
  aheadBytes: 64 * 1024,
  /** Read at once from a socket. */
  readBytes: 64 * 1024,
  bodyBytes: 1024 * 1024 * 1024,
  informationalAnswers: 16,
  /** Per connection of HTTP/2; more are refused until one ends. */
  streams: 100,
  /** Of an HTTP/2 request after decompression, crumbs of cookies and pseudo-header fields included. */
  streamFields: 128,
  /** That an HTTP/2 client may send on a stream, and on all of a connection, before we have read it. */
  streamWindowBytes: 65_535,
  connectionWindowBytes: 1024 * 1024,
  http2SessionMegabytes: 10,
  /** Streams a client may reset at once, and how many more per second (CVE-2023-44487). */
  streamResets: 200,
  streamResetsPerSecond: 7,
  /** Frames of HTTP/2 that are no use to anybody (pings, settings, priorities, empty data): bytes in a period. */
  idleFrameBytes: 64 * 1024,
  idleFramePeriodMs: 10_000,
  clientConnections: 50_000,
  /** Of one client, unless its listener says otherwise: nobody alone can take all there are. */
  connectionsPerClient: 12_500,
  /** Connections that never had a request; of more, the oldest is closed. */
  unproven: 12_500,
  /** Of them, those that are not known well enough to serve yet. */
  opening: 10_000,
  /** Of TLS, until we know what the client asks for. */
  helloBytes: 18 * 1024,

  /** To the end of the PROXY protocol's header. */
  proxyHeaderMs: 3_000,
  /** From accepting a connection to the end of its TLS handshake. */
  handshakeTimeoutMs: 10_000,
  headTimeoutMs: 10_000,
  keepAliveIdleMs: 75_000,
  bodyIdleMs: 30_000,
  /** A request body must come faster than this once the grace is over. */
  bodyMinBytesPerSecond: 240,
  bodyGraceMs: 20_000,
  connectTimeoutMs: 2_000,
  answerHeadTimeoutMs: 60_000,
  answerIdleMs: 60_000,
  /** A client that does not take what it is handed within this time is cut off; and one that was waited for longer than that in all, if it is slower than this. */
  stallMs: 60_000,
  takeMinBytesPerSecond: 240,
  tunnelIdleMs: 3_600_000,
  streamIdleMs: 300_000,
  /** Of tunnels to a backend that drains or is gone, unless it is told otherwise. */
  tunnelDrainMs: 300_000,
  /** Before idle connections of a gateway that drains are closed, and over how long that is spread. */
  drainGraceMs: 500,
  drainSpreadMs: 2_000,
  /** Of a connection that was told that it ends: without a byte from its client, and while the rest of an upload comes. */
  lingerMs: 1_000,
  lingerUploadMs: 10_000,

  /** A kept upstream connection; shorter than the 5 s after which Node's server closes its side. */
  upstreamIdleMs: 4_000,
  upstreamIdleCapMs: 600_000,
  upstreamIdleMarginMs: 1_000,
  upstreamAgeMs: 300_000,
  /** The requests of one connection, and up to a quarter more, so that they are not all made again at one time. */
  upstreamRequests: 1_000,
  /** Unused connections that are kept; what is left over by a burst goes after a second. */
  idlePerBackend: 32,
  idleBurstMs: 1_000,
  idleBurstPerBackend: 256,

  /** Per backend that takes several requests at once on one connection, and how many requests those are. */
  pipelineConnections: 4,
  pipelineDepth: 64,
  /** Of a backend that answers so fast that who comes last waits no longer than this, one connection takes all: fewer, larger reads and writes. */
  pipelineGatherMs: 2,
  pipelinePaceAnswers: 32,
  /** Behind an answer that has not ended for this long nobody new is put. */
  pipelineSlowMs: 20,
  /** Behind an answer that has not ended for this long nobody stays who may go elsewhere. */
  pipelineHoldMs: 100,
  /** Of an answer that nobody waits for. */
  pipelineDiscardBytes: 64 * 1024,

  heldRequests: 512,
  /** Of the requests of one service that wait, with what is kept of their bodies. */
  heldBytes: 16 * 1024 * 1024,
  /** Let go at once for each usable backend; the others follow as these end. */
  releasedPerBackend: 128,
  holdMs: 10_000,
  heldRetryMs: 250,

  /** How long a TLS session may be resumed. */
  sessionMs: 3_600_000,
} as const;

/** How long a backend may take; each service may differ. In ms. */
export interface ServiceTimes {
  readonly connectMs: number;
  readonly answerMs: number;
  readonly idleMs: number;
  /** Without a byte either way through a connection that is carried as it is. */
  readonly tunnelIdleMs: number;
  /** From the head of a request to the end of its answer; `undefined`: as long as it takes. */
  readonly totalMs: number | undefined;
}

export const DEFAULT_TIMES: ServiceTimes = {
  connectMs: LIMITS.connectTimeoutMs,
  answerMs: LIMITS.answerHeadTimeoutMs,
  idleMs: LIMITS.answerIdleMs,
  tunnelIdleMs: LIMITS.tunnelIdleMs,
  totalMs: undefined,
};

/** How long a connection that a backend keeps may idle: what its `Keep-Alive: timeout` says less a margin; -1 = it says nothing. */
export function keptForMs(hintSeconds: number): number {
  if (hintSeconds < 0) return LIMITS.upstreamIdleMs;
  return Math.min(LIMITS.upstreamIdleCapMs, Math.max(0, hintSeconds * 1_000 - LIMITS.upstreamIdleMarginMs));
}
