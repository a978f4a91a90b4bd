/**
 * Error codes of HTTP/2 (RFC 9113, section 7) that the gateway sends. They stand here because Node's module that has them takes 5 MiB, which a worker without
 * HTTP/2 clients need not have.
 */
export const ERROR_CODE = {
  none: 0x0,
  protocol: 0x1,
  internal: 0x2,
  settingsTimeout: 0x4,
  refusedStream: 0x7,
  cancel: 0x8,
  enhanceYourCalm: 0xb,
} as const;

/** Of HEADERS and DATA frames: nothing comes after it on the stream. */
export const END_STREAM = 0x1;
