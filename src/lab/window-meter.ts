import type { Micros } from '#policy/queue/queue-policy';

/** Areas under curves and counts over the measured window of a simulation. */
export class WindowMeter {
  isOpen: boolean;
  openedAt: Micros = 0;
  closedAt: Micros = 0;
  /** Integrals over time: jobs in the system, jobs ready, workers busy, time with any job present. */
  inSystem = 0;
  ready = 0;
  busy = 0;
  occupied: Micros = 0;
  overhead: Micros = 0;
  busyPeriods = 0;
  arrived = 0;
  rejected = 0;
  abandoned = 0;
  preemptions = 0;

  constructor(isOpen: boolean) {
    this.isOpen = isOpen;
  }

  get length(): Micros {
    return this.closedAt - this.openedAt;
  }

  open(now: Micros): void {
    this.isOpen = true;
    this.openedAt = now;
  }

  close(now: Micros): void {
    this.isOpen = false;
    this.closedAt = now;
  }

  pass(elapsed: Micros, ready: number, running: number, busy: number): void {
    this.inSystem += elapsed * (ready + running);
    this.ready += elapsed * ready;
    this.busy += elapsed * busy;
    if (ready + running > 0) this.occupied += elapsed;
  }
}
