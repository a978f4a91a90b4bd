import { closeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { getSystemErrorMessage, getSystemErrorName } from 'node:util';
import type * as Koffi from 'koffi';

/** Of the ring; the same on every processor but Alpha (include/uapi/asm-generic/unistd.h). */
const NUMBERS = { setup: 425, enter: 426, register: 427 } as const;
const MAP = { readWrite: 3, sharedPopulated: 0x8001, privateAnonymous: 0x22 } as const;
/** MSG_DONTWAIT and MSG_NOSIGNAL. */
const sendFlags = 0x4040;
const shutdownWrites = 1;
/** EFD_CLOEXEC and EFD_NONBLOCK. */
const eventFlags = 0x80800;
/** SOCK_CLOEXEC and SOCK_NONBLOCK. */
const acceptFlags = 0x80800;

/** Memory outside of JavaScript's, and where it lies. */
export interface Mapped {
  readonly address: number;
  readonly memory: ArrayBuffer;
}

/**
 * The calls of Linux that Node does not offer. Those that fail give the negative number of the error (errno). Each waits for nothing.
 *
 * Wrong arguments break this process's memory: nothing but the ring calls them, and what it passes is made here or by the kernel, never by a client.
 */
export interface SystemCalls {
  setup(entries: number, params: Buffer): number;
  enter(ring: number, submitted: number, flags: number): number;
  register(ring: number, operation: number, argument: Buffer): number;
  /** Memory that is given back by `giveBack` only. With `ring` and `offset` the ring's own. */
  map(bytes: number, ring?: number, offset?: number): Mapped;
  /** The file of a connection that waits at a listening one. */
  accept(file: number): number;
  /** How many bytes the kernel took. */
  send(file: number, bytes: Buffer): number;
  /** Says that nothing more comes. */
  endWrites(file: number): void;
  /** Gives the pages of freed memory back to the system, where the C library can. */
  trimHeap(): void;
  /** A file that can be read once the kernel has counted in it. */
  eventFile(): number;
  /** Closes and unmaps all that was made, for one who could not make all it needs: none of it may be used any more. */
  giveBack(): void;
}

/** What an operator may look at when there is no ring. */
const HINTS: Readonly<Record<string, string>> = {
  EPERM: 'a seccomp profile or sysctl kernel.io_uring_disabled forbids it',
  ENOSYS: 'this kernel has none, or a seccomp profile hides it',
  EINVAL: 'Linux 6.1 or later has what it needs',
  ENOMEM: 'the limit of locked memory may be too low (systemd: LimitMEMLOCK; shell: ulimit -l)',
};

/** A call of the kernel that the ring cannot do without has failed. */
export class RingError extends Error {
  constructor(call: string, errno: number) {
    const name = getSystemErrorName(errno);
    const hint = HINTS[name];
    super(`${call}: ${getSystemErrorMessage(errno)} (${name})${hint === undefined ? '' : `; ${hint}`}`);
    this.name = 'RingError';
  }
}

/** Throws where the library that makes such calls has no build for this machine. */
export function systemCalls(): SystemCalls {
  // Elsewhere the same numbers are other calls.
  if (process.platform !== 'linux') throw new Error('only Linux has an io_uring');
  const koffi = createRequire(import.meta.url)('koffi') as typeof Koffi;
  const c = koffi.load(null);
  const call = (first: string, second: string) => c.func('syscall', 'long', ['long', first, second, 'long', 'long', 'long', 'long']);
  const setup = call('long', 'void *');
  const enter = call('long', 'long');
  const register = c.func('syscall', 'long', ['long', 'long', 'long', 'void *', 'long']);
  const map = c.func('mmap', 'void *', ['void *', 'size_t', 'int', 'int', 'int', 'long']);
  const unmap = c.func('munmap', 'int', ['void *', 'size_t']);
  const accept = c.func('accept4', 'int', ['int', 'void *', 'void *', 'int']);
  const send = c.func('send', 'long', ['int', 'void *', 'size_t', 'int']);
  const shutdown = c.func('shutdown', 'int', ['int', 'int']);
  const eventfd = c.func('eventfd', 'int', ['unsigned int', 'int']);
  const trim = trimOf(c);
  const checked = (result: number) => (result < 0 ? -koffi.errno() : result);
  const files: number[] = [];
  const maps: { readonly at: bigint; readonly bytes: number }[] = [];
  const opened = (result: number) => {
    const file = checked(result);
    if (file >= 0) files.push(file);
    return file;
  };
  return {
    setup: (entries, params) => opened(setup(NUMBERS.setup, entries, params, 0, 0, 0, 0)),
    enter: (ring, submitted, flags) => checked(enter(NUMBERS.enter, ring, submitted, 0, flags, 0, 0)),
    register: (ring, operation, argument) => checked(register(NUMBERS.register, ring, operation, argument, 1)),
    map: (bytes, ring, offset = 0) => {
      const at: bigint | null = map(null, bytes, MAP.readWrite, ring === undefined ? MAP.privateAnonymous : MAP.sharedPopulated, ring ?? -1, offset);
      // MAP_FAILED is the last address there is.
      if (at === null || BigInt.asIntN(64, at) === -1n) throw new RingError(`mmap of ${bytes} bytes`, -koffi.errno());
      maps.push({ at, bytes });
      return { address: Number(at), memory: koffi.view(at, bytes) };
    },
    accept: (file) => checked(accept(file, null, null, acceptFlags)),
    send: (file, bytes) => checked(send(file, bytes, bytes.length, sendFlags)),
    endWrites: (file) => void shutdown(file, shutdownWrites),
    trimHeap: () => trim(0),
    eventFile: () => opened(eventfd(0, eventFlags)),
    giveBack: () => {
      // What is mapped of the ring keeps it as its file does.
      for (const { at, bytes } of maps.splice(0)) unmap(at, bytes);
      for (const file of files.splice(0)) closeSync(file);
    },
  };
}

/** glibc's; others have none. */
function trimOf(c: ReturnType<typeof Koffi.load>): (keptBytes: number) => void {
  try {
    return c.func('malloc_trim', 'int', ['size_t']);
  } catch {
    return () => undefined;
  }
}

/** Numbers of errors as the ring gives them. */
export const ERRNO = { again: -constants.errno.EAGAIN } as const;
/** With these a receive is over, but not what it receives: it may begin anew. */
export const STOPPED: ReadonlySet<number> = new Set([-constants.errno.ENOBUFS, -constants.errno.ECANCELED, -constants.errno.EAGAIN, -constants.errno.EINTR]);
