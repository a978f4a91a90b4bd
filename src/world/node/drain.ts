/** Resolves when every microtask and `nextTick` queued so far, and all they queue, have run. For `new Simulation({ seed, drain })`. */
export function drain(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
