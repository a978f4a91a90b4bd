/**
 * The one place where the data plane takes time and timers. It does not go through a World's clock, because it asks several times per request and
 * works on sockets that no simulation has.
 */

// A binding of the module is found faster than a global.
const { performance: clock } = globalThis;

/** Milliseconds on this machine's monotonic clock, with fractions. */
export function monotonicNow(): number {
  return clock.now();
}

/** Milliseconds since 1970, for logs only. */
export function wallNow(): number {
  return Date.now();
}

let dateLineAt = 0;
let dateLineText = '';

/** The field line that says when an answer began (RFC 9110, 6.6.1), with its CRLF. */
export function dateLine(): string {
  const second = Math.floor(Date.now() / 1_000);
  if (second !== dateLineAt) {
    dateLineAt = second;
    dateLineText = `Date: ${new Date(second * 1_000).toUTCString()}\r\n`;
  }
  return dateLineText;
}

/** Calls back every `periodMs` until disposed. */
export function every(periodMs: number, callback: () => void): Disposable {
  const timer = setInterval(callback, periodMs);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Calls back once after `delayMs` unless disposed first. For rare things: what every request needs is swept, not timed. */
export function after(delayMs: number, callback: () => void): Disposable {
  const timer = setTimeout(callback, delayMs);
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}

/** Calls back once at the end of this turn of the event loop. */
export function soon(callback: () => void): void {
  setImmediate(callback);
}
